"""The actuals that Finance holds, asked for by their keys: F&O knows no `in`, so a filter names a few at a time."""

from collections.abc import AsyncIterator, Iterable
from uuid import UUID

from shared.odata import all_of, chunks, quote_text
from shared.ports import Ports
from shared.stages import Stage
from shared.transform import Row

BILLED_TYPE = "Microsoft.Dynamics.DataEntities.ProjCDSTransType'BilledSales'"
"""The literal of a billed sale's TransactionType in a filter."""
_KEYS_IN_A_FILTER = 50


async def held_actuals(
    ports: Ports, company: str, keys: Iterable[UUID], *, select: str = "", where: str = ""
) -> AsyncIterator[Row]:
    """Those of the actuals with these keys that Finance holds in `company` and for which `where` holds."""
    entity_set = str(ports.maps[Stage.ACTUALS].target.set)
    for portion in chunks(keys, _KEYS_IN_A_FILTER):
        any_of = " or ".join(f"ActualsImportId eq {key}" for key in portion)
        options = {"$filter": all_of(f"dataAreaId eq {quote_text(company)}", any_of, where)}
        async for rows in ports.finance.pages(entity_set, options | ({"$select": select} if select else {})):
            for row in rows:
                yield row

"""Reads the actuals that Finance holds, by key. Finance has no `in` operator, so a filter names a limited number of
keys.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import batched
from uuid import UUID

from shared.concurrently import concurrently
from shared.engine.ports import Ports
from shared.maps.transforms import Row
from shared.services.odata import Guid, all_of, chunks, guid, quote_text

BILLED_TYPE = "Microsoft.Dynamics.DataEntities.ProjCDSTransType'BilledSales'"
"""The literal of a billed sale's TransactionType in a filter."""
# Each key needs about 60 characters, and the filter is part of the URL.
_KEYS_IN_A_FILTER = 50
_FILTERS_AT_ONCE = 8


async def held_actuals[Id: (UUID, Guid)](
    ports: Ports, company: str, keys: Iterable[Id], *, select: str = "", where: str = ""
) -> AsyncIterator[Row]:
    """The actuals with these keys that Finance holds in `company` and that match `where`."""
    selection = {"$select": select} if select else {}
    for some in batched(chunks(keys, _KEYS_IN_A_FILTER), _FILTERS_AT_ONCE, strict=False):
        found = (_read(ports, {"$filter": _filter(company, portion, where), **selection}) for portion in some)
        for rows in await concurrently(*found):
            for row in rows:
                yield row


async def held_by_actual(ports: Ports, ids: Iterable[Guid]) -> set[Guid]:
    """Which of these actuals, named by their ids in Dataverse, Finance holds in any company. A row that another
    application sent may have another key."""
    return {guid(str(row["ActualId"])) async for row in rows_by_actual(ports, ids, select="ActualId")}


async def rows_by_actual(ports: Ports, ids: Iterable[Guid], *, select: str = "") -> AsyncIterator[Row]:
    """The rows that Finance holds in any company for these actuals, named by their ids in Dataverse."""
    selection = {"$select": select} if select else {}
    for some in batched(chunks(ids, _KEYS_IN_A_FILTER), _FILTERS_AT_ONCE, strict=False):
        asked = (_read(ports, {"$filter": any_actual(portion), **selection}) for portion in some)
        for rows in await concurrently(*asked):
            for row in rows:
                yield row


def any_actual(ids: Iterable[Guid]) -> str:
    """The filter for the actuals with these ids in Dataverse."""
    return " or ".join(f"ActualId eq {key}" for key in ids)


async def _read(ports: Ports, options: Mapping[str, str]) -> list[Row]:
    pages = ports.finance.pages(str(ports.maps[ports.job.counted.map].target.set), options)
    return [row async for rows in pages for row in rows]


def _filter(company: str, keys: Iterable[UUID | Guid], where: str) -> str:
    any_of = " or ".join(f"ActualsImportId eq {key}" for key in keys)
    return all_of(f"dataAreaId eq {quote_text(company)}", any_of, where)

"""Reads the actuals that Finance holds, by their keys in Finance or by their ids in Dataverse."""

from collections.abc import AsyncIterator, Iterable
from uuid import UUID

from shared.engine.ports import Ports
from shared.engine.targets.held_rows import held_rows, rows_with
from shared.maps.transforms import Row
from shared.project_operations.codes import ACTUALS
from shared.services.odata import Guid, all_of, any_key, guid, quote_text

# Finance compares an enumeration with a literal of its full type only (article odata, "Enums").
BILLED_TYPE = "Microsoft.Dynamics.DataEntities.ProjCDSTransType'BilledSales'"
"""The literal of a billed sale's TransactionType in a filter."""
_ID_IN_DATAVERSE = "ActualId"
# So many ids fit into one request to Dataverse.
_SOME = 50


async def held_actuals[Id: (UUID, Guid)](
    ports: Ports, company: str, keys: Iterable[Id], *, select: str = "", where: str = ""
) -> AsyncIterator[Row]:
    """The actuals with these keys that Finance holds in `company` and that match `where`."""
    async for row in held_rows(ports, ACTUALS, company, keys, select=select, where=where):
        yield row


async def held_by_actual(ports: Ports, ids: Iterable[Guid]) -> set[Guid]:
    """Which of these actuals, named by their ids in Dataverse, Finance holds in any company. A row that another
    application sent may have another key."""
    return {guid(str(row[_ID_IN_DATAVERSE])) async for row in rows_by_actual(ports, ids, select=_ID_IN_DATAVERSE)}


async def rows_by_actual(ports: Ports, ids: Iterable[Guid], *, select: str = "") -> AsyncIterator[Row]:
    """The rows that Finance holds in any company for these actuals, named by their ids in Dataverse."""
    async for row in rows_with(ports, ACTUALS, _ID_IN_DATAVERSE, ids, select=select):
        yield row


async def some_billed(ports: Ports, number: str) -> list[Guid]:
    """The ids in Dataverse of some billed sales that Finance holds under a proposal number in any company."""
    options = {"$filter": _billed(number), "$select": _ID_IN_DATAVERSE, "$top": str(_SOME)}
    pages = ports.finance.pages(str(ports.maps[ACTUALS].target.set), options)
    return [guid(str(row[_ID_IN_DATAVERSE])) async for rows in pages for row in rows]


def billed_under(company: str, number: str) -> str:
    """The filter for the billed sales of a proposal."""
    return all_of(f"dataAreaId eq {quote_text(company)}", _billed(number))


def _billed(number: str) -> str:
    return all_of(f"InvoiceProposalId eq {quote_text(number)}", f"TransactionType eq {BILLED_TYPE}")


def any_actual(ids: Iterable[Guid]) -> str:
    """The filter for the actuals with these ids in Dataverse."""
    return any_key(_ID_IN_DATAVERSE, ids)

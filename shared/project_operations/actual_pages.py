"""Reads an invoice page by page, as it would be sent now, for comparison."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.engine.ports import Ports
from shared.maps.transforms import Row
from shared.project_operations.billed_sales import billed_filter
from shared.project_operations.codes import ACTUALS, CONNECTIONS
from shared.project_operations.confirmation import find_beside
from shared.project_operations.links import trace
from shared.services.odata import Guid, guid

NEEDED = ("msdyn_actualid", "msdyn_amount", "msdyn_transactionclassification", "msdyn_transactiontypecode")


@dataclass(frozen=True)
class ActualPage:
    """What one page of a reading would send: the rows of each company, and the connections. `unexplained` are
    unbilled sales whose invoice cannot be determined."""

    rows: dict[str, list[list[str]]]
    connections: Sequence[Row]
    unexplained: Sequence[Row] = ()


async def read_actual_pages(ports: Ports, invoice_id: UUID) -> AsyncIterator[ActualPage]:
    """Read an invoice as it would be sent now. Raises RowRefused for a row that cannot be mapped."""
    known: set[Guid] = set()
    async for page in _read_linked_pages(ports, invoice_id, known):
        yield page
    beside = await find_beside(ports, invoice_id, known)
    if beside.belonging or beside.unexplained:
        options = ports.maps[ACTUALS].query
        found = [row async for rows in actuals_by_id(ports, map(UUID, beside.belonging), options) for row in rows]
        unexplained = await _whole(ports, beside.unexplained)
        yield ActualPage(_mapped(ports, found), await connections_by_id(ports, beside.links), unexplained)


async def _read_linked_pages(ports: Ports, invoice_id: UUID, known: set[Guid]) -> AsyncIterator[ActualPage]:
    """The rows that the links of the billed sales lead to. New unbilled sales are added to `known`."""
    table_map = ports.maps[ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select, "$filter": billed_filter(table_map, invoice_id)}
    async for billed in ports.dataverse.pages(table_map.source.set, options, size=ports.settings.page_rows):
        produced = await trace(ports, billed)
        known |= {guid(row["msdyn_actualid"]) for row in produced.unbilled}
        yield ActualPage(_mapped(ports, [*billed, *produced.unbilled]), produced.connections)


async def _whole(ports: Ports, rows: Sequence[Row]) -> list[Row]:
    ids = [UUID(row["msdyn_actualid"]) for row in rows]
    return [row async for found in actuals_by_id(ports, ids, ports.maps[ACTUALS].query) for row in found]


def _mapped(ports: Ports, found: Iterable[Row]) -> dict[str, list[list[str]]]:
    table_map = ports.maps[ACTUALS]
    rows: dict[str, list[list[str]]] = {}
    for row in found:
        rows.setdefault(table_map.company_of(row), []).append(table_map.write(row, ports.settings.zone))
    return rows


def actuals_by_id(ports: Ports, ids: Iterable[UUID], options: dict[str, str]) -> AsyncIterator[list[Row]]:
    """The actuals with these ids that pass the map's filter, in portions."""
    source = ports.maps[ACTUALS].source
    return ports.dataverse.rows_in(source.set, (source.key,), ids, options, where=source.filter)


async def connections_by_id(ports: Ports, ids: Iterable[Guid | UUID]) -> list[Row]:
    """The connections with these ids that pass the map's filter."""
    table_map = ports.maps[CONNECTIONS]
    source = table_map.source
    portions = ports.dataverse.rows_in(
        source.set, (source.key,), {guid(str(each)) for each in ids}, table_map.query, where=source.filter
    )
    return [row async for rows in portions for row in rows]

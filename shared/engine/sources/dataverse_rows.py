"""The rows of a Dataverse table that belong to the subject of a run, chosen by the filter of the step."""

from collections.abc import Iterable

from shared.engine.loading import Announce, Batch, Reading
from shared.engine.ports import Ports
from shared.engine.resend import repaired_ids
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Page, Run
from shared.maps.transforms import Row, RowRefused
from shared.services.odata import all_of


async def read_rows(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
    """Read one page of the step's rows, or the rows that a repair page names."""
    table_map = ports.maps[page.stage]
    source, options = table_map.source, table_map.query
    if ids := repaired_ids(page):
        await announce(None)
        portions = ports.dataverse.rows_in(source.set, (source.key,), ids, options, where=source.filter)
        return _written(ports, run, page, [row async for rows in portions for row in rows])
    dismissed = await _dismissed(ports, run, page)
    where = all_of(source.filter, ports.job.step(page.stage).rows_of(str(run.subject)))
    size = ports.settings.page_rows
    found = await ports.dataverse.stream(source.set, {**options, "$filter": where}, cursor=page.cursor, size=size)
    async with ports.memory_budget.reserve(found.size):
        await announce(found.next_link)
        return _written(ports, run, page, (row for row in found.rows if row[source.key].lower() not in dismissed))


async def _dismissed(ports: Ports, run: Run, page: Page) -> set[str]:
    """The rows that an operator dismissed. A later reading does not send them."""
    if run.generation == 1:
        return set()
    rows = await ports.rejections.of(run.subject, page.stage)
    return {row.source_id.lower() for row in rows if row.status == "dismissed"}


def _written(ports: Ports, run: Run, page: Page, rows: Iterable[Row]) -> Reading:
    """The rows as the map writes them, by company. Rows without a company of their own go to that of the run."""
    table_map, zone = ports.maps[page.stage], ports.settings.zone
    batches: dict[str, Batch] = {}
    rejected: list[RejectedRow] = []
    for row in rows:
        try:
            company = table_map.company_of(row) if table_map.company else run.company
            written = table_map.write(row, zone)
        except RowRefused as refusal:
            key = row[table_map.source.key]
            rejected.append(RejectedRow(page.stage, key, "contract", str(refusal), source_id=key))
            continue
        batches.setdefault(company, Batch(page.stage, company, [])).rows.append(written)
    return Reading(list(batches.values()), rejected)

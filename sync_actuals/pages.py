"""Reads one page of billed sales together with everything linked to it."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from uuid import UUID

from shared.concurrently import both
from shared.engine.loading import Announce, Batch, Reading
from shared.engine.ports import Ports
from shared.engine.resend import found_links, is_of_found, rejected_before, repaired_ids
from shared.ledger.run import Page, Run
from shared.maps.transforms import Row
from shared.project_operations.actual_batches import ActualBatches
from shared.project_operations.actual_pages import NEEDED, actuals_by_id, connections_by_id
from shared.project_operations.billed_sales import billed_filter
from shared.project_operations.codes import ACTUALS, BILLED_SALES
from shared.project_operations.connections import write_connections
from shared.project_operations.held_actuals import held_by_actual
from shared.project_operations.links import TRACED, trace
from shared.services.odata import Guid, guid
from shared.totals import plus
from sync_actuals.beside import has_waited
from sync_actuals.readiness import promise, promised_totals


async def read_actuals(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
    """Read a page of billed sales, their new unbilled sales, and their connections, which are held for the third
    stage. Raises NotYet while the confirmation is incomplete."""
    if ids := repaired_ids(page):
        await announce(None)
        reading = await _read_single(ports, run, page, ids)
        return await _with_links(ports, run, page, reading)
    if page.number > 0:
        return (await _read_page(ports, run, page, announce))[0]
    # The completeness check runs concurrently with the page: for a large invoice it takes as long as reading all pages.
    # No page is sent before this one is closed, and it is not closed while the confirmation is incomplete.
    promised, (reading, projects) = await both(promised_totals(ports, run), _read_page(ports, run, page, announce))
    return replace(reading, learnt=promise(run, promised, projects))


async def _read_page(ports: Ports, run: Run, page: Page, announce: Announce) -> tuple[Reading, str]:
    """One page with everything linked to it, and its projects."""
    table_map = ports.maps[ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select, "$filter": billed_filter(table_map, run.subject)}
    size = ports.settings.page_rows
    page_read = await ports.dataverse.stream(table_map.source.set, options, cursor=page.cursor, size=size)
    async with ports.memory_budget.reserve(page_read.size):
        await announce(page_read.next_link)
        dismissed = await _dismissed(ports, run)
        actuals, billed = ActualBatches(ports), []
        rows, found = await _apart(ports, run, page_read.rows)
        for row in rows:
            if row["msdyn_actualid"].lower() not in dismissed:
                actuals.add(row, is_billed=True, is_found=guid(row["msdyn_actualid"]) in found)
            billed.append({name: row[name] for name in TRACED})
        if page.number == 0:
            actuals.days.check(ports.settings.zone)
        produced = await trace(ports, billed, waited=has_waited(ports, run))
        rows, found = await _apart(ports, run, produced.unbilled)
        for row in rows:
            if row["msdyn_actualid"].lower() not in dismissed:
                actuals.add(row, is_billed=False, is_found=guid(row["msdyn_actualid"]) in found)
        connections = write_connections(ports, run.company, produced.connections)
    batches = [*actuals.batches(), *connections.batches]
    if produced.unlinked and batches:
        batches[0] = replace(batches[0], unlinked=produced.unlinked)
    reading = Reading(batches, [*actuals.rejected, *connections.rejected])
    return reading, actuals.projects()


async def _apart(ports: Ports, run: Run, rows: Iterable[Row]) -> tuple[Iterable[Row], Collection[Guid]]:
    """The rows, and the ids of those that Finance holds, if it held some before the run began. A later reading sends
    them no more than the first: it may follow an expired link or a lost part. If Dataverse has changed a row since, the
    comparison tells it, and an operator decides."""
    if not run.was_carried:
        return rows, ()
    known = list(rows)
    return known, await held_by_actual(ports, [guid(row["msdyn_actualid"]) for row in known])


async def _dismissed(ports: Ports, run: Run) -> set[str]:
    """The actuals that an operator dismissed. A later reading does not send them."""
    if run.generation == 1:
        return set()
    rows = await ports.rejections.of(run.subject, ACTUALS)
    return {row.source_id.lower() for row in rows if row.status == "dismissed"}


async def _read_single(ports: Ports, run: Run, page: Page, ids: list[UUID]) -> Reading:
    """Read single actuals again. Only rows that were rejected before are counted; the others have been counted
    already."""
    table_map = ports.maps[ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select}
    rows: Iterable[Row] = [row async for rows in actuals_by_id(ports, ids, options) for row in rows]
    rows, there = await _apart(ports, run, rows) if is_of_found(page) else (rows, ())
    rejected, anew, again = rejected_before(page), ActualBatches(ports), ActualBatches(ports)
    for row in rows:
        batches = anew if UUID(row["msdyn_actualid"]) in rejected else again
        is_billed = row["msdyn_transactiontypecode"] == BILLED_SALES
        batches.add(row, is_billed=is_billed, is_found=guid(row["msdyn_actualid"]) in there)
    uncounted = [replace(batch, measures={}) for batch in again.batches()]
    return Reading(_merge([*anew.batches(), *uncounted]), [*anew.rejected, *again.rejected])


def _merge(batches: list[Batch]) -> list[Batch]:
    """One batch per company, and one of its rows that Finance holds already."""
    merged: dict[tuple[str, bool], Batch] = {}
    for batch in batches:
        known = merged.get((batch.company, batch.is_found))
        merged[batch.company, batch.is_found] = (
            batch
            if known is None
            else replace(
                known,
                rows=known.rows + batch.rows,
                measures=plus(known.measures, batch.measures),
                odd_days=known.odd_days + batch.odd_days,
            )
        )
    return list(merged.values())


async def _with_links(ports: Ports, run: Run, page: Page, reading: Reading) -> Reading:
    """The reading of rows without a link, plus their connections to the rows that they replace."""
    links = found_links(page)
    if not links:
        return reading
    connections = write_connections(ports, run.company, await connections_by_id(ports, links))
    return Reading([*reading.batches, *connections.batches], [*reading.rejected, *connections.rejected])

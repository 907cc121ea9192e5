"""Reading one page of billed sales with all that belongs to it, and judging whether the reading is complete."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from shared.concurrently import both
from shared.engine.account import Account, read_again
from shared.engine.loading import Announce, Batch, Reading
from shared.engine.messages import Load, Verify
from shared.engine.ports import Ports
from shared.engine.resend import found_beside, rejected_before, repaired_ids
from shared.errors import NotYet
from shared.ledger.run import BEFORE_ACTUALS, Page, Run, State
from shared.maps.transforms import Row
from shared.project_operations.actual_batches import ActualBatches, write_actuals
from shared.project_operations.billed_sales import BILLED_SALES, billed_filter
from shared.project_operations.completeness import completeness
from shared.project_operations.confirmation import find_beside
from shared.project_operations.connections import write_connections
from shared.project_operations.links import TRACED, trace
from shared.services.odata import Guid, guid
from shared.stages import Stage
from shared.totals import Totals
from sync_actuals.beside import has_waited, settle_beside

_UNTIL_CONNECTIONS_ARE_SENT = timedelta(seconds=2)
NEEDED = ("msdyn_actualid", "msdyn_amount", "msdyn_transactionclassification", "msdyn_transactiontypecode")


async def read_actuals(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
    """Read a page of billed sales, the new unbilled sales behind them, and their connections, which wait for their
    stage. Raises NotYet while the confirmation is not complete."""
    if ids := repaired_ids(page):
        await announce(None)
        reading = await _read_single(ports, ids, rejected_before(page))
        return await _with_links(ports, run, page, reading)
    if page.number > 0:
        return (await _read_page(ports, run, page, announce))[0]
    # Beside the page, not before it: of a large invoice this reading takes as long as all pages. What is read
    # meanwhile is not sent before this page is closed, which it is not while the confirmation is incomplete.
    promised, (reading, projects) = await both(_promised(ports, run), _read_page(ports, run, page, announce))
    await _note_first(ports, run, promised, projects)
    return reading


async def _read_page(ports: Ports, run: Run, page: Page, announce: Announce) -> tuple[Reading, str]:
    """One page and what belongs to it, and its projects."""
    table_map = ports.maps[Stage.ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select, "$filter": billed_filter(table_map, run.invoice_id)}
    size = ports.settings.page_rows
    page_read = await ports.dataverse.stream(table_map.source.set, options, cursor=page.cursor, size=size)
    async with ports.memory_budget.reserve(page_read.size):
        await announce(page_read.next_link)
        dismissed = await _dismissed(ports, run)
        actuals, billed = ActualBatches(ports), []
        for row in page_read.rows:
            if row["msdyn_actualid"].lower() not in dismissed:
                actuals.add(row, is_billed=True)
            billed.append({name: row[name] for name in TRACED})
        if page.number == 0:
            actuals.days.check(ports.settings.zone)
        produced = await trace(ports, billed, waited=has_waited(ports, run))
        for row in produced.unbilled:
            if row["msdyn_actualid"].lower() not in dismissed:
                actuals.add(row, is_billed=False)
        connections = write_connections(ports, run.company, produced.connections, held=True)
    batches = [*actuals.batches(), *connections.batches]
    if produced.unlinked and batches:
        batches[0] = replace(batches[0], unlinked=produced.unlinked)
    reading = Reading(batches, [*actuals.rejected, *connections.rejected])
    return reading, actuals.projects()


async def _dismissed(ports: Ports, run: Run) -> set[str]:
    """The actuals that were dealt with outside: a later reading sends them no more."""
    if run.generation == 1:
        return set()
    rows = await ports.rejections.of(run.invoice_id, Stage.ACTUALS)
    return {row.source_id.lower() for row in rows if row.status == "dismissed"}


async def _read_single(ports: Ports, ids: list[UUID], rejected: set[UUID]) -> Reading:
    """Read single actuals again. Only those that were rejected before count anew: the others have been counted."""
    table_map = ports.maps[Stage.ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select}
    found = [row async for rows in _by_id(ports, ids, options) for row in rows]
    anew = [row for row in found if UUID(row["msdyn_actualid"]) in rejected]
    again = [row for row in found if UUID(row["msdyn_actualid"]) not in rejected]
    batches, refused = write_actuals(ports, *_split(anew))
    more, refused_again = write_actuals(ports, *_split(again))
    uncounted = [replace(batch, billed=Totals(), fresh=Totals()) for batch in more]
    return Reading(_merge([*batches, *uncounted]), [*refused, *refused_again])


def _by_id(ports: Ports, ids: Iterable[UUID], options: dict[str, str]) -> AsyncIterator[list[Row]]:
    source = ports.maps[Stage.ACTUALS].source
    return ports.dataverse.rows_in(source.set, (source.key,), ids, options, where=source.filter)


def _split(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    billed = [row for row in rows if row["msdyn_transactiontypecode"] == BILLED_SALES]
    return billed, [row for row in rows if row["msdyn_transactiontypecode"] != BILLED_SALES]


def _merge(batches: list[Batch]) -> list[Batch]:
    """One batch a company."""
    merged: dict[str, Batch] = {}
    for batch in batches:
        known = merged.get(batch.company)
        merged[batch.company] = (
            batch
            if known is None
            else replace(
                known,
                rows=known.rows + batch.rows,
                billed=known.billed + batch.billed,
                fresh=known.fresh + batch.fresh,
                odd_days=known.odd_days + batch.odd_days,
            )
        )
    return list(merged.values())


async def _with_links(ports: Ports, run: Run, page: Page, reading: Reading) -> Reading:
    """The reading of what was found beside the links, with its connections to what it replaces."""
    links = found_beside(page)
    if not links:
        return reading
    connections = write_connections(ports, run.company, await _connections(ports, links), held=True)
    return Reading([*reading.batches, *connections.batches], [*reading.rejected, *connections.rejected])


async def _connections(ports: Ports, ids: Iterable[Guid | UUID]) -> list[Row]:
    table_map = ports.maps[Stage.CONNECTIONS]
    source = table_map.source
    portions = ports.dataverse.rows_in(
        source.set, (source.key,), {guid(str(each)) for each in ids}, table_map.query, where=source.filter
    )
    return [row async for rows in portions for row in rows]


@dataclass(frozen=True)
class ActualPage:
    """What one page of a reading would send: the rows of each company, and the connections. `unexplained` are unbilled
    sales of which nobody can tell whether they belong to the confirmation."""

    rows: dict[str, list[list[str]]]
    connections: Sequence[Row]
    unexplained: Sequence[Row] = ()


async def read_actual_pages(ports: Ports, invoice_id: UUID) -> AsyncIterator[ActualPage]:
    """Read an invoice for comparison, as it would be sent now. Raises RowRefused for a row that cannot be mapped."""
    known: set[Guid] = set()
    async for page in _read_linked_pages(ports, invoice_id, known):
        yield page
    beside = await find_beside(ports, invoice_id, known)
    if beside.belonging or beside.unexplained:
        options = ports.maps[Stage.ACTUALS].query
        found = [row async for rows in _by_id(ports, map(UUID, beside.belonging), options) for row in rows]
        unexplained = await _whole(ports, beside.unexplained)
        yield ActualPage(_mapped(ports, found), await _connections(ports, beside.links), unexplained)


async def _whole(ports: Ports, rows: Sequence[Row]) -> list[Row]:
    ids = [UUID(row["msdyn_actualid"]) for row in rows]
    return [row async for found in _by_id(ports, ids, ports.maps[Stage.ACTUALS].query) for row in found]


def _mapped(ports: Ports, found: Iterable[Row]) -> dict[str, list[list[str]]]:
    table_map = ports.maps[Stage.ACTUALS]
    rows: dict[str, list[list[str]]] = {}
    for row in found:
        rows.setdefault(table_map.company_of(row), []).append(table_map.write(row, ports.settings.zone))
    return rows


async def _read_linked_pages(ports: Ports, invoice_id: UUID, known: set[Guid]) -> AsyncIterator[ActualPage]:
    """What the links from the billed sales lead to; the new unbilled sales among it are added to `known`."""
    table_map = ports.maps[Stage.ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select, "$filter": billed_filter(table_map, invoice_id)}
    async for billed in ports.dataverse.pages(table_map.source.set, options, size=ports.settings.page_rows):
        produced = await trace(ports, billed)
        known |= {guid(row["msdyn_actualid"]) for row in produced.unbilled}
        yield ActualPage(_mapped(ports, [*billed, *produced.unbilled]), produced.connections)


async def may_be_sent(ports: Ports, page: Page) -> bool:
    """Reading begins while the header is still being imported. Actuals go when it is in and the confirmation was found
    complete, which the first page says by being closed. Both are looked at after a page was closed, and whoever makes
    one of them true looks for parts after that: so none is forgotten between two that happen at once."""
    run = await ports.ledger.run(page.invoice_id)
    if run is None or run.state in BEFORE_ACTUALS:
        return False
    first = await ports.ledger.page(page.invoice_id, Stage.ACTUALS, page.generation, 0)
    return first is not None and first.read


async def _promised(ports: Ports, run: Run) -> Totals:
    """What Dataverse holds now. Raises NotYet while that cannot be all."""
    found = await completeness(ports, run.invoice_id)
    if not found.billed.totals.rows or found.missing:
        raise NotYet(f"incomplete: {found.describe()}")
    if found.doubtful and not has_waited(ports, run):
        # A line made non-chargeable may get no billed sale but an unbilled one: where these are there, all is there.
        beside = await find_beside(ports, run.invoice_id, ())
        if beside.unbilled < found.doubtful:
            raise NotYet(f"{found.doubtful} more billed sales may come, of lines that are not chargeable or corrected")
    return found.billed.totals


async def _note_first(ports: Ports, run: Run, promised: Totals, projects: str) -> None:
    current = await ports.ledger.run(run.invoice_id)
    if current is not None and (current.wait or not current.expected.same_money(promised)):
        await ports.ledger.save(current, expected=promised, project=projects, wait="", wait_since=None)


async def have_looked_after(ports: Ports, run: Run, account: Account) -> None:
    """All actuals are in Finance, says whoever settles imports, and must not wait until Dataverse has said what comes
    next: a reader asks, who keeps what it is answered while the service limits us."""
    del account
    await ports.queues.send(Load(stage=Stage.ACTUALS, invoiceId=run.invoice_id, generation=run.generation))


async def after_actuals(ports: Ports, run: Run, account: Account) -> None:
    """All actuals are in Finance. Two readings of the billed sales must agree before the connections may follow."""
    read = account.accounted
    if not read.same_money(run.expected):
        await read_again(ports, run, f"two readings differ: {run.expected.describe()}, then {read.describe()}")
        return
    if run.state == State.SYNCING_ACTUALS:
        beside = await settle_beside(ports, run, account)
        if beside is None:
            return
        await ports.ledger.save(run, state=State.LINKING, wait="", wait_since=None, verified=0, beside=beside.seen)
    await ports.queues.send(Load(stage=Stage.CONNECTIONS, invoiceId=run.invoice_id, generation=run.generation))
    # The actuals are compared while Finance imports the connections; if this gets lost, it is done after them.
    comparison = Verify(stage=Stage.CONNECTIONS, invoiceId=run.invoice_id, generation=run.generation)
    await ports.queues.send(comparison, delay=_UNTIL_CONNECTIONS_ARE_SENT)

"""Reading one page of billed sales with all that belongs to it, and judging whether the reading is complete."""

from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from shared.billed import BILLED_SALES, billed_filter, billed_totals, chargeable_details
from shared.connections import write_connections
from shared.errors import NotYet
from shared.handover import Account, read_again
from shared.loading import Announce, Batch, Reading
from shared.messages import Load
from shared.ports import Ports
from shared.rejected import BILLED, UNBILLED, RejectedRow
from shared.repair import repaired_ids
from shared.run import Page, Run, State
from shared.stages import Stage
from shared.tablemap import TableMap, follow
from shared.totals import Tally, Totals
from shared.transform import Row, RowRefused
from sync_actuals.links import trace

NEEDED = ("msdyn_actualid", "msdyn_amount", "msdyn_transactionclassification", "msdyn_transactiontypecode")


@dataclass
class _Pile:
    """The rows of one company."""

    rows: list[list[str]] = field(default_factory=list)
    billed: Tally = field(default_factory=Tally)
    fresh: Tally = field(default_factory=Tally)


async def read_actuals(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
    """Read a page of billed sales, the new unbilled sales behind them, and their connections, which wait for their
    stage. Raises NotYet while the confirmation is not complete."""
    if ids := repaired_ids(page):
        await announce(None)
        return await _read_single(ports, run, ids)
    promised = await _promised(ports, run) if page.number == 0 else None
    table_map = ports.maps[Stage.ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select, "$filter": billed_filter(table_map, run.invoice_id)}
    found = await ports.dataverse.page(table_map.source.set, options, cursor=page.cursor, size=ports.settings.page_rows)
    await announce(found.next_link)
    produced = await trace(ports, found.rows)
    dismissed = await _dismissed(ports, run)
    actuals, rejected = write_actuals(ports, _without(dismissed, found.rows), _without(dismissed, produced.unbilled))
    if promised:
        await _note_first(ports, run, promised, _projects(table_map, actuals))
    connections = write_connections(ports, run.company, produced.connections, held=True)
    return Reading([*actuals, *connections.batches], [*rejected, *connections.rejected])


async def _dismissed(ports: Ports, run: Run) -> set[str]:
    """The actuals that were dealt with outside: a later reading sends them no more."""
    if run.generation == 1:
        return set()
    rows = await ports.rejections.of(run.invoice_id, Stage.ACTUALS)
    return {row.source_id.lower() for row in rows if row.status == "dismissed"}


def _without(ids: Collection[str], rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["msdyn_actualid"].lower() not in ids]


async def _read_single(ports: Ports, run: Run, ids: list[UUID]) -> Reading:
    """Read single actuals again. Only those that were rejected before count anew: the others have been counted."""
    table_map = ports.maps[Stage.ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select}
    found = [row async for rows in _by_id(ports, ids, options) for row in rows]
    rejected = {row.source_id.lower() for row in await ports.rejections.of(run.invoice_id, Stage.ACTUALS)}
    anew = [row for row in found if row["msdyn_actualid"].lower() in rejected]
    again = [row for row in found if row["msdyn_actualid"].lower() not in rejected]
    batches, refused = write_actuals(ports, *_split(anew))
    more, refused_again = write_actuals(ports, *_split(again))
    uncounted = [replace(batch, billed=Totals(), fresh=Totals()) for batch in more]
    return Reading(_merge([*batches, *uncounted]), [*refused, *refused_again])


def _by_id(ports: Ports, ids: list[UUID], options: dict[str, str]) -> AsyncIterator[list[Row]]:
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
                known, rows=known.rows + batch.rows, billed=known.billed + batch.billed, fresh=known.fresh + batch.fresh
            )
        )
    return list(merged.values())


@dataclass(frozen=True)
class ActualPage:
    """What one page of a reading would send: the rows of each company, and how many connections."""

    rows: dict[str, list[list[str]]]
    connections: int


async def read_actual_pages(ports: Ports, invoice_id: UUID) -> AsyncIterator[ActualPage]:
    """Read an invoice for comparison, as it would be sent now. Raises RowRefused for a row that cannot be mapped."""
    table_map = ports.maps[Stage.ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select, "$filter": billed_filter(table_map, invoice_id)}
    async for billed in ports.dataverse.pages(table_map.source.set, options, size=ports.settings.page_rows):
        produced = await trace(ports, billed)
        rows: dict[str, list[list[str]]] = {}
        for row in [*billed, *produced.unbilled]:
            rows.setdefault(table_map.company_of(row), []).append(table_map.write(row, ports.settings.zone))
        yield ActualPage(rows, len(produced.connections))


async def _promised(ports: Ports, run: Run) -> Totals:
    """What Dataverse holds now. Raises NotYet while that cannot be all."""
    details = await chargeable_details(ports, run.invoice_id)
    billed = await billed_totals(ports, run.invoice_id)
    if not billed.rows or billed.rows < details:
        raise NotYet(
            f"incomplete: Dataverse holds {billed.rows} billed sales for {details} chargeable invoice line details"
        )
    return billed


async def _note_first(ports: Ports, run: Run, promised: Totals, projects: str) -> None:
    current = await ports.ledger.run(run.invoice_id)
    if current is not None and (current.wait or not current.expected.same_money(promised)):
        await ports.ledger.save(current, expected=promised, project=projects, wait="", wait_since=None)


def _projects(table_map: TableMap, batches: Iterable[Batch]) -> str:
    """The projects of the rows, for people: one by its number, of several the first and how many more."""
    if "PROJECTID" not in table_map.columns:
        return ""
    position = table_map.position("PROJECTID")
    numbers = sorted({row[position] for batch in batches for row in batch.rows})
    return "" if not numbers else f"{numbers[0]} +{len(numbers) - 1}" if len(numbers) > 1 else numbers[0]


def write_actuals(ports: Ports, billed: Iterable[Row], fresh: Iterable[Row]) -> tuple[list[Batch], list[RejectedRow]]:
    """Map billed sales and others, company by company; rows that the map cannot write are rejected."""
    table_map = ports.maps[Stage.ACTUALS]
    piles: dict[str, _Pile] = {}
    rejected: list[RejectedRow] = []
    for rows, is_billed in ((billed, True), (fresh, False)):
        for row in rows:
            try:
                _pile_up(ports, table_map, piles, row, is_billed)
            except RowRefused as refusal:
                rejected.append(_refused(row, str(refusal), is_billed=is_billed))
    batches = [
        Batch(Stage.ACTUALS, company, pile.rows, billed=pile.billed.totals(), fresh=pile.fresh.totals())
        for company, pile in piles.items()
    ]
    return batches, rejected


def _refused(row: Row, text: str, *, is_billed: bool) -> RejectedRow:
    """A row that the map cannot write; it is known by its id in Dataverse."""
    return RejectedRow(
        stage=Stage.ACTUALS,
        key=row["msdyn_actualid"],
        kind="contract",
        text=text,
        source_id=row["msdyn_actualid"],
        transaction_type=BILLED if is_billed else UNBILLED,
        currency=follow(row, ("transactioncurrencyid", "isocurrencycode")) or "",
        amount=Decimal(row["msdyn_amount"] or 0),
    )


def _pile_up(ports: Ports, table_map: TableMap, piles: dict[str, _Pile], row: Row, is_billed: bool) -> None:
    company = table_map.company_of(row)
    written = table_map.write(row, ports.settings.zone)
    key, amount, currency = (written[table_map.position(column)] for column in MEASURED)
    pile = piles.setdefault(company, _Pile())
    pile.rows.append(written)
    (pile.billed if is_billed else pile.fresh).add(key, currency, Decimal(amount or 0))


MEASURED = ("ACTUALSIMPORTID", "AMOUNT", "TRANSACTIONCURRENCYID")


async def after_actuals(ports: Ports, run: Run, account: Account) -> None:
    """All actuals are in Finance. Two readings of the billed sales must agree before the connections may follow."""
    read = account.accounted
    if not read.same_money(run.expected):
        await read_again(ports, run, f"two readings differ: {run.expected.describe()}, then {read.describe()}")
        return
    if run.state == State.SYNCING_ACTUALS:
        await ports.ledger.save(run, state=State.LINKING, wait="", wait_since=None)
    await ports.queues.send(Load(stage=Stage.CONNECTIONS, invoiceId=run.invoice_id, generation=run.generation))

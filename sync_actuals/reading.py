"""Reading one page of billed sales with all that belongs to it, and judging whether the reading is complete."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from shared.billed import billed_filter, billed_totals, chargeable_details
from shared.errors import NotYet
from shared.handover import Account, read_again
from shared.loading import Announce, Batch, Reading
from shared.messages import Load
from shared.ports import Ports
from shared.rejected import BILLED, UNBILLED, RejectedRow
from shared.run import Page, Run, State
from shared.stages import Stage
from shared.tablemap import Row, RowRefused, TableMap, follow
from shared.totals import Tally
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
    if page.number == 0:
        await _first_reading(ports, run)
    table_map = ports.maps[Stage.ACTUALS]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *NEEDED}))
    options = {**table_map.query, "$select": select, "$filter": billed_filter(table_map, run.invoice_id)}
    found = await ports.dataverse.page(table_map.source.set, options, cursor=page.cursor, size=ports.settings.page_rows)
    await announce(found.next_link)
    produced = await trace(ports, found.rows)
    actuals, rejected = _write_actuals(ports, found.rows, produced.unbilled)
    connections, refused = _write_connections(ports, run, produced.connections)
    return Reading([*actuals, connections], [*rejected, *refused])


async def _first_reading(ports: Ports, run: Run) -> None:
    details = await chargeable_details(ports, run.invoice_id)
    billed = await billed_totals(ports, run.invoice_id)
    if not billed.rows or billed.rows < details:
        raise NotYet(
            f"incomplete: Dataverse holds {billed.rows} billed sales for {details} chargeable invoice line details"
        )
    current = await ports.ledger.run(run.invoice_id)
    if current is not None and (current.wait or not current.expected.same_money(billed)):
        await ports.ledger.save(current, expected=billed, wait="", wait_since=None)


def _write_actuals(ports: Ports, billed: Iterable[Row], fresh: Iterable[Row]) -> tuple[list[Batch], list[RejectedRow]]:
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


def _write_connections(ports: Ports, run: Run, links: Iterable[Row]) -> tuple[Batch, list[RejectedRow]]:
    table_map = ports.maps[Stage.CONNECTIONS]
    written: list[list[str]] = []
    rejected: list[RejectedRow] = []
    for link in links:
        try:
            written.append(table_map.write(link, ports.settings.zone))
        except RowRefused as refusal:
            key = link[table_map.source.key]
            rejected.append(RejectedRow(Stage.CONNECTIONS, key, "contract", str(refusal), source_id=key))
    return Batch(Stage.CONNECTIONS, run.company, written, held=True), rejected


async def after_actuals(ports: Ports, run: Run, account: Account) -> None:
    """All actuals are in Finance. Two readings of the billed sales must agree before the connections may follow."""
    read = account.accounted
    if not read.same_money(run.expected):
        await read_again(ports, run, f"two readings differ: {run.expected.describe()}, then {read.describe()}")
        return
    if run.state == State.SYNCING_ACTUALS:
        await ports.ledger.save(run, state=State.LINKING)
    await ports.queues.send(Load(stage=Stage.CONNECTIONS, invoiceId=run.invoice_id, generation=run.generation))

"""Unbilled sales of a confirmation that no link leads to: they are read too, or shown to an operator."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from shared.engine.account import Account
from shared.engine.landed_rows import landed_rows
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.engine.resend import ids_on, open_found
from shared.errors import NeedsAttention
from shared.ledger.rejected_rows import UNBILLED, RejectedRow, measured
from shared.ledger.run import Part, Run
from shared.maps.columns import follow
from shared.maps.transforms import Row
from shared.project_operations.codes import ACTUALS, NEW_UNBILLED
from shared.project_operations.confirmation import Beside, find_beside
from shared.services.odata import Guid, guid
from shared.storage.landing import PartLost

_UNTIL_ASKED_AGAIN = timedelta(seconds=5)


def has_waited(ports: Ports, run: Run) -> bool:
    """Whether optional rows of the confirmation were waited for long enough (LATE_ROWS_PATIENCE_SECONDS)."""
    if run.wait_since is None:
        return False
    return (ports.now() - run.wait_since).total_seconds() >= ports.settings.late_patience


async def settle_beside(ports: Ports, run: Run, account: Account) -> Beside | None:
    """The unlinked unbilled sales, once all of them are accounted for; None while some are being read or waited for.
    Raises NeedsAttention for rows whose invoice cannot be determined."""
    taken = account.book.pages(ACTUALS, run.generation)
    sent, is_all = await _sent_unbilled(ports, account.parts)
    singly = ids_on(account.book.pages_of_all_readings(ACTUALS))
    known = sent | ids_on(taken) | {guid(row.source_id) for row in account.dismissed}
    beside = await find_beside(ports, run.subject, known, singly)
    # After completion, landed parts are deleted and cannot tell what was read. What Finance holds was accounted for
    # then.
    found = {key: links for key, links in beside.belonging.items() if is_all or key in beside.missing}
    if found:
        await open_found(ports, run, ACTUALS, taken, found)
        return None
    if beside.unexplained:
        await _put_before_a_person(ports, run, beside.unexplained)
        return None
    return beside


async def _sent_unbilled(ports: Ports, parts: Iterable[Part]) -> tuple[set[Guid], bool]:
    """The ids in Dataverse of the new unbilled sales that were read, and whether the set is complete. Landed parts
    are deleted when a run is completed."""
    found: set[Guid] = set()
    is_all = True
    for part in parts:
        if part.measure(NEW_UNBILLED).rows:
            try:
                landed = await landed_rows(ports, part, cell=UNBILLED)
            except PartLost:
                is_all = False
                continue
            if landed.table_map.source_column:
                own = landed.table_map.position(landed.table_map.source_column)
                found |= {guid(row[own]) for row in landed.rows}
    return found, is_all


async def _put_before_a_person(ports: Ports, run: Run, rows: Sequence[Row]) -> None:
    """Wait a little, since dual-write's live map may be bringing the rows. Then record them as rejected rows, which
    an operator can replay or dismiss."""
    rejected = [_rejected(row) for row in rows]
    money, first = measured(rejected, ports.job.step(ACTUALS))[NEW_UNBILLED].describe(), rejected[0].key
    count = "1 unbilled sale" if len(rows) == 1 else f"{len(rows)} unbilled sales"
    text = (
        f"{count} ({money}) on the contract of this invoice, created while it was confirmed, cannot be told to belong "
        f"to it and Finance holds none of them, e.g. {first}"
    )
    if not has_waited(ports, run):
        if not run.wait:
            await ports.ledger.save(run, wait=text, wait_since=run.wait_since or ports.now())
        again = Load(stage=ACTUALS, subject=run.subject, generation=run.generation)
        await ports.queues.send(again, delay=_UNTIL_ASKED_AGAIN)
        return
    await ports.rejections.keep(run.subject, rejected)
    raise NeedsAttention(f"{text}. Replay the run to send them with it, or dismiss the rows that do not belong to it")


def _rejected(row: Row) -> RejectedRow:
    return RejectedRow(
        stage=ACTUALS,
        key=row["msdyn_actualid"],
        kind="contract",
        text="unexplained: nothing links this unbilled sale to an invoice, it was created on the contract while the "
        "invoice was confirmed, and Finance does not hold it. Replay sends it; dismiss it if it belongs elsewhere",
        source_id=row["msdyn_actualid"],
        transaction_type=UNBILLED,
        currency=follow(row, ("transactioncurrencyid", "isocurrencycode")) or "",
        amount=Decimal(row["msdyn_amount"] or 0),
    )

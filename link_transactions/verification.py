"""Completes a run only if source and target agree in count and sums, per currency, to the last decimal, and in the
mapped columns that Finance returns: for every row up to a limit, for a stated sample above it.
"""

import logging
from collections.abc import Sequence

from link_transactions.comparison import Comparison, compare_actuals
from shared.engine.account import Account, account_in, reading_of
from shared.engine.landed_rows import landed_rows
from shared.engine.lifecycle import end, read_again
from shared.engine.messages import Load, Verify
from shared.engine.ports import Ports
from shared.errors import LeaseLost, NeedsAttention
from shared.jobs.job import Step
from shared.ledger.book import Book
from shared.ledger.run import FOUND, Part, Run, State
from shared.log import event
from shared.maps.columns_compared import RowDiffers, describe_differences
from shared.maps.transforms import RowRefused
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES, NEW_UNBILLED, SOLD
from shared.storage.landing import PartLost
from shared.totals import Totals

COMPARABLE = {State.LINKING, State.VERIFYING}
"""The states in which all actuals are in Finance."""
# The text for a run that was compared by a version of the app without column comparison.
_ONLY_COUNTED = "count, money and keys of all rows compared"


async def verify(ports: Ports, message: Verify | Load) -> None:
    """Compare the actuals, and complete the run if its connections are in Finance too. Raises NeedsAttention with
    the numbers if the two sides differ, and LeaseLost while another worker compares them."""
    # Several messages ask for the comparison: after the actuals, after the connections, and duplicates of both.
    async with ports.leases.hold(f"verify {message.subject}"):
        await _verify(ports, message)


async def _verify(ports: Ports, message: Verify | Load) -> None:
    book = await ports.ledger.book(message.subject)
    run = book.run
    # Duplicate delivery while actuals are sent again. Only a complete reading may be compared.
    if run is None or run.state not in COMPARABLE or run.generation != message.generation:
        return
    if run.verified != run.generation:
        compared = await _agrees(ports, run, account_in(book, ports.job.step(ACTUALS), run.generation))
        if not compared:
            return
        run = await _note_verified(ports, run, compared)
    if run.state == State.VERIFYING:
        await complete(ports, run, await ports.ledger.book(run.subject))


async def complete(ports: Ports, run: Run, book: Book) -> None:
    """Complete a verified run whose connections are all in Finance. `book` shows them there."""
    account = account_in(book, ports.job.step(ACTUALS), run.generation)
    connections = book.parts(CONNECTIONS, run.generation)
    headers = book.parts(INVOICES, reading_of(ports, run, INVOICES))
    others = [_describe_plain(book, run, step) for step in ports.job.plain]
    detail = "; ".join([_describe(run, account, headers, connections), *others])
    await end(ports, run.subject, State.COMPLETED, detail, known=run)
    # Last: until the run has ended, another comparison may need the landed rows. The sweep deletes what a crash leaves.
    await ports.landing.clear(run.subject, book.blobs if book.is_of_one_pass else None)


async def _agrees(ports: Ports, run: Run, account: Account) -> str:
    """What was compared, in words, if both sides agree. "" if they do not, because Dataverse or the map has changed:
    then the rows are read again. Raises NeedsAttention for any other difference."""
    try:
        found = await compare_actuals(ports, run, account)
    except RowRefused as refusal:
        await read_again(ports, run, f"Dataverse or the map has changed: {refusal}")
        return ""
    if _has_changed(account, found):
        reason = f"Dataverse has changed: {account.accounted(SOLD).describe()} read, now {found.source.describe()}"
        await read_again(ports, run, reason)
        return ""
    _compare(run, "billed sales", found.expected, found.held)
    _compare(run, "new unbilled sales", account.measure(NEW_UNBILLED), found.new_unbilled)
    if found.gone:
        raise _mismatch(
            run,
            f"Finance holds {_count(len(found.gone), 'new unbilled sale')} that Dataverse no longer has, the "
            f"first {found.gone[0]}. Remove what does not belong there in Finance, then replay the run",
        )
    if found.differing:
        await _settle_differences(ports, run, account, found)
        return ""
    return found.describe()


def _has_changed(account: Account, found: Comparison) -> bool:
    """Whether Dataverse holds other billed sales than were read, and Finance does not hold them either."""
    if not found.source.same_money(account.accounted(SOLD)):
        return True
    return not found.expected.same_set(found.held) and not found.expected.same_set(account.measure(SOLD))


async def _settle_differences(ports: Ports, run: Run, account: Account, found: Comparison) -> None:
    """Read again the rows that have changed in Dataverse, or that the map writes differently now. Raises
    NeedsAttention for rows that Finance holds differently from how they were sent."""
    as_sent = await _sent_as_now(ports, account.parts, found.differing)
    if not as_sent:
        rows = f"{_count(len(found.differing), 'row')} {'was' if len(found.differing) == 1 else 'were'} read"
        named = describe_differences(found.differing)
        await read_again(ports, run, f"Dataverse or the map has changed since {rows}: {named}")
        return
    compared = f"{len(found.compared):,} {'row' if len(found.compared) == 1 else 'rows'} compared"
    verb = "differs" if len(as_sent) == 1 else "differ"
    from_what = (
        "Dataverse, and what Finance held already was not sent again"
        if any(map(_is_found, account.parts))
        else "what was sent"
    )
    raise _mismatch(
        run,
        f"{len(as_sent):,} of {compared} {verb} in Finance from {from_what}: "
        f"{describe_differences(as_sent)}. If Finance was changed, reconcile the invoice with fix to send these rows "
        "again; if Finance cuts or rounds the value, shorten it in Dataverse first",
    )


async def _sent_as_now(ports: Ports, parts: Sequence[Part], differing: Sequence[RowDiffers]) -> list[RowDiffers]:
    """The rows whose differing columns were sent exactly as the map writes them now, so Finance must have changed
    them. A row whose sent form can no longer be read is included."""
    wanted = {row.key: row for row in differing}
    changed: set[str] = set()
    # The last part in which a row was sent is decisive.
    for part in sorted(parts, key=lambda part: part.number):
        try:
            landed = await landed_rows(ports, part)
        except PartLost:
            continue
        columns, key = landed.table_map.columns, landed.table_map.position("ACTUALSIMPORTID")
        for texts in landed.rows:
            if row := wanted.get(texts[key].lower()):
                sent = dict(zip(columns, texts, strict=True))
                is_same = all(sent.get(each.column) == each.source for each in row.columns)
                changed = changed - {row.key} if is_same else changed | {row.key}
    return [row for row in differing if row.key not in changed]


async def _note_verified(ports: Ports, run: Run, compared: str) -> Run:
    """Record that the actuals agree. A concurrent change to VERIFYING, because the connections arrived, does not
    matter."""
    try:
        return await ports.ledger.save(run, verified=run.generation, compared=compared)
    except LeaseLost:
        standing = await ports.ledger.run(run.subject)
        if standing is None or standing.state != State.VERIFYING or standing.generation != run.generation:
            raise
        return await ports.ledger.save(standing, verified=run.generation, compared=compared)


def _describe_plain(book: Book, run: Run, step: Step) -> str:
    parts = book.parts(step.map, run.generation)
    return f"{_count(sum(part.rows - part.rejected for part in parts), 'row')} of {step.shown} as Finance reported"


def _describe(run: Run, account: Account, headers: Sequence[Part], connections: Sequence[Part]) -> str:
    """What Finance holds, and what was compared, for an operator."""
    created = account.measure(NEW_UNBILLED).rows
    new_unbilled = f" and {_count(created, 'new unbilled sale')}" if created else ""
    linked = _count(sum(part.rows - part.rejected for part in connections if part.state == "settled"), "connection")
    dismissed = len(account.dismissed)
    left = f"; {_count(dismissed, 'row')} {'was' if dismissed == 1 else 'were'} dismissed" if dismissed else ""
    reported = linked if any(map(_is_found, headers)) else f"header and {linked}"
    return (
        f"Finance holds {account.measure(SOLD).describe()} as billed sales{new_unbilled}; "
        f"{run.compared or _ONLY_COUNTED}; "
        f"{reported} as Finance reported{_found(headers, account)}{left}{_without(account, connections)}"
    )


def _is_found(part: Part) -> bool:
    return part.path == FOUND


def _found(headers: Sequence[Part], account: Account) -> str:
    """What was not sent because Finance held it, for an operator. A header cannot be read there."""
    actuals = sum(part.rows for part in account.parts if _is_found(part))
    verb = "was" if actuals == 1 else "were"
    told = f"; {_count(actuals, 'actual')} {verb} there already and {verb} not sent again" if actuals else ""
    if any(map(_is_found, headers)):
        told += "; the header was not sent, because Finance held billed sales before (it does not show headers)"
    return told


def _without(account: Account, connections: Sequence[Part]) -> str:
    """The connections that were not sent, for an operator."""
    left_out = sum(part.left_out for part in connections)
    told = f"; {_count(left_out, 'connection')} of dismissed rows were not sent" if left_out else ""
    if account.unlinked:
        told += f"; for {_count(account.unlinked, 'billed sale')} Dataverse has no connection to an unbilled one"
    return told


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _compare(run: Run, what: str, sent: Totals, held: Totals) -> None:
    if not sent.same_set(held):
        difference = "" if not sent.same_money(held) else " under other keys"
        raise _mismatch(
            run,
            f"Dataverse says {sent.describe()} of {what}, Finance holds {held.describe()}{difference}. "
            "Reconcile the invoice to see which rows differ",
        )


def _mismatch(run: Run, text: str) -> NeedsAttention:
    """What to raise when the two sides differ. An alert counts its line in the log."""
    event("mismatch", severity=logging.ERROR, runId=run.run_id, subject=run.subject)
    return NeedsAttention(f"mismatch: {text}")

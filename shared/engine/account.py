"""When every part of a stage is settled, the invoice goes on to the next; what that means is the stage's business."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from shared.engine.lifecycle import end
from shared.engine.messages import MOST_READINGS, Load
from shared.engine.ports import Ports
from shared.errors import NeedsAttention
from shared.ledger.progress import progress_of
from shared.ledger.rejected_rows import RejectedRow, totals_of
from shared.ledger.run import Page, Part, Run, State
from shared.stages import Stage
from shared.totals import Totals

_READINGS_IN_A_ROW = 10
_BETWEEN_READINGS = timedelta(seconds=5)

type After = Callable[[Ports, Run, Account], Awaitable[None]]
"""What follows a stage whose parts are all settled. May be called twice; raises NeedsAttention."""


@dataclass(frozen=True)
class Account:
    """A stage at its end: what Finance has of it, and what the operator has dismissed."""

    parts: Sequence[Part]
    dismissed: Sequence[RejectedRow]

    @property
    def billed(self) -> Totals:
        """The billed sales that Finance has."""
        return sum((part.billed for part in self.parts), Totals())

    @property
    def fresh(self) -> Totals:
        """The new unbilled sales that Finance has."""
        return sum((part.fresh for part in self.parts), Totals())

    @property
    def unlinked(self) -> int:
        """The billed sales whose link to an unbilled one was waited for in vain."""
        return sum(part.unlinked for part in self.parts)

    @property
    def accounted(self) -> Totals:
        """The billed sales that Finance has or that were dismissed: what Dataverse must say."""
        return self.billed + totals_of(self.dismissed, billed=True)


async def hand_over(ports: Ports, invoice_id: UUID, stage: Stage, generation: int, after: After) -> None:
    """Call `after` if the stage is over; if rows of it were rejected, or `after` says so, the run needs attention."""
    run = await ports.ledger.run(invoice_id)
    if run is None or run.state.is_final or run.generation != generation:
        return
    pages = await pages_of(ports, invoice_id, stage, generation)
    parts = await ports.ledger.parts(invoice_id, stage, generation)
    rows = await ports.rejections.of(invoice_id, stage)
    run = replace(run, progress={**run.progress, stage: progress_of(parts, rows)})
    if not is_over(pages, parts):
        await ports.ledger.show_progress(run)
        return
    opened = [row for row in rows if row.status == "open"]
    try:
        _refuse_open(stage, opened)
        await after(ports, run, Account(parts, [row for row in rows if row.status == "dismissed"]))
    except NeedsAttention as attention:
        opened = [row for row in await ports.rejections.of(invoice_id, stage) if row.status == "open"]
        await end(ports, invoice_id, State.NEEDS_ATTENTION, str(attention), rejected=len(opened), progress=run.progress)


async def account_of(ports: Ports, run: Run, stage: Stage) -> Account:
    """The account of a stage as it stands."""
    parts = await ports.ledger.parts(run.invoice_id, stage, run.generation)
    rows = await ports.rejections.of(run.invoice_id, stage)
    return Account(parts, [row for row in rows if row.status == "dismissed"])


def _refuse_open(stage: Stage, rejected: Sequence[RejectedRow]) -> None:
    if rejected:
        first, rows = rejected[0], "1 row" if len(rejected) == 1 else f"{len(rejected)} rows"
        raise NeedsAttention(
            f"{rows} of {stage} rejected, the first ({first.key}): {first.text[:300].rstrip('.')}. "
            "Mend the cause, then replay the run, or dismiss the rows"
        )


async def pages_of(ports: Ports, invoice_id: UUID, stage: Stage, generation: int) -> list[Page]:
    """The pages that the parts of `stage` come from: connections are read together with their actuals, and only
    read by themselves when some are sent again."""
    pages = await ports.ledger.pages(invoice_id, stage, generation)
    if stage == Stage.CONNECTIONS:
        pages += await ports.ledger.pages(invoice_id, Stage.ACTUALS, generation)
    return pages


def is_over(pages: Sequence[Page], parts: Sequence[Part]) -> bool:
    """Whether the last page is known, all pages are read and all parts settled."""
    all_read = any(page.last for page in pages) and all(page.read for page in pages)
    return all_read and all(part.state == "settled" for part in parts)


async def read_again(ports: Ports, run: Run, reason: str, *, asked: bool = False) -> None:
    """Read the actuals of an invoice afresh, because Dataverse has changed under the last reading. What was sent stays
    and is sent again: Finance takes it as the same rows. Raises NeedsAttention when that does not come to rest: for
    every tenth reading a person has to have `asked`."""
    is_too_often = run.generation % _READINGS_IN_A_ROW == 0 and not asked
    if is_too_often or run.generation >= MOST_READINGS:
        raise NeedsAttention(
            f"{reason}. Read {run.generation} times and it still changes; replay when it has come to rest"
        )
    following = run.generation + 1
    await _count_as_sent_again(ports, run.invoice_id)
    # The message goes first: without the new generation on the run it is dropped, without the message the run is stuck.
    await ports.queues.send(
        Load(stage=Stage.ACTUALS, invoiceId=run.invoice_id, generation=following), delay=_BETWEEN_READINGS
    )
    await ports.ledger.save(run, state=State.SYNCING_ACTUALS, generation=following, wait=reason, wait_since=ports.now())


async def _count_as_sent_again(ports: Ports, invoice_id: UUID) -> None:
    for stage in (Stage.ACTUALS, Stage.CONNECTIONS):
        opened = [row for row in await ports.rejections.of(invoice_id, stage) if row.status == "open"]
        await ports.rejections.change(invoice_id, opened, status="replaying")

"""The life cycle of a run: how it starts, advances from stage to stage, ends, and is restarted.

Only this module changes the state of a run and its posting, by the tables of shared/ledger/transitions.py.

The text in `detail` is for the operator: what is wrong, and what to do next.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Unpack
from uuid import UUID

from shared.engine.account import After, account_in, is_over, pages_in, reading_of
from shared.engine.messages import MOST_READINGS, Load, Ship, Verify
from shared.engine.ports import Ports
from shared.errors import LeaseLost, NeedsAttention
from shared.jobs.job import Job, Step
from shared.ledger.book import Book
from shared.ledger.progress import Progress, progress_of
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Facts, Posting, Run, State
from shared.ledger.run_list import Entry
from shared.ledger.runs import Ledger
from shared.ledger.transitions import Move, Occasion, leads
from shared.log import event

# Several workers may end or restart a run at the same time.
_TRIES = 5
_ADVANCES = {
    State.SYNCING_HEADER: Occasion.HEADER_READ,
    State.SYNCING_ACTUALS: Occasion.HEADER_SENT,
    State.LINKING: Occasion.ACTUALS_SENT,
    State.VERIFYING: Occasion.CONNECTIONS_SENT,
}
_ENDS = {
    State.COMPLETED: Occasion.BOTH_ENDS_AGREE,
    State.NEEDS_ATTENTION: Occasion.HELD_UP,
    State.FAILED: Occasion.GIVEN_UP,
    State.REJECTED: Occasion.NOT_CONFIRMED,
}
# A subject that keeps changing would otherwise be read for ever.
_READINGS_IN_A_ROW = 10
_BETWEEN_READINGS = timedelta(seconds=5)
_SETTLE_FIRST = timedelta(seconds=2)


async def accept(ledger: Ledger, subject: UUID, *, is_named: bool = False) -> tuple[Run, bool]:
    """Open the run of a subject, with one insert. Returns the run, and whether this call opened it. A subject has one
    run. `is_named`: an operator has named it.

    A rejected run is opened again. Its subject was not ready at the time of an earlier message; it may be now, and
    reading it back will decide.
    """
    while True:
        run, is_opened = await ledger.open(subject, Occasion.CONFIRMED, State.ACCEPTED, is_named=is_named)
        if is_opened or run.state != State.REJECTED or not run.etag:
            # A run without an ETag was written by a later version of the app. It is shown and not changed.
            return run, is_opened
        # Race between duplicates of a webhook: the slower one finds what the faster one has written.
        with suppress(LeaseLost):
            changes = Move(state=State.ACCEPTED, detail="", is_named=is_named)
            return await ledger.move(run, Occasion.CONFIRMED, **changes), True


async def advance(ports: Ports, run: Run, state: State, **facts: Unpack[Facts]) -> Run:
    """Advance a run to its next state. Raises LeaseLost on an ETag conflict."""
    return await ports.ledger.move(run, _ADVANCES[state], state=state, **facts)


def verifying(ports: Ports, run: Run) -> Run:
    """The run as "verifying", not stored: `end` stores this state and the final one with one write. Raises LeaseLost if
    the run has advanced."""
    return ports.ledger.ahead(run, _ADVANCES[State.VERIFYING], state=State.VERIFYING)


async def hand_over(
    ports: Ports, subject: UUID, stage: str, generation: int, after: After, *, known: Book | None = None
) -> None:
    """Call `after` if the stage is finished. The run needs attention if rows were rejected or `after` raises
    NeedsAttention. `known` is a book that the caller has read already, which saves reading it again. It is used only
    if it shows the stage as finished without open rejected rows, and the run has not changed since."""
    run = _finished(ports, known, stage, generation) if known else None
    if known and run and not _open_rows(known, stage):
        with suppress(LeaseLost):
            await _go_on_after(ports, run, known, stage, after)
            return
    book = await ports.ledger.book(subject)
    if run := _finished(ports, book, stage, generation):
        await _go_on_after(ports, run, book, stage, after)


def _finished(ports: Ports, book: Book, stage: str, generation: int) -> Run | None:
    """The run, if this stage of it is finished."""
    run = book.run
    if run is None or run.state.is_final or run.generation != generation:
        return None
    is_finished = is_over(pages_in(ports, book, stage, generation), book.parts(stage, generation))
    return run if is_finished else None


def _open_rows(book: Book, stage: str) -> list[RejectedRow]:
    return [row for row in book.rejected(stage) if row.status == "open"]


async def _go_on_after(ports: Ports, run: Run, book: Book, stage: str, after: After) -> None:
    account = account_in(book, ports.job.step(stage), run.generation)
    run = replace(run, progress={**run.progress, stage: progress_of(account.parts, book.rejected(stage))})
    try:
        _refuse_open(stage, _open_rows(book, stage))
        await after(ports, run, account)
    except NeedsAttention as attention:
        opened = [row for row in await ports.rejections.of(run.subject, stage) if row.status == "open"]
        state, progress = State.NEEDS_ATTENTION, run.progress
        await end(ports, run.subject, state, str(attention), rejected=len(opened), progress=progress)


def _refuse_open(stage: str, rejected: Sequence[RejectedRow]) -> None:
    if rejected:
        first, rows = rejected[0], "1 row" if len(rejected) == 1 else f"{len(rejected)} rows"
        raise NeedsAttention(
            f"{rows} of {stage} rejected, the first ({first.key}): {first.text[:300].rstrip('.')}. "
            "Correct the cause, then replay the run, or dismiss the rows"
        )


async def end(
    ports: Ports,
    subject: UUID,
    state: State,
    detail: str,
    *,
    rejected: int = 0,
    progress: Mapping[str, Progress] | None = None,
    known: Run | None = None,
) -> None:
    """Put a run into a final state, unless it has one. `rejected` is the number of its open rejected rows, `known` is
    the run as it was just read or saved. Raises LeaseLost if this state can no longer follow, for example because a new
    reading has begun meanwhile."""

    async def change(run: Run) -> None:
        if run.state.is_final:
            return
        if not leads(_ENDS[state], run.state, state):
            raise LeaseLost(f"run {subject} is {run.state} by now")
        move = Move(state=state, detail=detail, rejected=rejected, wait="", wait_since=None)
        move["progress"] = run.progress if progress is None else progress
        if state == State.COMPLETED:
            move |= _not_posted(ports)
        await ports.ledger.move(run, _ENDS[state], **move)
        event("run ended", runId=run.run_id, subject=subject, state=state, count=rejected)

    await as_it_stands(ports, subject, change, known=known)


async def as_it_stands(
    ports: Ports, subject: UUID, change: Callable[[Run], Awaitable[None]], *, known: Run | None = None
) -> None:
    """Read the run of a subject, unless it is `known`, and `change` it; after an ETag conflict, read it again. Raises
    LeaseLost after several conflicts in a row."""
    if known is not None:
        with suppress(LeaseLost):
            return await change(known)
    for _ in range(_TRIES):
        run = await ports.ledger.run(subject)
        if run is None:
            return None
        with suppress(LeaseLost):
            return await change(run)
    raise LeaseLost(f"run of {subject} changes all the time")


def _not_posted(ports: Ports) -> Move:
    """The posting fields of a run that is being completed. It is checked again later, because Dataverse may write
    rows after its status. A run that was completed before may have sent more rows since, so its posting is checked
    again."""
    first = next(iter(ports.settings.looks_after), None)
    look_at = ports.now() + first if first else None
    return Move(posting="not posted", posting_detail="", written_back_at=None, looks=0, look_at=look_at)


async def withdraw(ports: Ports, run: Run, detail: str) -> None:
    """Change a completed run to "needs attention", because rows were lost since. Raises LeaseLost on an ETag
    conflict."""
    move = Move(state=State.NEEDS_ATTENTION, detail=detail, look_at=None)
    await ports.ledger.move(run, Occasion.ROWS_LOST, **move)
    event("run ended", runId=run.run_id, subject=run.subject, state=State.NEEDS_ATTENTION)


async def note_posting(ports: Ports, run: Run, posting: Posting, detail: str, **facts: Unpack[Facts]) -> None:
    """Store the result of a finished pass of the write-back. Raises LeaseLost on an ETag conflict."""
    move = Move(posting=posting, posting_detail=detail, write_back="")
    await ports.ledger.move(run, Occasion.POSTING_SEEN, **(move | facts))


async def end_posting(ports: Ports, subject: UUID, detail: str) -> None:
    """Store that the write-back of a completed run has stopped, and why. The run stays completed."""

    async def change(run: Run) -> None:
        if run.state == State.COMPLETED:
            await ports.ledger.move(run, Occasion.WRITE_BACK_STOPPED, posting="failed", posting_detail=detail)
            event("write-back stopped", runId=run.run_id, subject=subject)

    await as_it_stands(ports, subject, change)


async def read_again(ports: Ports, run: Run, reason: str, *, asked: bool = False) -> None:
    """Start a new reading of a subject, because Dataverse has changed since the last one.

    Rows that were sent are sent again; Finance updates them by key. Raises NeedsAttention when it keeps
    changing: after every ten readings a person must have `asked` for another one.
    """
    is_too_often = run.generation % _READINGS_IN_A_ROW == 0 and not asked
    if is_too_often or run.generation >= MOST_READINGS:
        raise NeedsAttention(
            f"{reason}. Read {run.generation} times and it still changes; replay when it has come to rest"
        )
    following, stage = run.generation + 1, ports.job.reread[0]
    await _count_as_sent_again(ports, run.subject)
    # The message is sent first. If the worker crashes now, the message is dropped, because the run has the old
    # generation. In the opposite order a crash would leave the run stuck.
    await ports.queues.send(Load(stage=stage, subject=run.subject, generation=following), delay=_BETWEEN_READINGS)
    move = Move(state=doing(ports.job, stage), generation=following, wait=reason, wait_since=ports.now())
    await ports.ledger.move(run, Occasion.READ_AGAIN, **move)


async def _count_as_sent_again(ports: Ports, subject: UUID) -> None:
    for stage in ports.job.reread:
        opened = [row for row in await ports.rejections.of(subject, stage) if row.status == "open"]
        await ports.rejections.change(subject, opened, status="replaying")


async def claim(ports: Ports, run: Run, stage: str) -> Run:
    """Claim a stopped run to send rows of `stage` and later stages again. Raises LeaseLost, before anything is
    changed, if a concurrent worker was faster or the run is still moving."""
    if not run.state.is_final:
        raise LeaseLost(f"run {run.subject} is {run.state}")
    return await ports.ledger.move(run, Occasion.CLAIMED, state=doing(ports.job, stage), detail="")


async def go_on(ports: Ports, run: Run, *, detail: str = "") -> Run:
    """Restart a run where it stopped, in any state."""
    state = await _reached(ports, run)
    move = Move(state=state, detail=detail, rejected=0, wait="", wait_since=None, verified=0)
    saved = await ports.ledger.move(run, Occasion.PUT_TO_WORK, **move)
    await revive(ports, saved)
    return saved


async def _reached(ports: Ports, run: Run) -> State:
    book = await ports.ledger.book(run.subject)
    for stage in ports.job.maps:
        generation = reading_of(ports, run, stage)
        is_held_up = any(row.status == "open" for row in book.rejected(stage))
        if is_held_up or not is_over(pages_in(ports, book, stage, generation), book.parts(stage, generation)):
            return doing(ports.job, stage)
    return State.VERIFYING


async def revive(ports: Ports, run: Run) -> None:
    """Send the messages that make an unfinished run continue. Idempotent."""
    if run.state == State.VERIFYING:
        await ports.queues.send(Verify(stage=ports.job.verify, subject=run.subject, generation=run.generation))
    for step in _steps_at(ports.job, run):
        await _revive_step(ports, run, step)


async def _revive_step(ports: Ports, run: Run, step: Step) -> None:
    stage = step.map
    pages = await ports.ledger.pages(run.subject, stage, run.generation)
    if not step.rules and not pages:
        return  # The step before starts it.
    parts = await ports.ledger.parts(run.subject, stage, run.generation)
    numbers = {page.number for page in pages if not page.read} | {
        part.number for part in parts if part.state == "landed"
    }
    for number in sorted(numbers | {0}):
        await ports.queues.send(Load(stage=stage, subject=run.subject, generation=run.generation, page=number))
    if step.readOnce and any(page.read for page in pages):
        # The next step is read while this one is imported. Its messages were dropped while the run was stopped.
        await revive(ports, replace(run, state=doing(ports.job, ports.job.reread[0])))
    await ports.queues.send(Ship(stage=stage), delay=_SETTLE_FIRST)


async def plain_steps_are_over(ports: Ports, run: Run) -> bool:
    """Whether the steps that are pure data are over. The first of them that was not begun yet is begun."""
    book = await ports.ledger.book(run.subject) if ports.job.plain else Book([])
    for step in ports.job.plain:
        pages = pages_in(ports, book, step.map, run.generation)
        if not is_over(pages, book.parts(step.map, run.generation)):
            if not pages:
                await ports.ledger.save(run)
                await ports.queues.send(Load(stage=step.map, subject=run.subject, generation=run.generation))
            return False
    return True


async def end_plain_step(ports: Ports, run: Run) -> None:
    """Keep the progress of a step that is pure data. The step that verifies the job decides what follows it."""
    await ports.ledger.save(run)
    again = Load(stage=ports.job.verify, subject=run.subject, generation=run.generation)
    await ports.queues.send(again)


def stage_of(job: Job, run: Run | Entry) -> str:
    """The map that an unfinished run waits for."""
    steps = _steps_at(job, run)
    begun = [step.map for step in steps if step.rules or step.map in run.progress]
    return begun[-1] if begun else job.verify


def _steps_at(job: Job, run: Run | Entry) -> list[Step]:
    """The steps that may be under way in the state of a run."""
    return [step for step in job.steps if run.state in {doing(job, step.map), job.state_of(step.map)}]


def doing(job: Job, stage: str) -> State:
    """The state of a run whose next step is this one."""
    return State.ACCEPTED if stage == job.first else State(job.state_of(stage))

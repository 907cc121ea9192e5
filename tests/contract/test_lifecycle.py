"""The lifecycle makes every transition that the tables hold, in real storage; the ledger refuses every other."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast, get_args
from uuid import uuid4

import pytest

from operate.repair.sweep import _wake
from shared.engine.lifecycle import (
    accept,
    advance,
    claim,
    end,
    end_posting,
    go_on,
    note_posting,
    read_again,
    verifying,
    withdraw,
)
from shared.engine.ports import Ports
from shared.errors import LeaseLost, WrongState
from shared.ledger.run import Page, Part, Posting, Run, State
from shared.ledger.transitions import POSTING_TRANSITIONS, RUN_TRANSITIONS, Occasion, leads
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from tests.contract.test_wiring import ports
from tests.run_states import set_state

__all__ = ["ports"]

type Cause = Callable[[Ports, Run, State], Awaitable[object]]

_WORK = {State.ACCEPTED: INVOICES, State.SYNCING_ACTUALS: ACTUALS, State.LINKING: CONNECTIONS}
_CAUSES: dict[Occasion, Cause] = {
    Occasion.CONFIRMED: lambda ports, run, _: accept(ports.ledger, run.subject),
    Occasion.HEADER_READ: advance,
    Occasion.HEADER_SENT: advance,
    Occasion.ACTUALS_SENT: advance,
    Occasion.CONNECTIONS_SENT: advance,
    Occasion.BOTH_ENDS_AGREE: lambda ports, run, after: end(ports, run.subject, after, "told"),
    Occasion.NOT_CONFIRMED: lambda ports, run, after: end(ports, run.subject, after, "told"),
    Occasion.HELD_UP: lambda ports, run, after: end(ports, run.subject, after, "told"),
    Occasion.GIVEN_UP: lambda ports, run, after: end(ports, run.subject, after, "told"),
    Occasion.ROWS_LOST: lambda ports, run, _: withdraw(ports, run, "told"),
    Occasion.READ_AGAIN: lambda ports, run, _: read_again(ports, run, "told"),
    Occasion.CLAIMED: lambda ports, run, after: claim(ports, run, _WORK[after]),
    Occasion.PUT_TO_WORK: lambda ports, run, _: go_on(ports, run),
    Occasion.POSTING_SEEN: lambda ports, run, _: note_posting(ports, run, "posted", ""),
    Occasion.WRITE_BACK_STOPPED: lambda ports, run, _: end_posting(ports, run.subject, "told"),
}
_WAYS = [
    (row.occasion, before, after)
    for row in RUN_TRANSITIONS
    for before in (sorted(row.before) if row.before else [None])
    for after in sorted(row.after)
]
_POSTING_WAYS = [
    (row.occasion, before, after)
    for row in POSTING_TRANSITIONS
    for before in sorted(row.before)
    for after in sorted(row.after)
]


@pytest.mark.parametrize(("occasion", "before", "after"), _WAYS)
async def test_the_lifecycle_makes_this_transition(
    ports: Ports, occasion: Occasion, before: State | None, after: State
) -> None:
    run = await _run_in(ports, before) if before else _unknown()
    if occasion == Occasion.PUT_TO_WORK:
        await _do_until(ports, run, after)
    await _CAUSES[occasion](ports, run, after)
    standing = await _read(ports, run)
    assert standing.state == after
    if before != after:
        assert standing.history[-1].what == after or standing.history[-2].what == after


@pytest.mark.parametrize(("occasion", "before", "after"), _POSTING_WAYS)
async def test_the_lifecycle_notes_this_of_the_posting(
    ports: Ports, occasion: Occasion, before: Posting, after: Posting
) -> None:
    state = State.VERIFYING if occasion == Occasion.BOTH_ENDS_AGREE else State.COMPLETED
    run = await set_state(ports.ledger, await _run_in(ports, state), posting=before)
    if occasion == Occasion.POSTING_SEEN:
        await note_posting(ports, run, after, "told")
    else:
        await _CAUSES[occasion](ports, run, State.COMPLETED)
    standing = await _read(ports, run)
    assert (standing.state, standing.posting) == (State.COMPLETED, after)


@pytest.mark.parametrize("occasion", Occasion)
async def test_the_ledger_refuses_what_the_tables_do_not_hold(ports: Ports, occasion: Occasion) -> None:
    for before in State:
        run = await _run_in(ports, before)
        for after in State:
            if not leads(occasion, before, after):
                with pytest.raises(WrongState, match=f"is {before}"):
                    await ports.ledger.move(run, occasion, state=after)
        assert (await _read(ports, run)).etag == run.etag


@pytest.mark.parametrize("occasion", Occasion)
async def test_the_ledger_refuses_a_posting_that_the_tables_do_not_hold(ports: Ports, occasion: Occasion) -> None:
    held = {(row.occasion, after) for row in POSTING_TRANSITIONS for after in row.after}
    (state, following) = next((before, after) for each, before, after in _WAYS if each == occasion and before)
    run = await _run_in(ports, state)
    for posting in cast("tuple[Posting, ...]", get_args(Posting.__value__)):
        if (occasion, posting) not in held and posting != run.posting:
            with pytest.raises(WrongState):
                await ports.ledger.move(run, occasion, state=following, posting=posting)
    assert (await _read(ports, run)).etag == run.etag


async def test_a_run_that_has_moved_on_is_a_race_and_no_fault(ports: Ports) -> None:
    run = await _run_in(ports, State.SYNCING_HEADER)
    await advance(ports, run, State.SYNCING_ACTUALS)
    with pytest.raises(LeaseLost):
        await read_again(ports, run, "as it was read before")


async def test_work_that_takes_longer_than_the_sweep_waits_is_saved_all_the_same(ports: Ports) -> None:
    """Every wake made the check of the actuals worthless, and it began anew until the end of days."""
    run = await _run_in(ports, State.SYNCING_ACTUALS)
    for _ in range(2):
        assert await _wake(ports, await _read(ports, run))
    run = await advance(ports, run, State.LINKING)
    ahead = verifying(ports, run)
    await ports.ledger.touch(await _read(ports, run))
    await end(ports, run.subject, State.COMPLETED, "told", known=ahead)
    standing = await _read(ports, run)
    assert standing.state == State.COMPLETED
    assert [step.what for step in standing.history][-3:] == [State.LINKING, State.VERIFYING, State.COMPLETED]


@pytest.mark.parametrize("state", [State.SYNCING_ACTUALS, State.NEEDS_ATTENTION])
async def test_a_change_between_two_touches_is_a_race(ports: Ports, state: State) -> None:
    run = await _run_in(ports, state)
    await ports.ledger.save(await ports.ledger.touch(run), wait="for a sign")
    await ports.ledger.touch(await _read(ports, run))
    with pytest.raises(LeaseLost):
        await ports.ledger.save(run, wait="for another")
    assert (await _read(ports, run)).wait == "for a sign"


async def test_a_run_that_is_read_again_meanwhile_is_not_completed(ports: Ports) -> None:
    """The comparison was made of a reading that another worker has found to be out of date."""
    run = await _run_in(ports, State.VERIFYING)
    await read_again(ports, run, "Dataverse has changed")
    with pytest.raises(LeaseLost):
        await end(ports, run.subject, State.COMPLETED, "told")
    assert (await _read(ports, run)).state == State.SYNCING_ACTUALS


async def test_saving_a_run_writes_no_state_whatever_it_is_given(ports: Ports) -> None:
    run = await _run_in(ports, State.LINKING)
    forged = replace(run, state=State.COMPLETED, posting="written back", detail="all is well", posting_detail="so too")
    await ports.ledger.save(forged, wait="for a sign")
    standing = await _read(ports, run)
    assert standing.wait == "for a sign"
    assert [standing.state, standing.posting, standing.detail, standing.posting_detail] == [
        State.LINKING, "not posted", "", "",
    ]  # fmt: skip


def _unknown() -> Run:
    return cast("Run", type("NoRun", (), {"subject": uuid4()})())


async def _run_in(ports: Ports, state: State) -> Run:
    run, _ = await accept(ports.ledger, uuid4())
    return await set_state(ports.ledger, await _read(ports, run), state=state)


async def _read(ports: Ports, run: Run) -> Run:
    standing = await ports.ledger.run(run.subject)
    assert standing is not None
    return standing


async def _do_until(ports: Ports, run: Run, state: State) -> None:
    """All that comes before a state is done, and what that state is about is not."""
    maps = ports.job.maps
    for stage in maps[: maps.index(_WORK[state])] if state in _WORK else maps:
        key = (run.subject, stage, 1, 0)
        await ports.ledger.open_page(Page(*key))
        page = await ports.ledger.page(*key)
        assert page is not None
        await ports.ledger.close_page(page, [Part(*key, "usmf", "blob", 1, state="settled")], last=True)
    if state == State.LINKING:
        key = (run.subject, CONNECTIONS, 1, 0)
        await ports.ledger.open_page(Page(*key))
        page = await ports.ledger.page(*key)
        assert page is not None
        await ports.ledger.close_page(page, [Part(*key, "usmf", "blob", 1, state="held")], last=True)

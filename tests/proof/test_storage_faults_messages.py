"""Messages that come twice, concurrently, in any order, late, or from an earlier version; and leases that expire."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from shared.ledger.run import State
from tests.proof.machine_rest import Rest
from tests.proof.machine_stage import Scene
from tests.proof.machine_world import Invoice

FIXTURES = Path(__file__).parents[1] / "fixtures" / "messages"
LEASE = timedelta(seconds=301)
REQUESTS_OF_A_SHIP = 13


def test_every_message_twice_at_the_same_time_and_the_newest_first(staged: Scene) -> None:
    invoice = _confirmed(staged, lines=3)
    for number in range(200):
        if not staged.app.letters:
            break
        _await_due(staged)
        letter = staged.app.due_letters()[-1]
        staged.step(staged.app.deliver_both(letter, letter, at=number % 16))
        staged.check()
    _check_complete(staged, invoice)


def test_every_message_again_when_its_holder_was_thought_dead(staged: Scene) -> None:
    invoice = _confirmed(staged, lines=3)
    for _ in range(200):
        first = [letter for letter in staged.app.letters if letter.count == 0]
        if not first:
            break
        if first[0].due > staged.app.clock.now():
            staged.advance(first[0].due - staged.app.clock.now())
        staged.step(staged.app.deliver(first[0], 0, keep=True))
    assert len(staged.app.letters) > 10
    Rest(staged).drain()
    _check_complete(staged, invoice)


@pytest.mark.parametrize("at", [2, 5, 8, 11])
def test_a_lease_that_runs_out_while_its_holder_still_works(staged: Scene, at: int) -> None:
    _lose_lease(staged, at)


@pytest.mark.prove
@pytest.mark.parametrize("at", range(REQUESTS_OF_A_SHIP))
def test_a_lease_that_runs_out_at_every_request_of_its_holder(staged: Scene, at: int) -> None:
    _lose_lease(staged, at)


def _lose_lease(staged: Scene, at: int) -> None:
    invoice = _confirmed(staged, lines=3)
    while not any(letter.queue == "actuals" and letter.facts["kind"] == "ship" for letter in staged.app.letters):
        _await_due(staged)
        staged.step(staged.app.deliver(staged.app.due_letters()[0], 0))
    ship = next(letter for letter in staged.app.letters if letter.facts["kind"] == "ship" and letter.queue == "actuals")

    async def hold_up() -> None:
        async with staged.app.holding(ship, at) as held:
            assert held.struck, f"the message is done with {held.requests} requests"
            for _ in range(3):
                staged.app.clock.advance(LEASE)
                await staged.sweep(1)
                for letter in staged.app.due_letters():
                    await staged.app.deliver(letter, 1)

    staged.step(hold_up())
    Rest(staged).drain()
    _check_complete(staged, invoice)


@pytest.mark.parametrize("version", sorted(FIXTURES.iterdir()), ids=lambda folder: folder.name)
def test_messages_of_an_earlier_version_are_done_or_do_no_harm_at_any_moment(staged: Scene, version: Path) -> None:
    invoice = _confirmed(staged, lines=2)
    files = sorted(version.iterdir())
    for number in range(200):
        if number % 2 == 0 and number // 2 < len(files):
            _post(staged, files[number // 2], invoice)
        elif not staged.app.letters:
            break
        _await_due(staged)
        staged.step(staged.app.deliver(staged.app.due_letters()[0], number % 2))
        staged.check()
    _check_complete(staged, invoice)


def test_a_run_is_not_completed_by_a_message_that_comes_before_its_connections_are_sent(staged: Scene) -> None:
    """A copy of a message to verify was late, and meanwhile a replay sent rows of the run again. The actuals were all
    there, so it completed the run, and the connections were never sent."""
    invoice = _confirmed(staged, lines=2)
    while _state(staged, invoice) != State.LINKING:
        _await_due(staged)
        staged.step(staged.app.deliver(staged.app.due_letters()[0], 0))
    _post(staged, FIXTURES / "v1" / "verify-transactionconnections.json", invoice)
    early = next(letter for letter in staged.app.letters if letter.facts["kind"] == "verify")
    staged.step(staged.app.deliver(early, 0))
    assert _state(staged, invoice) == State.LINKING
    Rest(staged).drain()
    _check_complete(staged, invoice)


def test_connections_stay_behind_their_actuals_when_told_to_go_too_early(staged: Scene) -> None:
    """A duplicate of the message that releases the connections was late, and meanwhile actuals were sent again. It
    released the connections before them, and Finance rejected those whose actuals it did not have yet."""
    invoice = _confirmed(staged, lines=2)
    while _state(staged, invoice) != State.SYNCING_ACTUALS:
        _await_due(staged)
        staged.step(staged.app.deliver(staged.app.due_letters()[0], 0))
    _post(staged, FIXTURES / "v1" / "load-transactionconnections.json", invoice)
    early = next(letter for letter in staged.app.letters if letter.queue == "transactionconnections")
    staged.step(staged.app.deliver(early, 0))
    ships = [letter for letter in staged.app.letters if letter.queue == "transactionconnections"]
    assert ships == []
    Rest(staged).drain()
    _check_complete(staged, invoice)


def _post(staged: Scene, file: Path, invoice: Invoice) -> None:
    """Put a kept message on its queue, about this invoice."""
    facts = json.loads(file.read_text())
    own = {"invoiceId": invoice.invoice_id, "generation": 1, "page": 0, "skip": 0, "attempt": 0}
    if facts["kind"] == "examine":
        return
    known = {name: value for name, value in own.items() if name in facts}
    staged.run(staged.app.post(file.stem.partition("-")[2], json.dumps({**facts, **known})))


def _confirmed(staged: Scene, lines: int) -> Invoice:
    invoice = staged.world.draft(lines, 0.5)
    staged.world.confirm(invoice)
    staged.step(staged.webhook(invoice, 0))
    return invoice


def _await_due(staged: Scene) -> None:
    if not staged.app.due_letters():
        staged.advance(min(letter.due for letter in staged.app.letters) - staged.app.clock.now())


def _check_complete(staged: Scene, invoice: Invoice) -> None:
    staged.check()
    run = Rest(staged).run_of(invoice)
    assert run
    assert run.state == State.COMPLETED, run.detail
    assert not invoice.keys - staged.world.held_of(invoice)


def _state(staged: Scene, invoice: Invoice) -> State:
    run = Rest(staged).run_of(invoice)
    assert run
    return run.state

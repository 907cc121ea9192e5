"""Faults that the proofs found. Each is described in two sentences and tested since."""

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from shared.engine.targets.finance_import import pace
from shared.engine.worker import MAX_DEQUEUE_COUNT
from shared.ledger.run import State
from shared.ledger.shipments import Shipment
from shared.project_operations.codes import ACTUALS, CONNECTIONS
from tests.proof.machine_app import AFTER_A_CRASH, endpoint
from tests.proof.machine_rest import Rest
from tests.proof.machine_stage import Scene
from tests.proof.machine_wire import Fate
from tests.proof.machine_world import Invoice
from tests.run_states import set_state


def test_a_dismissed_row_is_not_sent_again_by_a_later_reading(staged: Scene) -> None:
    """An operator dismissed a row that Finance had refused, and later Dataverse added another row, so that the invoice
    was read afresh. The dismissed row was sent too, was taken in this time, and counted twice, as held and as
    dismissed, so that no two readings ever agreed."""
    invoice, key = _spoiled(staged, "actual")
    _dismiss(staged, invoice)
    assert _state(staged, invoice) == State.COMPLETED
    staged.world.mend()
    staged.world.tenant.switch("dataverse", extraRowsNext=1)
    _ask(staged, "post_reconciliation", invoiceId=invoice.invoice_id, fix=True)
    _ask(staged, "post_reconciliation", invoiceId=invoice.invoice_id, fix=True)
    staged.world.look(invoice)
    assert _state(staged, invoice) == State.COMPLETED
    missing = {each for each in invoice.keys - staged.world.held_of(invoice) if each[0] == "actual"}
    assert missing == {("actual", key)}
    assert len(invoice.produced["actual"]) == 4


def test_a_row_that_finance_holds_as_it_was_sent_is_in_whatever_finance_says_of_it(staged: Scene) -> None:
    """Finance took a row in, and refused it when the invoice was read once more and the row was sent again as it was.
    It counted as rejected; the operator dismissed it, and the run never completed, because Finance held a row more than
    was expected."""
    invoice = _confirmed(staged, lines=3)
    _settle_down(staged)
    key, source = sorted(invoice.produced["actual"].items())[0]
    staged.world.spoil("actual", source)
    staged.world.tenant.switch("dataverse", extraRowsNext=1)
    _ask(staged, "post_reconciliation", invoiceId=invoice.invoice_id, fix=True)
    _ask(staged, "post_reconciliation", invoiceId=invoice.invoice_id, fix=True)
    assert ("actual", key) in staged.world.held_of(invoice)
    assert _state(staged, invoice) == State.COMPLETED
    assert Rest(staged).rows_of(invoice) == []


def test_an_import_that_was_booked_is_not_booked_again_after_its_rows_were_dismissed(staged: Scene) -> None:
    """A host died when it had booked an import and not yet cleared it away; the operator dismissed the rejected row and
    the run was completed. Ten minutes later the message came again, and the dismissed row of the completed run was
    open once more."""
    invoice = _confirmed(staged, lines=3)
    staged.world.spoil("actual", sorted(invoice.produced["actual"].values())[0])
    rest, at = Rest(staged), 0
    while not _is_booked(staged, invoice):
        letter = _next(staged)
        is_settling = letter.queue == "actuals" and letter.facts["kind"] == "settle"
        outcome = staged.step(staged.app.deliver(letter, 0, Fate("crash", at) if is_settling else None))
        # The message of a crashed host is shown again, and at every try the host comes one change further.
        letter.count = 0
        at += outcome == "crashed"
    _dismiss(staged, invoice)
    staged.advance(AFTER_A_CRASH)
    _settle_down(staged)
    assert _state(staged, invoice) == State.COMPLETED
    assert [row.status for row in rest.rows_of(invoice)] == ["dismissed"]


def test_a_refused_message_that_talks_at_length_is_booked_all_the_same(staged: Scene) -> None:
    """A message was refused with a reason that quoted it, and it was longer than storage lets a text be. Booking it
    failed, and as a poison queue has none of its own it would have failed for ever."""
    staged.app.expected.add("NotOurMessage")
    invoice = _confirmed(staged, lines=1)
    for strange in ({"v": "x" * 40_000}, {"v": 1, "kind": "load", "\ud83d" * 3_000: 1}):
        staged.run(staged.app.post("actuals", json.dumps({**strange, "invoiceId": invoice.invoice_id})))
    _settle_down(staged)
    assert _state(staged, invoice) == State.FAILED


def test_a_comparison_that_was_given_up_is_over_and_its_run_is_as_it_was(staged: Scene) -> None:
    """A message of an operator's comparison or search became poison. The comparison was shown as running forever,
    and the run that it only examined was failed."""
    invoice = _confirmed(staged, lines=1)
    _, started = staged.step(staged.ask("post_reconciliation", 0, None, invoiceId=invoice.invoice_id))
    _, searched = staged.step(staged.ask("post_out_of_sync", 0, None))
    for letter in [letter for letter in staged.app.letters if letter.queue == "operations"]:
        letter.count = MAX_DEQUEUE_COUNT
        assert staged.step(staged.app.deliver(letter, 0)) == "poison"
    for name, job in (("show_reconciliation", started["id"]), ("show_out_of_sync", searched["id"])):
        status, told = staged.run(staged.app.call(endpoint(name), 0, route_params={"job": job}))
        assert (status, told["state"]) == (200, "failed")
        assert "given up" in told["detail"]
    _settle_down(staged)
    assert _state(staged, invoice) == State.COMPLETED


def test_an_invoice_that_was_read_ten_times_is_read_once_more_when_an_operator_asks(staged: Scene) -> None:
    """An invoice changed so often that the app gave up after ten readings and told the operator to replay it later.
    The replay counted the earlier readings, so it failed at once, and would always have failed."""
    invoice = _confirmed(staged, lines=1)
    _settle_down(staged)
    run = Rest(staged).run_of(invoice)
    assert run
    staged.run(set_state(staged.app.hosts[0].ledger, run, state=State.FAILED, generation=10))
    staged.world.tenant.switch("dataverse", extraRowsNext=1)
    _ask(staged, "post_replay", invoiceId=invoice.invoice_id)
    assert _state(staged, invoice) == State.NEEDS_ATTENTION
    staged.world.tenant.switch("dataverse", extraRowsNext=1)
    _ask(staged, "post_replay", invoiceId=invoice.invoice_id)
    assert _state(staged, invoice) == State.COMPLETED
    staged.world.look(invoice)
    assert not invoice.keys - staged.world.held_of(invoice)


def test_a_foreign_message_among_the_operators_leaves_the_run_that_it_names_alone(staged: Scene) -> None:
    """A message with unknown content was on the operations queue and named an invoice. The run of that invoice was
    failed, although nothing was wrong with it."""
    staged.app.expected.add("NotOurMessage")
    invoice = _confirmed(staged, lines=1)
    strange = {"v": 1, "kind": "nonsense", "invoiceId": invoice.invoice_id}
    staged.run(staged.app.post("operations", json.dumps(strange)))
    letter = next(letter for letter in staged.app.letters if letter.queue == "operations")
    while letter in staged.app.letters:
        staged.step(staged.app.deliver(letter, 0))
    _settle_down(staged)
    assert _state(staged, invoice) == State.COMPLETED


def test_copies_of_a_look_at_an_import_beget_no_copies(staged: Scene) -> None:
    """Storage was restarted repeatedly, so messages were delivered more than once, and each duplicate of a poll
    queued its own next poll. Their number grew until no run made progress."""
    staged.world.tenant.switch("finance", notFoundPolls=1000)
    invoice = _confirmed(staged, lines=1)
    for _ in range(15):
        letter = _next(staged)
        staged.step(staged.app.deliver(letter, 0, keep=True))
        staged.step(staged.app.deliver(letter, 1))
    looks = [letter for letter in staged.app.letters if (letter.queue, letter.facts["kind"]) == ("invoices", "settle")]
    assert len(looks) == 1
    staged.world.tenant.switch("finance", notFoundPolls=0)
    _settle_down(staged)
    assert _state(staged, invoice) == State.COMPLETED


def test_an_import_is_looked_at_for_as_long_as_it_takes() -> None:
    """The delay between two polls of an import grew without limit until, after most of an hour, it exceeded the
    range of a date. The message became poison, and the end of the import was never noticed."""
    assert pace(100_000, timedelta(seconds=30)) == timedelta(seconds=30)


def test_a_shipment_that_a_later_reading_has_overtaken_leaves_the_dock(staged: Scene) -> None:
    """A host died over the connections that it had just taken on, and meanwhile the invoice was read afresh and
    completed. What it had wanted to send was deleted with that, and its shipment kept Finance's lane for ever."""
    staged.world.tenant.switch("dataverse", extraRowsNext=1)
    invoice = _confirmed(staged, lines=3)
    outcome = ""
    while outcome != "crashed":
        letter = _next(staged)
        is_sending = (letter.queue, letter.facts["kind"]) == (CONNECTIONS, "ship")
        outcome = staged.step(staged.app.deliver(letter, 0, Fate("crash", 1) if is_sending else None))
    assert _shipments(staged, CONNECTIONS)
    _settle_down(staged)
    assert not _shipments(staged, CONNECTIONS)
    assert _state(staged, invoice) == State.COMPLETED
    staged.world.look(invoice)
    assert not invoice.keys - staged.world.held_of(invoice)


def _is_booked(staged: Scene, invoice: Invoice) -> bool:
    """Whether the import of the actuals has made the run need attention, and is not cleared away."""
    run = Rest(staged).run_of(invoice)
    return run is not None and run.state == State.NEEDS_ATTENTION and bool(_shipments(staged, ACTUALS))


def _shipments(staged: Scene, stage: str) -> Collection[Shipment]:
    """Everything that is being sent to Finance or is not cleaned up."""
    return staged.run(staged.app.hosts[0].dock.view(stage)).shipments.values()


def _confirmed(staged: Scene, lines: int, edited: float = 0.0) -> Invoice:
    invoice = staged.world.draft(lines, edited)
    staged.world.confirm(invoice)
    staged.step(staged.webhook(invoice, 0))
    return invoice


def _spoiled(staged: Scene, kind: str) -> tuple[Invoice, str]:
    """An invoice of three lines that needs attention because Finance refuses one of its rows, and that row's key."""
    invoice = _confirmed(staged, lines=3)
    key, source = sorted(invoice.produced[kind].items())[0]
    staged.world.spoil(kind, source)
    _settle_down(staged)
    assert _state(staged, invoice) == State.NEEDS_ATTENTION
    return invoice, key


def _next(staged: Scene) -> Any:
    while not staged.app.due_letters():
        staged.advance(min(letter.due for letter in staged.app.letters) - staged.app.clock.now())
    return staged.app.due_letters()[0]


def _dismiss(staged: Scene, invoice: Invoice) -> None:
    _ask(staged, "post_dismissal", invoiceId=invoice.invoice_id, map="actuals", reason="entered by hand")


def _ask(staged: Scene, name: str, **asked: Any) -> None:
    status, answer = staged.step(staged.ask(name, 0, None, **asked))
    assert status in {200, 202}, answer
    _settle_down(staged)


def _settle_down(staged: Scene) -> None:
    Rest(staged).drain()


def _state(staged: Scene, invoice: Invoice) -> State:
    run = Rest(staged).run_of(invoice)
    assert run
    return run.state

"""Pause and resume: nothing is sent during a pause, no message is lost, and the operator sees the pause."""

from typing import Any

from tests.endtoend.relay import Relay, await_that
from tests.operations.operator import BY, Operator, journal_end, progress, sent_keys

IDLE = {"waiting", "done"}


def test_while_the_app_is_paused_nothing_is_sent_and_what_arrives_waits(system: Relay, operator: Operator) -> None:
    invoices = [system.tenant.draft(lines, seed=300 + lines) for lines in (1, 10)]
    await_that(lambda: _at_rest(operator), "no message of an earlier test on any queue")
    with operator.pausing(None):
        before = _requests(system)
        for invoice_id in invoices:
            system.tenant.confirm(invoice_id)
            assert system.post(json=system.event(invoice_id)).status_code == 202
        health = await_that(lambda: _put_off(system, operator, "invoices", len(invoices)), "messages put off")
        assert health["paused"] == [{"map": None, "reason": "month end", "by": BY, "at": health["paused"][0]["at"]}]
        assert not health["healthy"]
        assert f"paused: everything by {BY}: month end" in health["problems"]
        assert operator.get("pauses")["paused"] == health["paused"]
        assert [operator.run(invoice_id)["state"] for invoice_id in invoices] == ["accepted"] * len(invoices)
        listed = await_that(lambda: _listed(operator, invoices), "both in the list of runs")
        assert {run["state"] for run in listed} == {"accepted"}
        assert operator.get("health")["oldestUnfinishedRun"]["invoiceId"] == invoices[0]
        assert _requests(system) == before
    assert operator.get("pauses")["paused"] == []
    assert [run["state"] for run in system.finish(invoices)] == ["completed"] * len(invoices)
    assert not [problem for problem in operator.get("health")["problems"] if problem.startswith("paused")]


def test_while_one_map_is_paused_the_others_go_on(system: Relay, operator: Operator) -> None:
    early, late = (system.tenant.draft(10, seed=seed) for seed in (311, 312))
    await_that(lambda: _at_rest(operator), "no message of an earlier test on any queue")
    with operator.pausing("actuals"):
        system.tenant.confirm(early)
        operator.await_state(early, "syncing actuals")
        await_that(lambda: _put_off(system, operator, "actuals", 1), "messages put off")
        taken, before = journal_end(system), _requests(system)
        assert operator.get("pauses")["paused"][0]["map"] == "actuals"
        assert progress(operator.run(early), "invoices")["done"] == 1
        assert progress(operator.run(early), "actuals")["state"] in IDLE
        assert _requests(system) == before
        system.tenant.confirm(late)
        operator.await_state(late, "syncing actuals")
        assert sent_keys(system, taken) == []
    assert [run["state"] for run in system.finish([early, late])] == ["completed"] * 2


def _listed(operator: Operator, invoices: list[str]) -> list[dict[str, Any]] | None:
    found = [run for run in operator.get("runs", state="accepted")["runs"] if run["invoiceId"] in invoices]
    return found if len(found) == len(invoices) else None


def _put_off(system: Relay, operator: Operator, queue: str, least: int) -> dict[str, Any] | None:
    """The health once the queue holds `least` messages, each delivered once and delayed again."""
    health = operator.get("health")
    depth = next(each["depth"] for each in health["queues"] if each["name"] == queue)
    return health if depth >= least and not system.peek(queue) else None


def _at_rest(operator: Operator) -> bool:
    """Whether no queue holds a message, not even one that is being worked on or waits."""
    return not any(queue["depth"] for queue in operator.get("health")["queues"])


def _requests(system: Relay) -> list[int]:
    return [system.tenant.requests(service)["total"] for service in ("dataverse", "finance")]

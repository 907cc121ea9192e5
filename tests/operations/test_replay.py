"""Rejected rows: grouped, counted, replayed singly, or dismissed with a reason."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from simulators.summary import is_complete, summarize
from tests.endtoend.relay import Relay
from tests.operations.operator import ACTUALS, BY, COMPANY, Operator, journal, journal_end, progress, sent_keys

CONNECTIONS = "Integration entity for project transaction relationships"
CRANE = {"entity": ACTUALS, "field": "DESCRIPTION", "contains": "crane", "message": "Line property 'A 17' is missing"}
SUM = {"entity": ACTUALS, "field": "DESCRIPTION", "contains": "=SUM", "message": "Line property 'B 4' is missing"}
TABBED = {"entity": ACTUALS, "field": "DESCRIPTION", "contains": "tab\there", "message": "No period is open"}
BAD_LINES, GOOD_LINES = 12, 3
"""The texts that the rules look for stand on the lines from the fifth on."""


def test_rejected_rows_are_grouped_hold_up_only_their_invoices_and_are_sent_again_alone(
    system: Relay, operator: Operator
) -> None:
    began = datetime.now(UTC)
    bad, good = _refused(system, [CRANE, SUM, TABBED], bad=2, good=1)
    missing = {invoice_id: _missing(system, invoice_id) for invoice_id in bad}
    numbers = {system.tenant.invoice(invoice_id)["number"] for invoice_id in bad}

    assert operator.run(good[0])["state"] == "completed"
    groups = operator.groups()
    pattern = {group["sample"].rpartition(": ")[2].split(" ")[0]: group for group in groups}
    assert set(pattern) == {"Line", "No"}, "one group for both line properties"
    for group in groups:
        assert (group["map"], group["class"], set(group["invoices"])) == ("actuals", "application", numbers)
        assert group["invoiceCount"] == len(numbers)
        assert began < _instant(group["firstSeen"]) <= _instant(group["lastSeen"]) < datetime.now(UTC)
    assert "{text}" in pattern["Line"]["pattern"]
    assert sum(group["rows"] for group in groups) == sum(len(keys) for keys in missing.values())
    rows = [row for group in groups for row in operator.rows(group["group"])]
    assert {row["sourceId"] for row in rows} == set().union(*missing.values())
    assert {row["invoiceId"] for row in rows} == set(bad)
    assert all(row["tries"] == 1 and row["line"] and row["dismissed"] is None for row in rows)
    linked = {row["ConnectionId"].lower() for row in system.tenant.held("connections")}
    for invoice_id in bad:
        run = operator.run(invoice_id)
        assert progress(run, "actuals")["rejected"] == len(missing[invoice_id])
        assert not linked & _produced(system, invoice_id, "connection"), "no connection before every actual"

    _are_sent_again_alone(system, operator, began, bad, good)


def _are_sent_again_alone(system: Relay, operator: Operator, began: datetime, bad: list[str], good: list[str]) -> None:
    line, other = sorted(operator.groups(), key=lambda group: "period" in group["sample"])
    rows = [row for group in (line, other) for row in operator.rows(group["group"])]

    again = line["group"]
    keys = _keys(operator.rows(again, bad[0]))
    taken, before = journal_end(system), operator.run(bad[0])
    dry = operator.replay(group=again, invoiceId=bad[0], dryRun=True)
    assert (dry["dryRun"], dry["rows"]) == (True, len(keys))
    assert [(run["invoiceId"], *_sends(run)) for run in dry["runs"]] == [(bad[0], "actuals", keys)]
    assert operator.run(bad[0]) == before
    operator.replay(group=again, invoiceId=bad[0])
    operator.await_state(bad[0], "needs attention")
    tried = {row["key"]: row for row in operator.rows(again, bad[0])}
    assert sorted(tried) == keys
    assert {row["tries"] for row in tried.values()} == {2}
    assert all(_instant(row["firstSeen"]) < _instant(row["lastSeen"]) for row in tried.values())
    assert {row["tries"] for row in operator.rows(other["group"], bad[0])} == {1}
    assert {row["tries"] for row in operator.rows(again, bad[1])} == {1}
    assert sent_keys(system, taken) == []

    system.tenant.switch("finance", rejectRows=[])
    everything = sorted(row["key"] for row in rows)
    planned = operator.replay(since=began.isoformat(), dryRun=True)
    assert sorted(key for run in planned["runs"] for send in run["sends"] for key in send["keys"]) == everything
    operator.replay(since=began.isoformat())
    _complete(system, operator, [*bad, *good])
    assert sorted(sent_keys(system, taken)) == everything
    again = {entry["executionId"] for entry in journal(system, taken)}
    assert not again & {entry["executionId"] for entry in journal(system) if entry["seq"] <= taken}
    assert operator.groups() == []
    taken = journal_end(system)
    assert operator.replay(invoiceId=bad[0], dryRun=True)["rows"] == 0
    assert "completed: nothing to send" in operator.replay(invoiceId=bad[0])["runs"][0]["note"]
    assert operator.replay(since=began.isoformat())["runs"] == []
    assert operator.run(bad[0])["state"] == "completed"
    assert journal_end(system) == taken


def test_rows_are_replayed_by_run_by_map_by_group_and_by_key_and_nothing_else(
    system: Relay, operator: Operator
) -> None:
    (invoice_id,), _ = _refused(system, [CRANE, TABBED])
    groups = {group["group"]: _keys(operator.rows(group["group"], invoice_id)) for group in operator.groups(invoice_id)}
    everything = sorted(key for keys in groups.values() for key in keys)
    assert len(groups) == 2
    choices: list[tuple[dict[str, Any], list[str]]] = [
        ({"invoiceId": invoice_id}, everything),
        ({"invoiceId": invoice_id, "map": "actuals"}, everything),
        ({"invoiceId": invoice_id, "map": "transactionconnections"}, []),
        ({"keys": everything[:1]}, everything[:1]),
        ({"keys": [str(uuid4())]}, []),
        ({"invoiceId": str(uuid4())}, []),
        *(({"group": group}, keys) for group, keys in groups.items()),
        ({"since": "2020-01-01T00:00:00Z", "map": "actuals"}, everything),
        ({"since": datetime.now(UTC).isoformat()}, []),
    ]
    for selection, keys in choices:
        planned = operator.replay(**selection, dryRun=True)
        assert sorted(key for run in planned["runs"] for send in run["sends"] for key in send["keys"]) == keys, (
            selection
        )
        assert planned["rows"] == len(keys)

    system.tenant.switch("finance", rejectRows=[])
    taken = journal_end(system)
    operator.replay(keys=everything[:1])
    run = operator.await_state(invoice_id, "needs attention")
    assert sent_keys(system, taken) == everything[:1]
    assert progress(run, "actuals")["rejected"] == len(everything) - 1
    operator.replay(invoiceId=invoice_id, map="actuals")
    _complete(system, operator, [invoice_id])
    assert sorted(sent_keys(system, taken)) == everything


def test_replaying_twice_at_once_does_no_harm(system: Relay, operator: Operator) -> None:
    (invoice_id,), _ = _refused(system, [CRANE, SUM])
    keys = [key for group in operator.groups(invoice_id) for key in _keys(operator.rows(group["group"], invoice_id))]
    system.tenant.switch("finance", rejectRows=[])
    taken = journal_end(system)
    with ThreadPoolExecutor(4) as pool:
        body = {"by": BY, "invoiceId": invoice_id}
        answers = list(pool.map(lambda _: operator.ask("replays", body).status_code, range(4)))
    assert 202 in answers
    assert set(answers) <= {202, 409}
    _complete(system, operator, [invoice_id])
    assert set(keys) <= set(sent_keys(system, taken))


def test_rejected_connections_are_replayed_alone(system: Relay, operator: Operator) -> None:
    rule = {"entity": CONNECTIONS, "everyNth": 3, "message": "Update has been canceled."}
    (invoice_id,), _ = _refused(system, [rule])
    group = operator.groups(invoice_id)[0]
    assert group["map"] == "transactionconnections"
    keys = _keys(operator.rows(group["group"], invoice_id))
    system.tenant.switch("finance", rejectRows=[])
    taken = journal_end(system)
    operator.replay(invoiceId=invoice_id, map="transactionconnections")
    _complete(system, operator, [invoice_id])
    assert sorted(sent_keys(system, taken, CONNECTIONS)) == keys
    assert sent_keys(system, taken) == []


def test_a_refused_header_is_replayed_and_the_rest_follows(system: Relay, operator: Operator) -> None:
    rule = {"entity": "Project invoice proposal V2", "everyNth": 1, "message": "The contract is closed"}
    (invoice_id,), _ = _refused(system, [rule], lines=2)
    assert operator.groups(invoice_id)[0]["map"] == "invoices"
    system.tenant.switch("finance", rejectRows=[])
    operator.replay(invoiceId=invoice_id)
    _complete(system, operator, [invoice_id])


def test_dismissed_rows_are_kept_with_who_when_and_why_and_the_run_completes(system: Relay, operator: Operator) -> None:
    (invoice_id,), _ = _refused(system, [CRANE, TABBED])
    missing = _missing(system, invoice_id)
    first, second = (group["group"] for group in operator.groups(invoice_id))
    keys = _keys(operator.rows(first, invoice_id))
    dry = operator.post("dismissals", invoiceId=invoice_id, group=first, reason="booked by hand", dryRun=True)
    assert (dry["dryRun"], dry["rows"], sorted(dry["runs"][0]["keys"])) == (True, len(keys), keys)
    assert {row["dismissed"] for row in operator.rows(first, invoice_id)} == {None}
    began = datetime.now(UTC)
    operator.post("dismissals", invoiceId=invoice_id, group=first, reason="booked by hand")
    assert operator.run(invoice_id)["state"] == "needs attention", "the other group is still open"
    operator.post("dismissals", invoiceId=invoice_id, group=second, reason="waived")
    run = operator.await_state(invoice_id, "completed")
    assert f"{len(missing)} rows were dismissed" in run["detail"]
    for group, reason in ((first, "booked by hand"), (second, "waived")):
        for row in operator.rows(group, invoice_id):
            assert (row["dismissed"]["by"], row["dismissed"]["reason"]) == (BY, reason)
            assert began <= _instant(row["dismissed"]["at"]) <= datetime.now(UTC)
    assert _missing(system, invoice_id) == missing
    assert operator.groups() == []

    system.tenant.switch("finance", rejectRows=[])
    found = operator.compare(invoice_id, fix=True)
    assert (found["equal"], found["missing"], found["fixed"]) == (True, [], 0), "what was dismissed is dealt with"
    assert operator.replay(invoiceId=invoice_id)["rows"] == 0
    assert operator.run(invoice_id)["state"] == "completed"


def _refused(
    system: Relay, rules: list[dict[str, Any]], *, bad: int = 1, good: int = 0, lines: int = BAD_LINES
) -> tuple[list[str], list[str]]:
    """Confirm invoices while Finance refuses some rows; the good ones have none of those."""
    system.tenant.switch("finance", rejectRows=rules)
    invoices = [system.tenant.draft(count, seed=200) for count in [lines] * bad + [GOOD_LINES] * good]
    for invoice_id in invoices:
        system.tenant.confirm(invoice_id)
    states = [run["state"] for run in system.finish(invoices)]
    assert states == ["needs attention"] * bad + ["completed"] * good
    return invoices[:bad], invoices[bad:]


def _complete(system: Relay, operator: Operator, invoices: list[str]) -> None:
    for invoice_id in invoices:
        operator.await_state(invoice_id, "completed")
    system.tenant.book(COMPANY)
    summary = summarize(system.tenant, invoices, [operator.run(invoice_id) for invoice_id in invoices], 0)
    assert is_complete(summary), summary


def _produced(system: Relay, invoice_id: str, kind: str) -> set[str]:
    rows = system.tenant.produced(invoice_id)
    return {str(row[f"{kind}Id"]).lower() for row in rows if row["kind"] == kind}


def _missing(system: Relay, invoice_id: str) -> set[str]:
    """The actuals of an invoice that Finance does not hold, by Finance's own records."""
    return _produced(system, invoice_id, "actual") - {row["ActualId"].lower() for row in system.tenant.held("actuals")}


def _keys(rows: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(row["key"] for row in rows)


def _sends(run: dict[str, Any]) -> tuple[str, list[str]]:
    (send,) = run["sends"]
    assert send["rows"] == len(send["keys"])
    return send["map"], sorted(send["keys"])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)

"""Alerts and workbook ask only what the code logs, parse as KQL, and lead to a section of the runbook."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.jobs.job import load_job
from shared.log import FACTS
from simulators.processes import PROJECT
from tests.unit.test_documents import anchors
from tests.watch import alerts
from tests.watch.asking import Line, Log
from tests.watch.events import events_in, facts_in, logged

ALERTS = alerts.load()
WORKBOOK = json.loads((PROJECT / "infra" / "workbook.json").read_text("utf-8"))
QUERIES = {alert.name: alert.query for alert in ALERTS.values()} | {
    f"workbook {item['name']}": str(item["content"]["query"]) for item in WORKBOOK["items"] if item["type"] == 3
}
# learn.microsoft.com, Microsoft.Insights/scheduledQueryRules, as far as it is needed here.
FREQUENCIES = {"PT5M", "PT10M", "PT15M", "PT30M", "PT1H"}
WINDOWS = FREQUENCIES | {"PT6H", "P1D"}
ITEMS = {1, 3, 9, 12}
"""Types of a workbook's items: text, query, parameters, group."""
ABOUT_REQUESTS = {"functions"}
"""Queries that ask the host's own table."""


def line(text: str = "", *, minutes: float = 0, category: str = "Function.sweep.User", **event: Any) -> Line:
    """A line of a log, so many minutes before now."""
    message = text or json.dumps(event)
    return Line(datetime.now(UTC) - timedelta(minutes=minutes), "INFO", category, message)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_is_kql_and_runs_over_an_empty_log(query: str) -> None:
    Log([]).ask(query, timedelta(hours=1))


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_names_only_events_and_facts_that_the_code_logs(query: str) -> None:
    assert events_in(query) - logged() == set()
    assert facts_in(query) - FACTS == set()


@pytest.mark.parametrize("name", sorted(QUERIES.keys() - ABOUT_REQUESTS))
def test_a_query_names_an_event(name: str) -> None:
    assert events_in(QUERIES[name])


def test_what_names_a_query_is_found_however_it_is_written() -> None:
    query = "where e in ('a', 'b c') or e == 'd' | summarize n = countif(e == 'e'), s = max(toint(d.rows) + d['count'])"
    assert (events_in(query), facts_in(query)) == ({"a", "b c", "d", "e"}, {"rows", "count"})


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_has_what_azure_asks_for(alert: alerts.Alert) -> None:
    assert re.fullmatch(r"[a-z][a-z-]{0,39}", alert.name)
    assert 0 <= alert.severity <= 4
    assert alert.frequency in FREQUENCIES
    assert alert.window in WINDOWS
    assert alerts.span(alert.frequency) <= alerts.span(alert.window)
    assert alert.operator in alerts.OPERATORS
    # Without a measure rows are counted, and rows that are not there do not split by a dimension.
    assert alert.operator == "GreaterThan" or alert.measure


def test_alerts_have_names_of_their_own() -> None:
    given = json.loads(alerts.ALERTS.read_text("utf-8"))["alerts"]
    assert [each["name"] for each in given] == list(ALERTS)


def test_the_workbook_has_the_form_that_azure_takes() -> None:
    assert WORKBOOK["version"] == "Notebook/1.0"
    assert {item["type"] for item in WORKBOOK["items"]} <= ITEMS


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_leads_to_its_section_of_the_runbook(alert: alerts.Alert) -> None:
    found = re.search(r" See docs/runbook\.md#(\S+)$", alert.description)
    assert found
    heading = alert.title.replace("Invoice relay", "Alert")
    text = (PROJECT / "docs" / "runbook.md").read_text("utf-8")
    assert f"\n## {heading}\n" in text
    assert {found[1]} == anchors(f"## {heading}")


def test_no_alert_or_workbook_names_a_job_or_a_map() -> None:
    """The next job adds data and no text."""
    job = load_job()
    texts = [text for alert in ALERTS.values() for text in (alert.title, alert.description, alert.query)]
    texts += [json.dumps(WORKBOOK)]
    names = re.compile(rf"'({'|'.join({job.name, *job.maps})})'|{job.title}")
    assert [found[0] for text in texts if (found := names.search(text))] == []


def test_a_log_is_asked_for_its_last_minutes_only() -> None:
    query = "traces | where message startswith 'x' and timestamp > ago(20m) | summarize n = count()"
    log = Log([line("x", minutes=minutes) for minutes in (30, 16, 14, 0)])
    assert log.ask(query, timedelta(minutes=15)) == [{"n": 2}]
    assert log.ask(query, timedelta(hours=1)) == [{"n": 3}]
    assert log.ask(query, timedelta(hours=1), later=timedelta(minutes=5)) == [{"n": 2}]


def test_an_invocation_is_a_request() -> None:
    log = Log([
        line("Executing 'Functions.sweep' (Reason='x', Id=1)", category="Function.sweep"),
        line("Executed 'Functions.sweep' (Failed, Id=1, Duration=3ms)", category="Function.sweep"),
        line("Executed 'Functions.operate' (Succeeded, Id=2, Duration=3ms)", category="Function.operate"),
    ])  # fmt: skip
    found = log.ask("requests | project name, success | order by name asc", timedelta(hours=1))
    assert found == [{"name": "operate", "success": True}, {"name": "sweep", "success": False}]


def test_an_alert_fires_for_each_value_of_its_dimension() -> None:
    alert = ALERTS["job-look"]
    log = Log([line(event="state", job=job, lookSeconds=seconds) for job, seconds in (("a", 1801), ("b", 1800))])
    assert alert.fired(log) == {"a"}
    assert alert.fired(log, later=timedelta(minutes=20)) == set()


def test_a_measure_is_summed_and_compared() -> None:
    alert = ALERTS["functions"]
    lines = [line("Executed 'Functions.sweep' (Failed, Id=1, Duration=3ms)", category="Function.sweep")] * 5
    assert alert.fired(Log(lines)) == set()
    assert alert.fired(Log(lines * 2)) == {"sweep"}


@pytest.mark.parametrize(("failed", "fires"), [((0,), False), ((2,), True), ((2, 0), False), ((0, 1), True)])
def test_the_doctor_alerts_while_its_last_run_has_found_a_fault(*, failed: tuple[int, ...], fires: bool) -> None:
    lines = [line(minutes=60 - number, event="doctor", failed=count) for number, count in enumerate(failed)]
    lines += [line(event="doctor changed", check="finance-reach", verdict="fail", before="ok")]
    assert bool(ALERTS["doctor"].fired(Log(lines))) is fires


@pytest.mark.parametrize(
    ("found", "heard", "later", "fires"),
    [(1, None, 16, True), (1, None, 10, False), (1, 0, 16, False), (0, 1, 16, False), (None, 0, 16, False)],
)
def test_a_webhook_is_lost_when_none_came_for_what_the_sweep_found(
    *, found: int | None, heard: int | None, later: int, fires: bool
) -> None:
    """A webhook that is only slower than the sweep is not lost."""
    lines = [line(minutes=found, event="run found", subject="i")] if found is not None else []
    lines += [line(minutes=heard, event="webhook", subject="i")] if heard is not None else []
    lines += [line(event="webhook", subject="other")]
    assert bool(ALERTS["lost-webhook"].fired(Log(lines), timedelta(minutes=later))) is fires
    assert not ALERTS["no-webhook"].fired(Log(lines), timedelta(minutes=later))


def test_a_webhook_that_was_ignored_is_not_the_one_that_was_lost() -> None:
    """Its invoice went into review before it was confirmed."""
    lines = [line(minutes=6, event="webhook", subject="i", status="ignored"), line(event="run found", subject="i")]
    assert ALERTS["lost-webhook"].fired(Log(lines), timedelta(minutes=16))
    assert not ALERTS["no-webhook"].fired(Log(lines), timedelta(minutes=16))


def test_without_any_webhook_there_is_none_to_be_lost_alone() -> None:
    log = Log([line(event="run found", subject="i")])
    assert ALERTS["no-webhook"].fired(log, timedelta(minutes=16))
    assert not ALERTS["no-webhook"].fired(log), "it may be on its way"
    assert not ALERTS["no-webhook"].fired(Log([line(event="run ended", state="completed")]), timedelta(minutes=16))

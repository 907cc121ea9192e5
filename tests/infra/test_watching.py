"""Alerts and workbook ask for what the app logs, in the form that Azure takes."""

import re
from typing import Any

import pytest

from tests.infra import template
from tests.watch.events import events_in, logged

ALERTS: list[dict[str, Any]] = template.load("alerts.json")["alerts"]
FIELDS = {
    *("name", "title", "description", "severity", "query", "frequency", "window", "operator", "threshold", "measure"),
    "dimension",
}
# learn.microsoft.com, Microsoft.Insights/scheduledQueryRules: what frequency and window may be.
FREQUENCIES = (
    "PT1M",
    "PT5M",
    "PT10M",
    "PT15M",
    "PT30M",
    "PT45M",
    "PT1H",
    "PT2H",
    "PT3H",
    "PT4H",
    "PT5H",
    "PT6H",
    "P1D",
)
WINDOWS = (*FREQUENCIES, "P2D")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["name"])
def test_an_alert_asks_for_events_that_the_app_logs(alert: dict[str, Any]) -> None:
    assert alert.keys() == FIELDS
    names = events_in(alert["query"])
    assert names or not alert["query"].startswith("traces")
    assert names <= set(logged())


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["name"])
def test_an_alert_has_the_form_that_azure_takes(alert: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z][a-z-]{0,39}", alert["name"])
    assert alert["severity"] in range(5)
    assert FREQUENCIES.index(alert["frequency"]) <= WINDOWS.index(alert["window"])
    assert alert["operator"] in ("GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual", "Equal")
    # Without a measure rows are counted, and rows that are not there do not split by a dimension.
    assert alert["operator"].startswith("Greater") or alert["measure"]


def test_alerts_have_names_of_their_own() -> None:
    assert len({alert["name"] for alert in ALERTS}) == len(ALERTS)


def test_the_workbook_is_a_notebook_whose_queries_ask_for_logged_events() -> None:
    workbook = template.load("workbook.json")
    assert workbook["version"] == "Notebook/1.0"
    assert {item["type"] for item in workbook["items"]} <= {1, 3, 9, 12}
    queries = [item["content"]["query"] for item in workbook["items"] if item["type"] == 3]
    assert {name for query in queries for name in events_in(query)} <= set(logged())

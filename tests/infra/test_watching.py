"""Alerts and workbook ask for what the app logs, in the form that Azure takes."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.package import packaged
from simulators.processes import PROJECT
from tests.infra import template

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
EVENT = re.compile(r"""\be (?:==|in) (\([^)]*\)|'[^']*'|"[^"]*")""")


def logged() -> Iterator[str]:
    """The names of the events in the code that is deployed."""
    for path in packaged(PROJECT):
        if path.suffix == ".py" and not path.is_relative_to(".python_packages"):
            yield from _events((PROJECT / path).read_text("utf-8"))


def _events(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id="event"), args=[ast.Constant(value=str(name)), *_]):
                yield name


def events_in(query: str) -> set[str]:
    """The events that a query compares the column e with."""
    return {name for found in EVENT.findall(query) for name in re.findall(r"""['"]([^'"]+)['"]""", found)}


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

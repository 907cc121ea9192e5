"""The alerts of infra/alerts.json, judged as Azure Monitor judges them."""

import json
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from simulators.processes import PROJECT
from tests.watch.asking import Log

ALERTS = PROJECT / "infra" / "alerts.json"
OPERATORS = {"GreaterThan": operator.gt, "LessThan": operator.lt}
_UNITS = {"M": timedelta(minutes=1), "H": timedelta(hours=1), "D": timedelta(days=1)}
_SPAN = re.compile(r"PT?(\d+)([MHD])")


@dataclass(frozen=True)
class Alert:
    """One alert. Without a `measure` its rows are counted, else the measure is summed; with a `dimension` for each
    value of it."""

    name: str
    title: str
    description: str
    severity: int
    query: str
    frequency: str
    window: str
    operator: str
    threshold: int
    measure: str
    dimension: str

    def fired(self, log: Log, later: timedelta = timedelta()) -> set[str]:
        """The values of the dimension for which it fires at the end of a log, or so much later; "" without one."""
        counts: dict[str, float] = {} if self.dimension else {"": 0}
        for row in log.ask(self.query, span(self.window), later):
            value = str(row[self.dimension]) if self.dimension else ""
            counts[value] = counts.get(value, 0) + (row[self.measure] if self.measure else 1)
        return {value for value, count in counts.items() if OPERATORS[self.operator](count, self.threshold)}


def load() -> Mapping[str, Alert]:
    """The alerts by their names."""
    given: list[dict[str, Any]] = json.loads(ALERTS.read_text("utf-8"))["alerts"]
    return {each["name"]: Alert(**each) for each in given}


def span(text: str) -> timedelta:
    """A time span of ISO 8601, as the alerts have it: PT15M, PT6H, P1D."""
    found = _SPAN.fullmatch(text)
    assert found, text
    return int(found[1]) * _UNITS[found[2]]

"""Rounds, medians and ranges, ratios, and how they are printed."""

import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.race import Result

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Print progress."""
    minutes, seconds = divmod(int(time.monotonic() - _STARTED), 60)
    print(f"[{minutes:02}:{seconds:02}] {text}", file=sys.stderr, flush=True)


@dataclass
class Series:
    """The rounds of one contestant. `failure` is why it has none, or why it stopped."""

    results: list[Result] = field(default_factory=list)
    failure: str = ""

    @property
    def seconds(self) -> list[float]:
        """The seconds of each round."""
        return [result.seconds for result in self.results]

    @property
    def median(self) -> float:
        """The median of the rounds; not a number when there are none or one of them went wrong."""
        return statistics.median(self.seconds) if self.seconds and not self.failure else math.nan

    def show(self) -> str:
        """`12.3 s (11.9–13.0)`, or that it failed."""
        if self.failure:
            return f"failed: {self.failure}"
        return show_range(self.seconds, "s")


def show_range(values: Sequence[float], unit: str) -> str:
    """The median and the range."""
    if not values:
        return "not measured"
    text = f"{_number(statistics.median(values))} {unit}"
    return text if len(values) == 1 else f"{text} ({_number(min(values))}–{_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 1 else f"{value:.1f}"


def ratio(value: float) -> str:
    """A ratio for a table."""
    return "–" if math.isnan(value) else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def met(value: float, *, least: float | None = None, most: float | None = None) -> str:
    """Whether a goal was reached."""
    if math.isnan(value):
        return "not measured"
    fine = (least is None or value >= least) and (most is None or value <= most)
    return "reached" if fine else "**missed**"


def run_rounds(contestants: Mapping[str, Callable[[], Result]], rounds: int, what: str) -> dict[str, Series]:
    """Run all contestants one after another, round by round. One that fails is reported and not run again."""
    series = {name: Series() for name in contestants}
    for number in range(1, rounds + 1):
        for name, run in contestants.items():
            if series[name].failure:
                continue
            try:
                series[name].results.append(run())
            except Exception as error:  # noqa: BLE001 - whatever happened to one contestant, the others go on
                series[name].failure = f"{type(error).__name__}: {str(error)[:200]}".replace("\n", " ")
            say(f"{what}, round {number} of {rounds}, {name}: {_last(series[name])}")
    return series


def _last(series: Series) -> str:
    return f"failed: {series.failure}" if series.failure else f"{series.seconds[-1]:.1f} s"


def slope(points: Mapping[float, float]) -> float:
    """The slope of a straight line through the logarithms of these points (least squares)."""
    known = [(math.log(x), math.log(y)) for x, y in points.items() if not math.isnan(y)]
    if len(known) < 2:
        return math.nan
    return statistics.linear_regression([x for x, _ in known], [y for _, y in known]).slope


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines] + [""]

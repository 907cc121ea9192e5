"""Progress of the demo's runs: live bars on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

MAPS = {"invoices": "headers", "actuals": "actuals", "transactionconnections": "connections"}

type Runs = Sequence[dict[str, Any] | None]


class Bars:
    """One bar per map, and the states of the runs, on stderr. Results go to stdout."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._live = Live(console=Console(stderr=True), refresh_per_second=4)
        self._tasks: dict[str, TaskID] = {
            name: self._progress.add_task(title, total=None, note="") for name, title in MAPS.items()
        }

    def __enter__(self) -> "Bars":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, runs: Runs) -> None:
        """Draw the progress of the runs."""
        for name, task in self._tasks.items():
            done, rows, rejected = count(runs, name)
            note = f"{rejected} rejected" if rejected else ""
            self._progress.update(task, completed=done, total=rows or None, note=note)
        self._live.update(Group(self._progress, Text(f"  {describe(runs)}")))


class Lines:
    """A plain line whenever something has changed."""

    def __init__(self) -> None:
        self._last = ""

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to stop."""

    def show(self, runs: Runs) -> None:
        """Print the progress of the runs."""
        counts = (f"{title} {done}/{rows}" for name, title in MAPS.items() for done, rows, _ in [count(runs, name)])
        line = f"  {'  '.join(counts)}  {describe(runs)}"
        if line != self._last:
            print(line, file=sys.stderr, flush=True)
            self._last = line


def count(runs: Runs, name: str) -> tuple[int, int, int]:
    """Rows done, rows known and rows rejected of one map over all runs."""
    maps = [each for run in runs if run for each in run["maps"] if each["map"] == name]
    return sum(m["done"] for m in maps), sum(m["rows"] for m in maps), sum(m["rejected"] for m in maps)


def describe(runs: Runs) -> str:
    """The states of the runs and what they wait for, in words."""
    states = [run["state"] if run else "not accepted yet" for run in runs]
    words = [f"{states.count(state)} {state}" if len(states) > 1 else state for state in dict.fromkeys(states)]
    waits = {wait["reason"] for run in runs if run for wait in run["waitsFor"]}
    return ", ".join(words) + (f" - waiting: {'; '.join(sorted(waits))}" if waits else "")


def watcher() -> Bars | Lines:
    """Bars for a terminal, lines for a file."""
    return Bars() if sys.stderr.isatty() else Lines()

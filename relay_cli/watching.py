"""Progress output: a table that is redrawn on a terminal, a line per change elsewhere."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from relay_cli.screen import safe
from relay_cli.times import now, show_time
from relay_cli.views.runs import progress_line, progress_view
from relay_contract.runs import RunDetail


class RedrawnTable:
    """One table, redrawn after each poll."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, runs: Sequence[RunDetail]) -> None:
        """Draw the progress."""
        self._live.update(progress_view(runs), refresh=True)


class Lines:
    """A line for each run that has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to stop."""

    def show(self, runs: Sequence[RunDetail]) -> None:
        """Print the runs that have changed since the last poll."""
        for run in runs:
            line = progress_line(run)
            if self._last.get(run.invoice_id) != line:
                self._last[run.invoice_id] = line
                self._console.print(safe(f"{show_time(now())}  {line}"))
                # A pipe is buffered: without this its reader would see the lines in blocks, much later.
                self._console.file.flush()


def watcher(console: Console) -> RedrawnTable | Lines:
    """The output that suits the console."""
    return RedrawnTable(console) if console.is_interactive else Lines(console)

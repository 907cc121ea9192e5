"""Starts a long request of the app, such as a reconciliation, and shows its progress."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from relay_cli.connection import App
from relay_cli.polling import follow
from relay_cli.reading import read
from relay_cli.screen import say, stderr
from relay_contract.reconciliation import JobAccepted


def run_job(
    relay: App,
    path: str,
    body: Mapping[str, Any],
    *,
    every: float,
    doing: str,
    progress_of: Callable[[Any], tuple[int, int]] | None = None,
    unit: str = "",
) -> Any:
    """Start a long request of the app and follow it to its end. Returns its last document. `progress_of` takes from a
    document how much is done, and of how much."""
    started = read(JobAccepted, relay.post(path, body))
    address = f"{path}/{quote(started.id, safe='')}"
    say(doing)
    document: Any = None
    with _progress(unit, is_shown=progress_of is not None) as progress:
        task = progress.add_task("Done", total=None)
        for document in follow(lambda: relay.get(address), lambda seen: seen.get("state") != "running", every):
            if progress_of:
                done, total = progress_of(document)
                progress.update(task, completed=done, total=total or None)
    return document


def _progress(unit: str, *, is_shown: bool) -> Progress:
    console = stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    # In a log file a bar that is redrawn would leave control characters.
    return Progress(*columns, console=console, disable=not (is_shown and console.is_interactive), transient=True)

"""Finds the invoice that the operator named, by id, or by number if exactly one run has that number."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from relay_cli.connection import App, Query
from relay_cli.problems import Misused, Unreachable
from relay_cli.reading import read
from relay_contract.runs import Run, Runs

MATCHES_SHOWN = 10


def find(app: App, text: str) -> str:
    """The id of the invoice. Raises Misused, with similar runs, unless exactly one run has that number."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        pass
    number = text.strip().casefold()
    found = [run for page in pages(app, {"search": text.strip()}) for run in read(Runs, page).runs]
    # The search also finds parts of a number. A change must never reach an invoice that is only similar.
    exact = [run for run in found if (run.invoice_number or "").casefold() == number]
    if len(exact) == 1:
        return exact[0].invoice_id
    if exact:
        raise Misused(f"{len(exact)} runs have the invoice number {text}:\n{_matches(exact)}", "Give the id instead.")
    near = f" Similar:\n{_matches(found)}" if found else ""
    raise Misused(
        f"There is no run of invoice {text}.{near}", "Give the exact number, or the id that Dataverse has for it."
    )


def pages(app: App, query: Query) -> Iterator[Any]:
    """The documents of GET /api/runs from the first page to the last."""
    seen: set[str] = set()
    continuation: str | None = None
    while True:
        page = app.get("runs", {**query, "continuation": continuation})
        yield page
        continuation = read(Runs, page).continuation
        if not continuation:
            return
        # Otherwise an app that repeats a page would be read without end.
        if continuation in seen:
            raise Unreachable("The app repeats a page of runs.", "Narrow the search, for instance with --since.")
        seen.add(continuation)


def _matches(runs: list[Run]) -> str:
    shown = [f"  {run.invoice_number}  {run.company}  {run.invoice_id}  {run.state}" for run in runs[:MATCHES_SHOWN]]
    more = len(runs) - len(shown)
    return "\n".join([*shown, f"  and {more} more"] if more else shown)

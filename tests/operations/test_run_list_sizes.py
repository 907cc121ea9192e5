"""Finding what waits costs nothing for all the others: as much among thousands of finished runs as among fifty."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any
from uuid import UUID

from shared.clock import now
from shared.ledger.run import Run, State
from shared.ledger.waiting import What
from tests.contract.test_run_list import ENDED, LINKING, SOON, STOPPED, Books, Tables, begun, tables

__all__ = ["tables"]

FEW, MANY = 50, 5_000
"""Where a search reads all finished runs, every thousand of them costs a request more."""
START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_finding_what_waits_costs_the_same_among_thousands_of_finished_runs(tables: Tables) -> None:
    async with tables.opened() as books:
        waiting = [await begun(books, change) for change in (LINKING, ENDED, STOPPED)]
        listed = await _row_of(books, waiting[1])
        # A table without pointers gets them once, at the first question.
        await books.run_list.opened()
    costs = []
    for first, last in ((0, FEW), (FEW, MANY)):
        async with tables.opened() as books:
            for some in batched(range(first, last), 100, strict=False):
                await books.listed.submit_transaction([("upsert", _finished(listed, number)) for number in some])
        costs.append(await _costs(tables))
    assert costs[0] == costs[1]
    assert sum(costs[0].values()) < 40


def _finished(listed: Mapping[str, Any], number: int) -> dict[str, Any]:
    at = START + timedelta(minutes=number)
    run = Run(UUID(int=number), f"{number:032x}", State.COMPLETED, 1, at, at, posting="written back")
    return {**listed, "RowKey": run.position, "posting": "written back", "lookAt": ""}


async def _row_of(books: Books, run: Run) -> dict[str, Any]:
    return dict(await books.listed.get_entity("run", run.position))


async def _costs(tables: Tables) -> dict[str, int]:
    """Storage requests of each question that the sweep, health, the look for postings and the operators ask."""
    questions: dict[str, Callable[[Books], Awaitable[object]]] = {
        **{what: lambda books, w=what: _all(books.run_list.waiting(w)) for what in What},  # type: ignore[misc]
        "due by now": lambda books: _all(books.run_list.due(now() + SOON)),
        "opened": lambda books: books.run_list.opened(),
        "oldest": lambda books: books.run_list.oldest_unfinished(),
        "stopped, listed": lambda books: _all(books.run_list.entries(states=[State.NEEDS_ATTENTION, State.FAILED])),
        "linking, listed": lambda books: _all(books.run_list.entries(states=[State.LINKING])),
        "lately": lambda books: _all(books.run_list.entries(since=now() - timedelta(days=1))),
    }
    costs = {}
    for name, question in questions.items():
        async with tables.opened() as books:
            await question(books)
            costs[name] = books.requests.sent
    return costs


async def _all(found: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in found]

"""The list of runs says what the runs say, whenever a host dies; and finding a run costs nothing for all the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.clock import now
from shared.engine.lifecycle import accept
from shared.errors import LeaseLost
from shared.ledger.run import Run, State
from shared.ledger.run_list import Entry, Listing, RunList
from shared.ledger.runs import Ledger
from shared.ledger.transitions import Move
from shared.ledger.waiting import What
from simulators.azurite import Azurite
from tests.run_states import set_state

SOON = timedelta(days=2)


class Died(Exception):
    """The host was killed before it could send this request."""


class Requests(AioHttpTransport):  # type: ignore[misc]
    """The way of a process to storage. It counts what is sent; after `left` requests the process is dead."""

    def __init__(self, left: int) -> None:
        super().__init__(use_env_settings=False)
        self.left = left
        self.sent = 0

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request, or die before it."""
        if self.sent >= self.left:
            raise Died
        self.sent += 1
        return await super().send(request, **options)


@dataclass(frozen=True)
class Books:
    """One process's ledger and list of runs."""

    ledger: Ledger
    run_list: RunList
    listing: Listing
    runs: TableClient
    listed: TableClient
    requests: Requests


@dataclass(frozen=True)
class Tables:
    """A ledger's two tables, and how a process opens them."""

    azurite: Azurite
    runs: str
    listed: str

    @asynccontextmanager
    async def opened(self, left: int = 10**9) -> AsyncIterator[Books]:
        requests = Requests(left)
        service = TableServiceClient.from_connection_string(
            self.azurite.connection_string(), transport=requests, retry_total=0
        )
        async with service:
            runs, listed = service.get_table_client(self.runs), service.get_table_client(self.listed)
            ledger = Ledger(runs, listed, now)
            yield Books(ledger, RunList(listed, ledger.look), Listing(listed), runs, listed, requests)


@pytest.fixture
async def tables(azurite: Azurite) -> Tables:
    """Two empty tables."""
    made = Tables(azurite, f"t{uuid4().hex}", f"r{uuid4().hex}")
    async with made.opened() as books:
        await books.runs.create_table()
        await books.listed.create_table()
    return made


type Change = Move

_DUE = now() + timedelta(hours=1)
LINKING: Change = {"state": State.LINKING}
ENDED: Change = {"state": State.COMPLETED, "detail": "all there", "look_at": _DUE, "rejected": 0}
STOPPED: Change = {"state": State.NEEDS_ATTENTION, "detail": "2 rows rejected", "rejected": 2}
CHANGES: list[tuple[Change, Change]] = [
    (LINKING, ENDED),
    (LINKING, STOPPED),
    (ENDED, {"state": State.SYNCING_ACTUALS, "look_at": None}),
    (STOPPED, {"state": State.SYNCING_ACTUALS, "rejected": 0}),
    (ENDED, {"posting": "failed", "posting_detail": "no"}),
    (ENDED, {"posting": "written back", "look_at": None}),
    (ENDED, {"look_at": _DUE + timedelta(hours=23)}),
    (STOPPED, {"rejected": 1}),
    ({}, {"state": State.REJECTED, "detail": "no such invoice"}),
]


async def begun(books: Books, before: Change) -> Run:
    invoice_id = (await accept(books.ledger, uuid4()))[0].subject
    run = await _run(books, invoice_id)
    return await set_state(books.ledger, run, **before) if before else run


async def _run(books: Books, invoice_id: UUID) -> Run:
    run = await books.ledger.run(invoice_id)
    assert run is not None
    return run


async def _sweep(books: Books) -> None:
    """What the sweep does about the list."""
    for invoice_id in await books.run_list.opened():
        run = await _run(books, invoice_id)
        if run.state.is_final:
            await books.ledger.list_anew(run)


async def _check(books: Books, run: Run) -> None:
    """Every list shows the run where it belongs, as it is."""
    for what in What:
        found = [each.subject async for each in books.run_list.waiting(what)]
        assert (run.subject in found) is what.holds(run), what
    due = [each.subject async for each in books.run_list.due(now() + SOON)]
    assert (run.subject in due) is What.DUE.holds(run)
    assert run.state.is_final or run.subject in await books.run_list.opened()
    for states in ((), (run.state,), tuple(State)):
        (entry,) = [each async for each in books.run_list.entries(states=states) if each.subject == run.subject]
        assert _told(entry) == (run.state, run.posting, run.rejected, run.detail)
    others = frozenset(State) - {run.state}
    assert [each async for each in books.run_list.entries(states=others) if each.subject == run.subject] == []


def _told(entry: Entry) -> tuple[object, ...]:
    return entry.state, entry.posting, entry.rejected, entry.detail


@pytest.mark.parametrize(("before", "change"), CHANGES)
async def test_wherever_a_host_dies_the_lists_say_what_the_run_says(
    tables: Tables, before: Change, change: Change
) -> None:
    for left in range(20):
        async with tables.opened() as books:
            run = await begun(books, before)
        async with tables.opened(left) as dying:
            with suppress(Died):
                await set_state(dying.ledger, run, **change)
        async with tables.opened() as books:
            standing = await _run(books, run.subject)
            if standing.mark:
                await _check(books, standing)
            await _sweep(books)
            swept = await _run(books, run.subject)
            assert (swept.state, swept.posting) == (standing.state, standing.posting)
            assert not swept.state.is_final or swept.subject not in await books.run_list.opened()
            if swept.mark:
                await _check(books, swept)
        if dying.requests.sent < left:
            assert standing.revision == run.revision + 1, "it was saved"
            return
    raise AssertionError("it never came to its end")


async def test_a_host_that_was_held_up_does_not_list_a_run_at_work_as_finished(tables: Tables) -> None:
    """A host completed a run and was held up before it listed it. Meanwhile another put the run back to work; the late
    row would have called it finished, and no sweep would have looked at it again."""
    async with tables.opened() as books:
        run = await begun(books, {"state": State.LINKING})
        finished = await set_state(books.ledger, run, **ENDED)
        at_work = await set_state(books.ledger, finished, state=State.SYNCING_ACTUALS)
        await books.listing.rest(finished)
        await _check(books, at_work)
        ended = await set_state(books.ledger, at_work, **STOPPED)
        await books.listing.rest(finished)
        await _check(books, ended)


async def test_who_comes_too_late_to_put_a_run_to_work_leaves_the_list_as_it_is(tables: Tables) -> None:
    """Two operators asked for the same repair, and the second came when the first one's was done."""
    async with tables.opened() as books:
        first = second = await begun(books, ENDED)
        await set_state(books.ledger, await set_state(books.ledger, first, state=State.SYNCING_ACTUALS), **ENDED)
        with pytest.raises(LeaseLost):
            await set_state(books.ledger, second, state=State.SYNCING_ACTUALS)
        await _check(books, await _run(books, first.subject))
        await _sweep(books)
        assert await books.run_list.opened() == []


async def test_a_run_goes_back_to_work_only_after_the_list_shows_it_as_unfinished(tables: Tables) -> None:
    """A host died between the run and the list: the list went on calling the run finished, and no sweep looked at it
    again."""
    async with tables.opened() as books:
        stopped = await begun(books, STOPPED)
    for left in range(3):
        async with tables.opened(left) as dying:
            with pytest.raises(Died):
                await set_state(dying.ledger, stopped, state=State.SYNCING_ACTUALS)
        async with tables.opened() as books:
            assert (await _run(books, stopped.subject)).state == State.NEEDS_ATTENTION


async def test_many_hosts_that_change_one_run_at_once_leave_the_list_true(tables: Tables) -> None:
    async with tables.opened() as books:
        run = await begun(books, ENDED)
        turns: list[Change] = [
            ENDED,
            STOPPED,
            {"state": State.LINKING},
            {"posting": "failed"},
            {"state": State.SYNCING_ACTUALS},
        ]

        async def change(number: int) -> None:
            for turn in range(6):
                async with tables.opened() as own:
                    with suppress(LeaseLost):
                        standing = await _run(own, run.subject)
                        await set_state(own.ledger, standing, **turns[(number + turn) % len(turns)])

        await asyncio.gather(*map(change, range(5)))
        standing = await _run(books, run.subject)
        await _check(books, standing)
        await _sweep(books)
        await _check(books, await _run(books, run.subject))


async def test_runs_listed_by_an_earlier_version_are_found(tables: Tables) -> None:
    """It wrote the rows of the list, and knew no pointers."""
    async with tables.opened() as books:
        runs = [await begun(books, change) for change in (LINKING, ENDED, STOPPED)]
        async for row in books.listed.query_entities("PartitionKey ne 'run'"):
            await books.listed.delete_entity(row)
        for run in runs:
            await books.runs.update_entity({"PartitionKey": str(run.subject), "RowKey": "run", "mark": ""})
    async with tables.opened() as books:
        for run in runs:
            standing = await _run(books, run.subject)
            await _check(books, standing)
            await _check(books, await set_state(books.ledger, standing, state=State.FAILED))


async def test_what_an_earlier_version_put_to_work_after_a_roll_back_is_found_within_a_day(tables: Tables) -> None:
    async with tables.opened() as books:
        run = await begun(books, STOPPED)
        await books.run_list.check(now())
        # Its way: the row of the list first, then the run, and no pointer.
        async for row in books.listed.query_entities("PartitionKey eq 'run'"):
            await books.listed.update_entity({**row, "final": False, "state": "linking"})
        await books.runs.update_entity({"PartitionKey": str(run.subject), "RowKey": "run", "state": "linking"})
        await books.run_list.check(now())
        assert await books.run_list.opened() == []
        await books.run_list.check(now() + timedelta(days=1, minutes=1))
        assert await books.run_list.opened() == [run.subject]

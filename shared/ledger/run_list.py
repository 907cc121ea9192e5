"""The list of runs, newest first. One row per run contains what a list shows, so that a page of it is one request.

The run in the ledger is authoritative. The list repeats it only while the run is at rest (`final`). While it moves,
readers of the list read the run itself, so the two cannot differ:

- Before a resting run is changed, its row is marked as moving, and the mark (the ETags) is saved with the run.
- After a run was saved in a final state, its row is written if it still has the mark that was read with the run.

A writer that is delayed in between finds another mark, because a later writer has to read the run and mark the row
again. A crash leaves a moving row and a pointer to the run; the next sweep corrects both.
"""

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any
from uuid import UUID

from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.concurrently import concurrently
from shared.ledger.progress import Progress
from shared.ledger.rows import PROGRESS
from shared.ledger.run import Run, State, edge, known_state
from shared.ledger.waiting import Pointer, Waiting, What, key_of, keys_of
from shared.tables.entities import Entities
from shared.tables.rows import find_row, unchanged
from shared.tables.schema import newer
from shared.totals import Totals

_PARTITION = "run"
_COMPLETE = {"PartitionKey": "complete", "RowKey": "pointers"}
# Runs that are read concurrently. More would be a burst for the storage account.
_AT_ONCE = 16
# It sorts after every position.
_HIGHEST = "~"
_BY_STATE = {
    What.OPEN: frozenset(state for state in State if not state.is_final),
    What.STOPPED: frozenset({State.NEEDS_ATTENTION, State.FAILED}),
}
_POINTED = frozenset[State]().union(*_BY_STATE.values())
"""The states that pointers lead to."""
_CHECKED_FOR = timedelta(days=1)

type Look = Callable[[UUID], Coroutine[Any, Any, Run | None]]

# For a run of a later version whose times cannot be read.
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Entry:
    """What a list shows of a run. The next page of the list starts after `position`. A run that is `moving` is read
    from the ledger before it is shown."""

    subject: UUID
    position: str
    state: State
    run_id: str = ""
    number: str = ""
    company: str = ""
    customer: str = ""
    project: str = ""
    detail: str = ""
    rejected: int = 0
    posting: str = "not posted"
    posted_at: datetime | None = None
    written_back_at: datetime | None = None
    expected: Totals = field(default_factory=Totals)
    progress: Mapping[str, Progress] = field(default_factory=dict)
    wait: str = ""
    accepted_at: datetime = _EPOCH
    updated_at: datetime = _EPOCH
    look_at: datetime | None = None
    moving: bool = False


_ENTRY = Entities(
    Entry,
    lambda _: "this run",
    others={
        "subject": lambda row: UUID(row["RowKey"].partition("|")[2]),
        "position": lambda row: row["RowKey"],
        "moving": lambda row: not row.get("final", True),
    },
    forms={"progress": PROGRESS},
    limits={"detail": 1000, "wait": 1000},
)
# The columns of a run of a later version that are shown.
_READABLE = frozenset(
    ("runId", "number", "company", "customer", "project", "detail", "rejected", "wait", "acceptedAt", "updatedAt")
)


class Listing:
    """The writer of the list: rows and pointers, in this order while a run moves."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._waiting = Waiting(table)

    async def move(self, run: Run) -> str:
        """Mark a run as moving, before it is saved. Returns the mark."""
        opened = await self._waiting.open(run)
        return f"{opened} {await self._mark({**_row(run), 'final': False})}"

    async def expect(self, run: Run) -> None:
        """Write pointers to a run that is about to be saved in a final state."""
        await self._waiting.restore(keys_of(run))

    async def rest(self, run: Run) -> None:
        """Write the row of a run that was saved in a final state, unless its mark is outdated."""
        opened, _, marked = run.mark.partition(" ")
        with suppress(ResourceModifiedError, ResourceNotFoundError):
            # Without a mark, a later version of the app lists the run, and its row stays as that version wrote it.
            if marked:
                await self._update(_row(run), marked)
            await self._waiting.rest(run, opened)

    async def _mark(self, row: Mapping[str, Any]) -> str:
        # The row may appear or disappear between two requests, so both ways are tried in turn.
        while True:
            with suppress(ResourceExistsError):
                return str((await self._table.create_entity(row))["etag"])
            with suppress(ResourceNotFoundError, ResourceModifiedError):
                standing = await self._table.get_entity(row["PartitionKey"], row["RowKey"], select=["schema"])
                if newer(standing, ""):
                    return ""
                return await self._update(row, str(standing.metadata["etag"]))

    async def _update(self, row: Mapping[str, Any], etag: str) -> str:
        return str((await self._table.update_entity(row, mode=UpdateMode.MERGE, **unchanged(etag)))["etag"])


class RunList:
    """The reader of the list. `look` reads a run from the ledger."""

    def __init__(self, table: TableClient, look: Look) -> None:
        self._table = table
        self._waiting = Waiting(table)
        self._look = look
        self._is_complete = False

    async def entries(
        self,
        *,
        after: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        states: Collection[State] = (),
        page_size: int | None = None,
    ) -> AsyncIterator[Entry]:
        """The runs accepted in [since, until), newest first, after `after`, optionally only in some `states`. They
        are read in pages of `page_size`, or as many as storage returns at a time."""
        # Positions run backwards in time, so the later instant is the lower bound.
        lower = max(after, edge(until)) if until else after
        upper = edge(since) + _HIGHEST if since else _HIGHEST
        if states and _POINTED.issuperset(states):
            found = self._pointed(states, lower, upper)
        else:
            found = self._listed(states, lower, upper, page_size)
        async for entry in found:
            if not states or entry.state in states:
                yield entry

    async def _pointed(self, states: Collection[State], lower: str, upper: str) -> AsyncIterator[Entry]:
        """The runs with pointers. All others are not read."""
        await self._complete()
        whats = [what for what, pointed in _BY_STATE.items() if not pointed.isdisjoint(states)]
        pointers = [pointer for what in whats for pointer in await self._waiting.all(what)]
        chosen = [pointer for pointer in pointers if lower < pointer.position <= upper]
        async for run in self._followed(sorted(chosen, key=lambda pointer: pointer.position)):
            yield entry_of(run)

    async def _listed(
        self, states: Collection[State], lower: str, upper: str, page_size: int | None
    ) -> AsyncIterator[Entry]:
        condition = "PartitionKey eq @partition and RowKey gt @lower and RowKey le @upper"
        if states:
            # A moving run may be listed with its previous state.
            condition += f" and ({' or '.join(['final eq false', *(f"state eq '{state}'" for state in states)])})"
        names = {"partition": _PARTITION, "lower": lower, "upper": upper}
        async for row in self._table.query_entities(condition, parameters=names, results_per_page=page_size):
            yield await self._shown(_entry(row))

    async def _shown(self, entry: Entry) -> Entry:
        run = await self._look(entry.subject) if entry.moving else None
        return entry_of(run) if run else entry

    async def waiting(self, *whats: What, since: datetime | None = None) -> AsyncIterator[Run]:
        """The runs with one of these tasks, newest first for each; with `since` only those accepted since then. They
        are for display: a run of a later version is as `Ledger.look` returns it."""
        await self._complete()
        for what in whats:
            async for run in self._followed(await self._waiting.all(what)):
                if since is None or run.accepted_at >= since:
                    yield run

    async def due(self, now: datetime) -> AsyncIterator[Run]:
        """The completed runs whose next check is due, longest due first."""
        await self._complete()
        async for run in self._followed(await self._waiting.all(What.DUE, now)):
            yield run

    async def opened(self) -> list[UUID]:
        """The subjects of all unfinished runs, newest first. After a crash, a finished run may be among them."""
        await self._complete()
        return [pointer.subject for pointer in await self._waiting.all(What.OPEN)]

    async def oldest_unfinished(self) -> Run | None:
        """The run that has been unfinished for the longest time."""
        for subject in reversed(await self.opened()):
            run = await self._look(subject)
            if run is not None and not run.state.is_final:
                return run
        return None

    async def _followed(self, pointers: Sequence[Pointer]) -> AsyncIterator[Run]:
        """The runs whose pointers are true. Untrue pointers of resting runs are deleted. They were read before the
        run, and a writer that changes the run writes them again afterwards."""
        for some in batched(pointers, _AT_ONCE, strict=False):
            runs = await concurrently(*(self._look(pointer.subject) for pointer in some))
            pairs = [(pointer, run) for pointer, run in zip(some, runs, strict=True) if run is not None]
            for pointer, run in pairs:
                if pointer.key in keys_of(run):
                    yield run
            await self._waiting.forget([each for each, run in pairs if _is_untrue(each, run)])

    async def check(self, now: datetime) -> None:
        """Once a day: write missing pointers of runs that another version of the app has changed."""
        standing = await self._standing()
        if standing is None or standing.metadata["timestamp"] < now - _CHECKED_FOR:
            await self._restore()

    async def _complete(self) -> None:
        """Runs that were listed by a version without pointers."""
        if not self._is_complete and await self._standing() is None:
            await self._restore()
        self._is_complete = True

    async def _standing(self) -> Any | None:
        return await find_row(self._table, _COMPLETE["PartitionKey"], _COMPLETE["RowKey"])

    async def _restore(self) -> None:
        known = {pointer.key for pointer in await self._waiting.all(What.OPEN)}
        rows = self._table.query_entities(f"PartitionKey eq '{_PARTITION}'")
        async for page in rows.by_page():
            entries = [_entry(row) async for row in page]
            keys = [key for entry in entries for key in _keys_of_entry(entry)]
            await self._waiting.restore(key for key in keys if key not in known)
        await self._table.upsert_entity(_COMPLETE)


def _is_untrue(pointer: Pointer, run: Run) -> bool:
    return run.state.is_final and not pointer.is_open and pointer.key not in keys_of(run)


def _keys_of_entry(entry: Entry) -> Iterable[str]:
    return {*keys_of(entry), *([key_of(What.OPEN, entry)] if entry.moving else [])}


def is_listed_alike(run: Run, other: Run) -> bool:
    """Whether two versions of a run look the same in all lists."""
    unlisted = ("revision", "updatedAt")
    rows = [{name: value for name, value in _row(each).items() if name not in unlisted} for each in (run, other)]
    return rows[0] == rows[1]


def entry_of(run: Run) -> Entry:
    """What a list shows of a run."""
    return _entry(_row(run))


def _row(run: Run) -> dict[str, Any]:
    columns = {"revision": run.revision, "final": run.state.is_final, **_ENTRY.columns(run)}
    return {"PartitionKey": _PARTITION, "RowKey": run.position, **columns}


def _entry(row: Mapping[str, Any]) -> Entry:
    """What a list shows. For a run of a later version, as far as it can be read."""
    error = newer(row, "this run")
    if error is None:
        return _ENTRY.value(row)
    state = known_state(row.get("state"))
    shown = {name: value for name, value in row.items() if name in _READABLE} | {"state": str(state)}
    told = {"detail": str(error)} if state.is_final else {"wait": str(error)}
    return _ENTRY.value({**shown, **told, "RowKey": row["RowKey"], "final": False})

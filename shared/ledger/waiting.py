"""Pointers to the runs with a task, by task, so that finding them does not depend on the number of other runs.

    open|<position>               a run that moves, or that a crash has left between two writes
    stopped|<position>            it waits for a person
    unposted|<position>           completed, and not written back yet
    kept back|<position>          completed, and its write-back was refused or failed
    rejecting|<position>          it has open rejected rows
    due|<instant>|<position>      completed, and its next check is due then

A pointer contains no state. It is written before the run is saved, and the run itself tells whether it is true. A crash
between the two leaves one pointer too many, never one too few. Readers delete untrue pointers.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import batched
from typing import Protocol
from uuid import UUID

from azure.core.exceptions import AzureError
from azure.data.tables.aio import TableClient

from shared.clock import stamp
from shared.errors import LeaseLost
from shared.ledger.run import State
from shared.tables.rows import unchanged
from shared.tables.transactions import deleted, transact

_PARTITION = "waiting"
# It sorts after every position.
_HIGHEST = "~"


class RunLike(Protocol):
    """A run, or its entry in the list, as far as it determines its tasks."""

    @property
    def state(self) -> State: ...
    @property
    def posting(self) -> str: ...
    @property
    def rejected(self) -> int: ...
    @property
    def look_at(self) -> datetime | None: ...
    @property
    def position(self) -> str: ...


class What(StrEnum):
    """A task of a run."""

    OPEN = "open"
    STOPPED = "stopped"
    UNPOSTED = "unposted"
    KEPT_BACK = "kept back"
    REJECTING = "rejecting"
    DUE = "due"

    def holds(self, run: RunLike) -> bool:
        """Whether the run has this task."""
        return _HOLDS[self](run)


def _is_completed(run: RunLike, *postings: str) -> bool:
    return run.state == State.COMPLETED and run.posting in postings


_HOLDS: dict[What, Callable[[RunLike], bool]] = {
    What.OPEN: lambda run: not run.state.is_final,
    What.STOPPED: lambda run: run.state in {State.NEEDS_ATTENTION, State.FAILED},
    What.UNPOSTED: lambda run: _is_completed(run, "not posted", "posted"),
    What.KEPT_BACK: lambda run: _is_completed(run, "refused", "failed"),
    What.REJECTING: lambda run: run.rejected > 0,
    What.DUE: lambda run: run.state == State.COMPLETED and run.look_at is not None,
}


@dataclass(frozen=True)
class Pointer:
    """A pointer as it was read."""

    key: str
    etag: str

    @property
    def position(self) -> str:
        """The position of the run in the list, newest first."""
        return "|".join(self.key.rsplit("|", 2)[1:])

    @property
    def is_open(self) -> bool:
        """Whether it points to an unfinished run. Only the writer of the run may delete such a pointer."""
        return self.key.startswith(f"{What.OPEN}|")

    @property
    def subject(self) -> UUID:
        """The subject of the run."""
        return UUID(self.key.rpartition("|")[2])


class Waiting:
    """The pointers, in one partition."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def open(self, run: RunLike) -> str:
        """Point to a run that starts to move. Returns a mark, by which `rest` detects that it has started again
        since."""
        written = await self._table.upsert_entity(_entity(key_of(What.OPEN, run)))
        return str(written["etag"])

    async def rest(self, run: RunLike, mark: str) -> None:
        """Record that a run is at rest, unless it has been opened again since it got its `mark`."""
        # In one transaction, so that a run at rest is never without the pointers to its tasks.
        opened = deleted(_entity(key_of(What.OPEN, run)), mark)
        with suppress(LeaseLost):
            await transact(self._table, [opened, *(("upsert", _entity(key)) for key in keys_of(run))])

    async def restore(self, keys: Iterable[str]) -> None:
        """Write pointers that may be missing."""
        for some in batched(keys, 100, strict=False):
            await transact(self._table, [("upsert", _entity(key)) for key in some])

    async def all(self, what: What, until: datetime | None = None) -> list[Pointer]:
        """The pointers of one kind, newest first; pointers to due runs are ordered by time, up to `until`."""
        upper = f"{what}|{stamp(until)}{_HIGHEST}" if until else f"{what}|{_HIGHEST}"
        condition = "PartitionKey eq @partition and RowKey gt @lower and RowKey lt @upper"
        names = {"partition": _PARTITION, "lower": f"{what}|", "upper": upper}
        rows = self._table.query_entities(condition, parameters=names)
        return [Pointer(row["RowKey"], str(row.metadata["etag"])) async for row in rows]

    async def forget(self, pointers: Sequence[Pointer]) -> None:
        """Delete untrue pointers, which were read before their runs. The next reader finds those that cannot be
        deleted now."""
        for pointer in pointers:
            with suppress(AzureError):
                await self._table.delete_entity(_entity(pointer.key), **unchanged(pointer.etag))


def keys_of(run: RunLike) -> list[str]:
    """The pointers that a run needs in its current state."""
    return [key_of(what, run) for what in What if what.holds(run)]


def key_of(what: What, run: RunLike) -> str:
    """The key of a pointer to a run."""
    if what == What.DUE and run.look_at:
        return f"{what}|{stamp(run.look_at)}|{run.position}"
    return f"{what}|{run.position}"


def _entity(key: str) -> dict[str, str]:
    return {"PartitionKey": _PARTITION, "RowKey": key}

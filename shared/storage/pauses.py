"""Pause and resume for the whole app or one map. Messages that arrive during a pause wait on their queues.

Imports that have been started are still settled during a pause: Finance imports their rows in any case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient

from shared.tables.entities import Entities

_PARTITION = "pause"
_EVERYTHING = "all"
# Reading the pauses for every message would cost one storage operation each.
_FRESH = timedelta(seconds=1)


@dataclass(frozen=True)
class Pause:
    """A pause. `stage` is None for the whole app."""

    stage: str | None
    reason: str
    by: str
    at: datetime


_PAUSE = Entities(Pause, others={"stage": lambda row: None if row["RowKey"] == _EVERYTHING else str(row["RowKey"])})


class Pauses:
    """The pauses in storage. Each process reads them at most once a second."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock
        self._known: list[Pause] = []
        self._read_at = datetime.min.replace(tzinfo=UTC)

    async def standing(self) -> list[Pause]:
        """All pauses, read from storage now."""
        rows = self._table.query_entities(f"PartitionKey eq '{_PARTITION}'")
        self._known = [_PAUSE.value(row) async for row in rows]
        self._read_at = self._clock()
        return self._known

    async def of(self, queue: str) -> Pause | None:
        """The pause that applies to a queue, or None."""
        if self._clock() - self._read_at > _FRESH:
            await self.standing()
        return next((pause for pause in self._known if pause.stage in {None, queue}), None)

    async def pause(self, stage: str | None, *, reason: str, by: str) -> None:
        """Pause a map, or everything."""
        keys = {"PartitionKey": _PARTITION, "RowKey": stage or _EVERYTHING}
        await self._table.upsert_entity({**keys, **_PAUSE.columns(Pause(stage, reason, by, self._clock()))})

    async def resume(self, stage: str | None) -> None:
        """Resume a map, or everything. Idempotent."""
        try:
            await self._table.delete_entity(_PARTITION, stage or _EVERYTHING)
        except ResourceNotFoundError:
            return

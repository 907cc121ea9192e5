"""How many imports and rows were settled in the last day: one counter per map and quarter of an hour.

The counters are overwritten after a day, so reading them is always one bounded query. An import is counted after it was
booked. A crash in between loses the count; no other figure depends on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp

SLOT = timedelta(minutes=15)
_DAY = timedelta(days=1)
_PARTITION = "throughput"
# All lanes of a map count into the same row.
_TRIES = 5


@dataclass(frozen=True)
class Slot:
    """What was settled of one map in the quarter of an hour from `began`: imports, accepted rows, rejected rows, and
    the last time when rows were accepted."""

    began: datetime
    stage: str
    imports: int
    rows: int
    rejected: int
    taken_at: datetime | None = None


class Throughput:
    """The counters of the last day."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def count(self, stage: str, *, rows: int, rejected: int) -> None:
        """Count one import. Gives up after several ETag conflicts, because the counter only feeds a chart."""
        now = self._clock()
        began = _slot_of(now)
        taken_at = now if rows else None
        for _ in range(_TRIES):
            standing = await self._standing(began, stage)
            try:
                await self._write(began, stage, standing, Slot(began, stage, 1, rows, rejected, taken_at))
            except (ResourceExistsError, ResourceModifiedError):
                continue
            return

    async def last_day(self) -> list[Slot]:
        """The slots of the last 24 hours with settled imports, oldest first."""
        oldest = _slot_of(self._clock() - _DAY + SLOT)
        query = self._table.query_entities(f"PartitionKey eq '{_PARTITION}'")
        slots = [_slot(row) async for row in query]
        return sorted((slot for slot in slots if slot.began >= oldest), key=lambda slot: (slot.began, slot.stage))

    async def took_since(self, stage: str, instant: datetime) -> bool:
        """Whether an import of this map has accepted rows since `instant`, at most a day ago. Counts can be missing,
        so the answer may be a wrong no, never a wrong yes."""
        slots = await self.last_day()
        return any(slot.stage == stage and slot.taken_at and slot.taken_at >= instant for slot in slots)

    async def _standing(self, began: datetime, stage: str) -> Any | None:
        try:
            return await self._table.get_entity(_PARTITION, _key(began, stage))
        except ResourceNotFoundError:
            return None

    async def _write(self, began: datetime, stage: str, standing: Any | None, settled: Slot) -> None:
        known = _slot(standing) if standing and parse_stamp(standing["began"]) == began else Slot(began, stage, 0, 0, 0)
        taken_at = settled.taken_at or known.taken_at
        entity = {
            "PartitionKey": _PARTITION,
            "RowKey": _key(began, stage),
            "began": stamp(began),
            "imports": known.imports + settled.imports,
            "rows": known.rows + settled.rows,
            "rejected": known.rejected + settled.rejected,
            "takenAt": stamp(taken_at) if taken_at else "",
        }
        if standing is None:
            await self._table.create_entity(entity)
            return
        await self._table.update_entity(
            entity,
            mode=UpdateMode.REPLACE,
            etag=standing.metadata["etag"],
            match_condition=MatchConditions.IfNotModified,
        )


def _slot_of(instant: datetime) -> datetime:
    return instant - (instant - datetime.min.replace(tzinfo=instant.tzinfo)) % SLOT


def _key(began: datetime, stage: str) -> str:
    return f"{began:%H:%M}|{stage}"


def _slot(row: Mapping[str, Any]) -> Slot:
    _, _, stage = str(row["RowKey"]).partition("|")
    taken_at = parse_stamp(row["takenAt"]) if row.get("takenAt") else None
    return Slot(parse_stamp(row["began"]), stage, row["imports"], row["rows"], row["rejected"], taken_at)

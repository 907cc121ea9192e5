"""How many imports and rows were settled in the last day: one counter per map and quarter of an hour.

The counters are overwritten after a day, so reading them is always one bounded query. An import is counted after it was
booked. A crash in between loses the count; no other figure depends on it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from azure.data.tables.aio import TableClient

from shared.tables.entities import Entities
from shared.tables.rows import Row, change_row

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


_SLOT = Entities(Slot, others={"stage": lambda row: str(row["RowKey"]).partition("|")[2]})


class Throughput:
    """The counters of the last day."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def count(self, stage: str, *, rows: int, rejected: int) -> None:
        """Count one import. Gives up after several ETag conflicts, because the counter only feeds a chart."""
        now = self._clock()
        settled = Slot(_slot_of(now), stage, 1, rows, rejected, now if rows else None)
        key = f"{settled.began:%H:%M}|{stage}"
        await change_row(self._table, _PARTITION, key, partial(_counted, settled), tries=_TRIES)

    async def last_day(self) -> list[Slot]:
        """The slots of the last 24 hours with settled imports, oldest first."""
        oldest = _slot_of(self._clock() - _DAY + SLOT)
        query = self._table.query_entities(f"PartitionKey eq '{_PARTITION}'")
        slots = [_SLOT.value(row) async for row in query]
        return sorted((slot for slot in slots if slot.began >= oldest), key=lambda slot: (slot.began, slot.stage))

    async def took_since(self, stage: str, instant: datetime) -> bool:
        """Whether an import of this map has accepted rows since `instant`, at most a day ago. Counts can be missing,
        so the answer may be a wrong no, never a wrong yes."""
        slots = await self.last_day()
        return any(slot.stage == stage and slot.taken_at and slot.taken_at >= instant for slot in slots)


def _slot_of(instant: datetime) -> datetime:
    return instant - (instant - datetime.min.replace(tzinfo=instant.tzinfo)) % SLOT


def _counted(settled: Slot, row: Any | None) -> Row:
    """The columns of a counter with one more import. A counter of the day before starts again."""
    known = _SLOT.value(row) if row else None
    if known is None or known.began != settled.began:
        return _SLOT.columns(settled)
    return _SLOT.columns(
        replace(
            settled,
            imports=known.imports + settled.imports,
            rows=known.rows + settled.rows,
            rejected=known.rejected + settled.rejected,
            taken_at=settled.taken_at or known.taken_at,
        )
    )

"""How many imports and rows were settled lately: one small counter for each map and quarter of an hour of the day.

The counters go round: tomorrow's overwrite today's, so that a day is one bounded read for ever. An import is counted
after it was booked; a process that dies in between counts it not at all, and nothing depends on these figures.
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
_TRIES = 5


@dataclass(frozen=True)
class Slot:
    """What was settled of one map in the quarter of an hour from `began` on: imports, rows taken, rows refused."""

    began: datetime
    stage: str
    imports: int
    rows: int
    rejected: int


class Throughput:
    """The counters of the last day."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def count(self, stage: str, *, rows: int, rejected: int) -> None:
        """Count one import. Under a crowd of other counters it gives up: a chart is worth no more."""
        began = _slot_of(self._clock())
        for _ in range(_TRIES):
            standing = await self._standing(began, stage)
            try:
                await self._write(began, stage, standing, rows=rows, rejected=rejected)
            except (ResourceExistsError, ResourceModifiedError):
                continue
            return

    async def last_day(self) -> list[Slot]:
        """The slots of the last 24 hours in which something was settled, the oldest first."""
        oldest = _slot_of(self._clock() - _DAY + SLOT)
        query = self._table.query_entities(f"PartitionKey eq '{_PARTITION}'")
        slots = [_slot(row) async for row in query]
        return sorted((slot for slot in slots if slot.began >= oldest), key=lambda slot: (slot.began, slot.stage))

    async def _standing(self, began: datetime, stage: str) -> Any | None:
        try:
            return await self._table.get_entity(_PARTITION, _key(began, stage))
        except ResourceNotFoundError:
            return None

    async def _write(self, began: datetime, stage: str, standing: Any | None, *, rows: int, rejected: int) -> None:
        known = _slot(standing) if standing and parse_stamp(standing["began"]) == began else Slot(began, stage, 0, 0, 0)
        entity = {
            "PartitionKey": _PARTITION,
            "RowKey": _key(began, stage),
            "began": stamp(began),
            "imports": known.imports + 1,
            "rows": known.rows + rows,
            "rejected": known.rejected + rejected,
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
    return Slot(parse_stamp(row["began"]), stage, row["imports"], row["rows"], row["rejected"])

"""Work that waits on a queue already, by name, so that it is not queued again."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.tables.rows import Row, change_row

_PARTITION = "pending"


class Pending:
    """Marks by name. A mark expires after `span`: a crash may leave one without a message."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime], span: timedelta) -> None:
        self._table = table
        self._clock = clock
        self.span = span

    async def mark(self, name: str) -> bool:
        """Mark this work as queued. False if it is marked already."""
        marked = False

        def change(standing: Mapping[str, Any] | None) -> Row | None:
            nonlocal marked
            marked = standing is None or parse_stamp(standing["until"]) <= self._clock()
            return {"until": stamp(self._clock() + self.span)} if marked else None

        await change_row(self._table, _PARTITION, name, change)
        return marked

    async def clear(self, name: str) -> None:
        """Remove the mark: the work begins, and whatever is asked from now on needs another message."""
        try:
            await self._table.delete_entity({"PartitionKey": _PARTITION, "RowKey": name})
        except ResourceNotFoundError:
            return

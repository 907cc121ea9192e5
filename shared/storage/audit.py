"""The audit log: every action through the operator's endpoints, with user and time. Entries are never deleted."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from azure.data.tables.aio import TableClient

from shared.clock import stamp

# A table property holds at most 64 KiB, which is 32,768 UTF-16 characters.
_TEXT_LIMIT = 30_000


class Audit:
    """The audit table. Each month is one partition."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self.table = table
        self._clock = clock

    async def note(self, action: str, by: str, what: Mapping[str, Any]) -> None:
        """Record one action of an operator."""
        at = stamp(self._clock())
        entity = {"action": action, "by": by, "at": at, "what": json.dumps(what)[:_TEXT_LIMIT]}
        await self.table.create_entity({"PartitionKey": at[:7], "RowKey": f"{at}|{uuid4().hex[:8]}", **entity})

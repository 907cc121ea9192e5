"""Operators' long-running jobs in the audit table. Each job has a partition: a row `job`, and a row per finding."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from shared.engine.ports import Ports
from shared.tables.rows import find_row

PORTION = 30_000
"""A table property holds 32,768 characters; this leaves a reserve."""

HEAD = "job"
# Checked, because the name comes from an address and becomes part of a key.
_JOB = re.compile(r"[0-9a-f]{32}")


class Jobs:
    """The jobs of one kind."""

    kind: ClassVar[str]

    def __init__(self, ports: Ports) -> None:
        self._table = ports.audit.table
        self._now = ports.now

    def _row(self, job: str, key: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        return {"PartitionKey": f"{self.kind}|{job}", "RowKey": key, **columns}

    async def _head(self, job: str) -> Any | None:
        """The row of a job, or None."""
        return await find_row(self._table, f"{self.kind}|{job}", HEAD) if _JOB.fullmatch(job) else None

    async def _findings(self, job: str) -> list[Any]:
        condition, names = f"PartitionKey eq @job and RowKey ne '{HEAD}'", {"job": f"{self.kind}|{job}"}
        return [row async for row in self._table.query_entities(condition, parameters=names)]

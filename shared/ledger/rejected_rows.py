"""Rejected rows, one by one, with Finance's message and what the operator did about them.

In the ledger they are `row|<stage>|<key>` in the partition of their subject.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from azure.data.tables.aio import TableClient

from shared.jobs.job import Step
from shared.maps.table_map import TableMap
from shared.tables.entities import Entities
from shared.totals import Tally, Totals

BILLED = "BilledSales"
UNBILLED = "Sales"
type ErrorClass = Literal["application", "system", "concurrency", "conflict", "throttled", "auth", "contract"]

_TEXT_LIMIT = 8000
_VARYING = (
    (re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "{id}"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "{text}"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "{n}"),
)


@dataclass(frozen=True)
class RejectedRow:
    """A row that Finance rejected (`key` is its integration key) or that the map could not write (`key` is its id in
    Dataverse, `kind` is contract). `source_id` is its id in Dataverse, `line` its contract line number.

    `open` rows block their run. `replaying` rows have been sent again, and keep this status when they were accepted.
    `dismissed` rows were settled by an operator; `by`, `at` and `reason` record it.
    """

    stage: str
    key: str
    kind: ErrorClass
    text: str
    source_id: str = ""
    line: str = ""
    transaction_type: str = ""
    currency: str = ""
    amount: Decimal = Decimal(0)
    status: Literal["open", "replaying", "dismissed"] = "open"
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    tries: int = 1
    reason: str = ""
    by: str = ""
    at: datetime | None = None

    @property
    def pattern(self) -> str:
        """The text without the parts that vary from row to row."""
        text = self.text
        for varying, name in _VARYING:
            text = varying.sub(name, text)
        return text

    @property
    def group(self) -> str:
        """A short id of all rows with the same map, class and pattern."""
        return hashlib.blake2b(f"{self.stage}|{self.kind}|{self.pattern}".encode(), digest_size=5).hexdigest()


def rejected_row(table_map: TableMap, stage: str, row: list[str], kind: ErrorClass, text: str) -> RejectedRow:
    """A landed row as a rejected row."""
    values = dict(zip(table_map.columns, row, strict=True))
    return RejectedRow(
        stage=stage,
        key=values[table_map.integrationKey[0]].lower(),
        kind=kind,
        text=text,
        source_id=values.get(table_map.source_column or "", ""),
        line=values.get("CONTRACTLINEID", ""),
        transaction_type=values.get("TRANSACTIONTYPE", ""),
        currency=values.get("TRANSACTIONCURRENCYID", ""),
        amount=Decimal(values.get("AMOUNT") or 0),
    )


def measured(rows: Iterable[RejectedRow], step: Step) -> dict[str, Totals]:
    """The totals of rejected rows of a step, by measure. Empty for a step that measures nothing."""
    if step.measures is None:
        return {}
    tallies = {name: Tally() for name in step.measures.names}
    for row in rows:
        tallies[step.measures.name_of(row.transaction_type)].add(row.key, row.currency, row.amount)
    return {name: tally.totals() for name, tally in tallies.items()}


class Rejections:
    """Stores rejected rows. A row that is rejected again keeps its first date and counts its tries. A dismissed row
    stays dismissed."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def keep(self, subject: UUID, rows: Iterable[RejectedRow]) -> None:
        """Record rows as rejected now. Booking the same import twice counts as one try."""
        fresh = {_row_key(row): row for row in rows}
        if not fresh:
            return
        known = {_row_key(row): row for row in await self.of(subject)}
        await self._write(subject, (self._seen(row, known.get(name)) for name, row in fresh.items()))

    async def of(self, subject: UUID, stage: str | None = None) -> list[RejectedRow]:
        """The rejected rows of a subject, in any status."""
        lower = f"row|{stage}|" if stage else "row|"
        upper = lower[:-1] + "}"
        condition = "PartitionKey eq @subject and RowKey ge @lower and RowKey lt @upper"
        names = {"subject": str(subject), "lower": lower, "upper": upper}
        return [rejected_of(row) async for row in self._table.query_entities(condition, parameters=names)]

    async def change(self, subject: UUID, rows: Iterable[RejectedRow], **changes: Any) -> None:
        """Change the status, or who dismissed the rows and why."""
        await self._write(subject, (replace(row, **changes) for row in rows))

    def _seen(self, row: RejectedRow, known: RejectedRow | None) -> RejectedRow:
        now = self._clock()
        if known is None:
            return replace(row, first_seen=now, last_seen=now)
        # A row that is still open was not sent since, so this is the same rejection, booked twice.
        again = known.status == "replaying"
        tries = known.tries + 1 if again else known.tries
        seen = replace(row, first_seen=known.first_seen, last_seen=now, tries=tries)
        if known.status != "dismissed":
            return seen
        # An operator has settled it elsewhere. It must not block the run again.
        return replace(seen, status=known.status, reason=known.reason, by=known.by, at=known.at)

    async def _write(self, subject: UUID, rows: Iterable[RejectedRow]) -> None:
        for portion in batched(rows, 100, strict=False):
            await self._table.submit_transaction([("upsert", entity_of(subject, row)) for row in portion])


def _row_key(row: RejectedRow) -> str:
    # Storage forbids / \ # ? in a key and limits it to 1 KiB, which is 512 characters.
    return f"row|{row.stage}|{quote(row.key, safe='')}"[:500]


_ROW = Entities(
    RejectedRow,
    lambda row: f"a rejected row of {row['PartitionKey']}",
    limits={"text": _TEXT_LIMIT, "reason": _TEXT_LIMIT},
)
rejected_of = _ROW.value


def entity_of(subject: UUID, row: RejectedRow) -> dict[str, Any]:
    """A rejected row as a table entity."""
    return {"PartitionKey": str(subject), "RowKey": _row_key(row), **_ROW.columns(row)}

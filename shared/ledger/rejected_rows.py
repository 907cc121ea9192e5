"""Rows that did not get into Finance, one by one, with Finance's own words and what the operator did about them."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from shared.maps.table_map import TableMap
from shared.stages import Stage
from shared.totals import Tally, Totals

BILLED = "BilledSales"
UNBILLED = "Sales"
type ErrorClass = Literal["application", "system", "concurrency", "conflict", "throttled", "auth", "contract"]

_VARYING = (
    (re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "{id}"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "{text}"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "{n}"),
)


@dataclass(frozen=True)
class RejectedRow:
    """One row that Finance refused (`key` is its integration key) or that the map could not write (`key` is its id in
    Dataverse, `kind` is contract). `source_id` finds it in Dataverse, `line` is its contract line number.

    `open` rows hold their run up; `replaying` ones have been sent again, and stay so when that went well; `dismissed`
    ones count as dealt with, and the audit fields say by whom and why.
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
        """The text without what differs from row to row."""
        text = self.text
        for varying, name in _VARYING:
            text = varying.sub(name, text)
        return text

    @property
    def group(self) -> str:
        """A short name for all rows with the same map, class and pattern."""
        return hashlib.blake2b(f"{self.stage}|{self.kind}|{self.pattern}".encode(), digest_size=5).hexdigest()


def rejected_row(table_map: TableMap, stage: Stage, row: list[str], kind: ErrorClass, text: str) -> RejectedRow:
    """Name a landed row as rejected."""
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


def totals_of(rows: Iterable[RejectedRow], *, billed: bool) -> Totals:
    """Count and money of the billed sales, or of the others, among some rejected rows."""
    tally = Tally()
    for row in rows:
        if row.stage == Stage.ACTUALS and (row.transaction_type == BILLED) == billed:
            tally.add(row.key, row.currency, row.amount)
    return tally.totals()

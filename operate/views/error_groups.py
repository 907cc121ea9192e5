"""Rejected rows across runs, grouped by what Finance says when what differs from row to row is left out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.clock import stamp
from shared.engine.ports import Ports
from shared.errors import NewerVersion
from shared.ledger.rejected_rows import RejectedRow
from shared.project_operations.codes import ACTUALS
from shared.storage.names import WRITE_BACK

_SHOWN_INVOICES = 20


@dataclass
class Group:
    """Rejected rows with the same map, class and pattern; each with the invoice that it belongs to."""

    rows: list[tuple[UUID, str, RejectedRow]] = field(default_factory=list)
    siblings: int = 0

    def describe(self) -> dict[str, Any]:
        """The group as JSON."""
        first = self.rows[0][2]
        numbers = dict.fromkeys(number or str(invoice_id) for invoice_id, number, _ in self.rows)
        seen = sorted(row.last_seen for _, _, row in self.rows if row.last_seen)
        began = sorted(row.first_seen for _, _, row in self.rows if row.first_seen)
        return {
            "group": first.group,
            "map": str(first.stage),
            "class": first.kind,
            "pattern": first.pattern,
            "rows": len(self.rows),
            "dismissed": sum(row.status == "dismissed" for _, _, row in self.rows),
            "invoices": list(numbers)[:_SHOWN_INVOICES],
            "invoiceCount": len(numbers),
            "sample": first.text,
            "firstSeen": stamp(began[0]) if began else None,
            "lastSeen": stamp(seen[-1]) if seen else None,
            "hint": self._hint(),
        }

    def _hint(self) -> str:
        if self.siblings and len(self.rows) == self.siblings:
            return "every row of these invoices says the same: look for configuration, not for data"
        return "only some rows say so: look at their data"


async def groups(ports: Ports, invoice_id: UUID | None = None) -> dict[str, Group]:
    """The groups of open and dismissed rows, of one invoice or of all that have open ones, the largest first."""
    found: dict[str, Group] = {}
    async for invoice, number, rows in _rejected(ports, invoice_id):
        for row in rows:
            group = found.setdefault(row.group, Group())
            group.rows.append((invoice, number, row))
        for name in {row.group for row in rows}:
            found[name].siblings += await _rows_of(ports, invoice, rows[0])
    return dict(sorted(found.items(), key=lambda item: -len(item[1].rows)))


async def _rejected(ports: Ports, invoice_id: UUID | None) -> AsyncIterator[tuple[UUID, str, Sequence[RejectedRow]]]:
    if invoice_id:
        run = await ports.ledger.look(invoice_id)
        invoices = [(invoice_id, run.number if run else "")]
    else:
        invoices = [(entry.invoice_id, entry.number) for entry in await ports.run_list.rejecting()]
    for invoice, number in invoices:
        try:
            rows = [row for row in await ports.rejections.of(invoice) if row.status != "replaying"]
        except NewerVersion:
            if invoice_id:
                raise
            continue
        if rows:
            yield invoice, number, rows


async def _rows_of(ports: Ports, invoice_id: UUID, row: RejectedRow) -> int:
    run = await ports.ledger.look(invoice_id)
    stage = ACTUALS if row.stage == WRITE_BACK else row.stage
    parts = await ports.ledger.parts(invoice_id, stage, run.generation) if run else []
    return sum(part.rows for part in parts)


def describe_row(invoice_id: UUID, number: str, row: RejectedRow) -> dict[str, Any]:
    """A rejected row as JSON."""
    dismissed = {"reason": row.reason, "by": row.by, "at": stamp(row.at) if row.at else None}
    return {
        "invoiceId": str(invoice_id),
        "invoiceNumber": number,
        "map": str(row.stage),
        "key": row.key,
        "sourceId": row.source_id,
        "line": row.line,
        "class": row.kind,
        "text": row.text,
        "firstSeen": stamp(row.first_seen) if row.first_seen else None,
        "lastSeen": stamp(row.last_seen) if row.last_seen else None,
        "tries": row.tries,
        "dismissed": dismissed if row.status == "dismissed" else None,
    }

"""Rejected rows of all runs, grouped by Finance's message without its variable parts."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from relay_contract.errors import Dismissal, ErrorGroup, ErrorRow
from shared.engine.ports import Ports
from shared.errors import NewerVersion
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.waiting import What
from shared.project_operations.codes import ACTUALS
from shared.storage.names import WRITE_BACK

_SHOWN_INVOICES = 20


@dataclass
class Group:
    """Rejected rows with the same map, class and pattern, each with its invoice."""

    rows: list[tuple[UUID, str, RejectedRow]] = field(default_factory=list)
    siblings: int = 0

    def describe(self) -> ErrorGroup:
        """The group for the API."""
        first = self.rows[0][2]
        numbers = dict.fromkeys(number or str(invoice_id) for invoice_id, number, _ in self.rows)
        seen = sorted(row.last_seen for _, _, row in self.rows if row.last_seen)
        began = sorted(row.first_seen for _, _, row in self.rows if row.first_seen)
        return ErrorGroup(
            group=first.group,
            map=str(first.stage),
            error_class=first.kind,
            pattern=first.pattern,
            rows=len(self.rows),
            dismissed=sum(row.status == "dismissed" for _, _, row in self.rows),
            invoices=list(numbers)[:_SHOWN_INVOICES],
            invoice_count=len(numbers),
            sample=first.text,
            first_seen=began[0] if began else None,
            last_seen=seen[-1] if seen else None,
            hint=self._hint(),
        )

    def _hint(self) -> str:
        if self.siblings and len(self.rows) == self.siblings:
            return "every row of these invoices says the same: look for configuration, not for data"
        return "only some rows say so: look at their data"


async def groups(ports: Ports, invoice_id: UUID | None = None) -> dict[str, Group]:
    """The groups of open and dismissed rows, of one invoice or of all with open ones, largest first."""
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
        invoices = [(run.subject, run.number) async for run in ports.run_list.waiting(What.REJECTING)]
    for invoice, number in invoices:
        try:
            rows = [row for row in await ports.rejections.of(invoice) if row.status != "replaying"]
        except NewerVersion:
            # One run of a later version must not hide the rejected rows of all others.
            if invoice_id:
                raise
            continue
        if rows:
            yield invoice, number, rows


async def _rows_of(ports: Ports, invoice_id: UUID, row: RejectedRow) -> int:
    run = await ports.ledger.look(invoice_id)
    # A write-back has no parts of its own: it writes the rows that the actuals sent.
    stage = ACTUALS if row.stage == WRITE_BACK else row.stage
    parts = await ports.ledger.parts(invoice_id, stage, run.generation) if run else []
    return sum(part.rows for part in parts)


def describe_row(invoice_id: UUID, number: str, row: RejectedRow) -> ErrorRow:
    """A rejected row for the API."""
    is_dismissed = row.status == "dismissed"
    return ErrorRow(
        invoice_id=str(invoice_id),
        invoice_number=number,
        map=str(row.stage),
        key=row.key,
        source_id=row.source_id,
        line=row.line,
        error_class=row.kind,
        text=row.text,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        tries=row.tries,
        dismissed=Dismissal(reason=row.reason, by=row.by, at=row.at) if is_dismissed else None,
    )

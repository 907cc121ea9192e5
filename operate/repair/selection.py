"""Which rejected rows, and which runs, an operator means."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from operate.instants import Instant
from shared.engine.ports import Ports
from shared.errors import NewerVersion
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Run, State
from shared.ledger.run_list import Entry

_STOPPED = {State.NEEDS_ATTENTION, State.FAILED, State.REJECTED}


class Selection(BaseModel):
    """What a request body names: at least one of an invoice, a group, keys or a date; together they narrow down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    invoiceId: UUID | None = None  # noqa: N815 - the names on the wire
    map: str | None = None
    group: str | None = Field(None, pattern=r"^[0-9a-f]{10}$")
    keys: tuple[str, ...] | None = None
    since: Instant | None = None

    @model_validator(mode="after")
    def _names_something(self) -> "Selection":
        if not (self.invoiceId or self.group or self.keys or self.since):
            raise ValueError("name an invoiceId, a group, keys or a since date")
        return self

    @property
    def picks_rows(self) -> bool:
        """Whether it means single rows rather than whole runs."""
        return bool(self.map or self.group or self.keys)

    def holds(self, row: RejectedRow) -> bool:
        """Whether a rejected row is meant."""
        return (
            (self.map is None or row.stage == self.map)
            and (self.group is None or row.group == self.group)
            and (self.keys is None or row.key in self.keys)
        )


@dataclass(frozen=True)
class Selected:
    """A run, and those of its open rejected rows that are meant. `interrupted`: they are all dismissed, and who did
    that died before the run could go on; nothing holds it up any more, and nobody else will notice."""

    run: Run
    rows: Sequence[RejectedRow]
    interrupted: bool = False


async def select(ports: Ports, selection: Selection) -> AsyncIterator[Selected]:
    """The runs and rows that a selection means."""
    for invoice_id in await _invoices(ports, selection):
        try:
            run = await ports.ledger.run(invoice_id)
        except NewerVersion:
            if selection.invoiceId:
                raise
            continue
        if run is None:
            continue
        known = [row for row in await ports.rejections.of(invoice_id) if selection.holds(row)]
        rows = [row for row in known if row.status == "open"]
        dismissed = any(row.status == "dismissed" for row in known)
        interrupted = run.state == State.NEEDS_ATTENTION and dismissed and not rows
        if rows or interrupted or not selection.picks_rows:
            yield Selected(run, rows, interrupted)


async def _invoices(ports: Ports, selection: Selection) -> list[UUID]:
    if selection.invoiceId:
        return [selection.invoiceId]
    if selection.since and not selection.picks_rows:
        entries = [entry async for entry in ports.run_list.entries(since=selection.since)]
        return [entry.invoice_id for entry in entries if entry.state in _STOPPED]
    return [entry.invoice_id for entry in await ports.run_list.rejecting() if _since(entry, selection.since)]


def _since(entry: Entry, since: datetime | None) -> bool:
    return since is None or entry.accepted_at >= since

"""Selects the rejected rows and the runs that an operator names."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from relay_contract.requests import Selection
from shared.engine.ports import Ports
from shared.errors import NewerVersion
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Run, State
from shared.ledger.waiting import What

_STOPPED = {State.NEEDS_ATTENTION, State.FAILED, State.REJECTED}


def _picks_rows(selection: Selection) -> bool:
    """Whether it names single rows rather than whole runs."""
    return bool(selection.map or selection.group or selection.keys)


def _holds(selection: Selection, row: RejectedRow) -> bool:
    """Whether a rejected row is selected."""
    return (
        (selection.map is None or row.stage == selection.map)
        and (selection.group is None or row.group == selection.group)
        and (selection.keys is None or row.key in selection.keys)
    )


@dataclass(frozen=True)
class Selected:
    """A run and its selected open rejected rows. `interrupted`: all of them are dismissed, but a crash prevented the
    run from continuing. Nothing blocks it, and no other mechanism would restart it."""

    run: Run
    rows: Sequence[RejectedRow]
    interrupted: bool = False


async def select(ports: Ports, selection: Selection) -> AsyncIterator[Selected]:
    """The selected runs and rows."""
    for invoice_id in await _invoices(ports, selection):
        try:
            run = await ports.ledger.run(invoice_id)
        except NewerVersion:
            # Among many, one run of a later version must not keep an operator from the others.
            if selection.invoice_id:
                raise
            continue
        if run is None:
            continue
        known = [row for row in await ports.rejections.of(invoice_id) if _holds(selection, row)]
        rows = [row for row in known if row.status == "open"]
        dismissed = any(row.status == "dismissed" for row in known)
        interrupted = run.state == State.NEEDS_ATTENTION and dismissed and not rows
        if rows or interrupted or not _picks_rows(selection):
            yield Selected(run, rows, interrupted)


async def _invoices(ports: Ports, selection: Selection) -> list[UUID]:
    if selection.invoice_id:
        return [selection.invoice_id]
    if selection.since and not _picks_rows(selection):
        return [entry.subject async for entry in ports.run_list.entries(since=selection.since, states=_STOPPED)]
    # Pointers lead to these runs. The cost does not grow with the number of finished ones.
    return [run.subject async for run in ports.run_list.waiting(What.REJECTING, since=selection.since)]

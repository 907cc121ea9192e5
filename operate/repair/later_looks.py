"""Checks completed runs again in Dataverse, by default an hour and a day later: rows may be written after the status,
and nothing else examines a completed run.

Additional rows are read and sent by a new reading. Missing rows are reported. A check that was not made is due at the
next sweep.
"""

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from relay_contract.changes import Changed
from shared.engine.lifecycle import read_again, withdraw
from shared.engine.ports import Ports
from shared.errors import (
    ContractBroken,
    LeaseLost,
    NeedsAttention,
    NewerVersion,
    NotPermitted,
    Refused,
    SignInFailed,
    Throttled,
    Unavailable,
)
from shared.ledger.run import Run, State
from shared.log import event
from shared.project_operations.billed_sales import count_billed
from shared.project_operations.codes import ACTUALS, CONNECTIONS
from shared.project_operations.confirmation import count_beside, find_beside
from shared.project_operations.held_actuals import held_by_actual
from shared.services.odata import guid

# Checks per sweep. The others are made by later sweeps.
_MOST = 200


async def look_again(ports: Ports) -> tuple[list[Changed], str]:
    """Check the completed runs that are due, oldest first. Returns those in which something has changed, and the
    reason why checking stopped, or ""."""
    changed: list[Changed] = []
    looks = 0
    async for run in ports.run_list.due(ports.now()):
        looks += 1
        if looks > _MOST:
            break
        try:
            found = await _look_at(ports, run.subject)
        except (LeaseLost, NewerVersion):
            continue
        except (Throttled, Unavailable, SignInFailed, NotPermitted, Refused, ContractBroken) as error:
            return changed, str(error)
        if found:
            changed.append(Changed(invoice_id=str(run.subject), invoice_number=run.number, found=found))
    return changed, ""


async def _look_at(ports: Ports, invoice_id: UUID) -> str:
    run = await ports.ledger.run(invoice_id)
    if run is None or run.state != State.COMPLETED or run.look_at is None or run.look_at > ports.now():
        return ""
    found = await _late_rows(ports, run)
    if found:
        event("late rows found", runId=run.run_id, subject=run.subject)
        try:
            await read_again(ports, run, found, asked=True)
        # It was read too often. A completed run is not looked at by operators, so it has to leave that state.
        except NeedsAttention as attention:
            await withdraw(ports, run, str(attention))
        return found
    fewer = run.expected.rows - await count_billed(ports, run.subject)
    if fewer > 0:
        told = (
            f"mismatch: after this run was completed, Dataverse lost {fewer} of its {run.expected.rows} billed sales. "
            "Reconcile the invoice to see which rows Finance holds that Dataverse does not"
        )
        event("mismatch", severity=logging.ERROR, runId=run.run_id, subject=run.subject)
        await withdraw(ports, run, told)
        return told
    await ports.ledger.save(run, looks=run.looks + 1, look_at=_next(ports, run))
    return ""


async def _late_rows(ports: Ports, run: Run) -> str:
    """The rows that were added since the run was completed, as text, or ""."""
    # Counts come first, one cheap request each, because nearly all completed runs are unchanged.
    billed = await count_billed(ports, run.subject)
    if billed > run.expected.rows:
        return f"Dataverse holds {billed} billed sales, {billed - run.expected.rows} more than were carried"
    dismissed = {
        guid(row.source_id) for row in await ports.rejections.of(run.subject, ACTUALS) if row.status == "dismissed"
    }
    if await count_beside(ports, run.subject) > run.beside:
        beside = await find_beside(ports, run.subject, dismissed)
        if late := len(beside.missing) + len(beside.unexplained):
            rows = "1 unbilled sale" if late == 1 else f"{late} unbilled sales"
            return f"Dataverse holds {rows} of this confirmation that Finance does not hold"
    return await _held_after_all(ports, run, dismissed)


async def _held_after_all(ports: Ports, run: Run, dismissed: set[Any]) -> str:
    """Connections of dismissed rows were not sent. If Finance holds these rows now, the connections must be sent."""
    parts = await ports.ledger.parts(run.subject, CONNECTIONS, run.generation) if dismissed else []
    if not any(part.left_out for part in parts):
        return ""
    held = await held_by_actual(ports, dismissed)
    return f"Finance holds {len(held)} of the dismissed rows by now: their connections go too" if held else ""


def _next(ports: Ports, run: Run) -> datetime | None:
    """When the next check is due. Checks are counted from the completion of the run."""
    after = ports.settings.looks_after
    if run.look_at is None or run.looks + 1 >= len(after):
        return None
    return run.look_at + after[run.looks + 1] - after[run.looks]

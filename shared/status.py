"""What a run looks like from outside: state, progress of each map, and what it waits for and why."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from shared import dataverse, finance
from shared.clock import parse_stamp, stamp
from shared.handover import is_over, pages_of
from shared.notes import trouble
from shared.ports import Ports
from shared.repair import stage_of
from shared.run import Part, Run
from shared.stages import Stage

_WHILE_TRYING = timedelta(seconds=30)
"""A note outlives its instant by this: the next try has to be made, and to end."""
SERVICES = (dataverse.NAME, finance.NAME)


async def describe(ports: Ports, run: Run) -> dict[str, Any]:
    """The run as JSON. Counts are rows; amounts are decimal strings per currency."""
    waits = await _waits(ports, run)
    maps = [await _progress(ports, run, stage) for stage in Stage]
    return {
        "invoiceId": str(run.invoice_id),
        "runId": run.run_id,
        "invoiceNumber": run.number,
        "company": run.company,
        "state": str(run.state),
        "detail": run.detail,
        "waitsFor": waits,
        "acceptedAt": stamp(run.accepted_at),
        "updatedAt": stamp(run.updated_at),
        "generation": run.generation,
        "maps": maps,
        "posting": run.posting,
        "postingDetail": run.posting_detail,
        "postedAt": stamp(run.posted_at) if run.posted_at else None,
        "writtenBackAt": stamp(run.written_back_at) if run.written_back_at else None,
        "rows": run.expected.rows,
        "rejected": sum(each["rejected"] for each in maps),
        "billedSales": {"rows": run.expected.rows, "amounts": run.expected.money()},
    }


async def _waits(ports: Ports, run: Run) -> list[dict[str, str]]:
    if run.state.is_final:
        return []
    waits = [{"reason": run.wait}] if run.wait else []
    if pause := await ports.pauses.of(stage_of(run)):
        waits.append({"reason": f"paused by {pause.by}: {pause.reason}"})
    for service in SERVICES:
        gate = await ports.gates.look(service)
        if gate:
            waits.append({"reason": gate.describe(), "service": service, "until": stamp(gate.until)})
        if reason := await trouble_with(ports, service):
            waits.append({"reason": reason, "service": service})
    return waits


async def trouble_with(ports: Ports, service: str) -> str:
    """That a service gave no usable answer, and when it is asked again; nothing while all is well."""
    note = await ports.notes.read(trouble(service))
    if note is None or parse_stamp(note["until"]) + _WHILE_TRYING < ports.now():
        return ""
    return f"{service} gave no usable answer, next try at {note['until'][11:19]} UTC: {note['reason']}"


async def _progress(ports: Ports, run: Run, stage: Stage) -> dict[str, Any]:
    generation = 1 if stage == Stage.INVOICES else run.generation
    pages = await pages_of(ports, run.invoice_id, stage, generation)
    parts = await ports.ledger.parts(run.invoice_id, stage, generation)
    rows = await ports.rejections.of(run.invoice_id, stage)
    done = sum(part.rows - part.rejected for part in parts if part.state == "settled")
    under_way = sum(part.rows for part in parts if part.state != "settled")
    rejected = sum(row.status == "open" for row in rows)
    dismissed = sum(row.status == "dismissed" for row in rows)
    known = done + under_way + rejected + dismissed
    return {
        "map": str(stage),
        "rows": max(known, _promised(run, stage)),
        "rowsRead": known,
        "done": done,
        "rejected": rejected,
        "dismissed": dismissed,
        "state": _state(run, parts, over=is_over(pages, parts)),
    }


def _promised(run: Run, stage: Stage) -> int:
    return {Stage.INVOICES: 1, Stage.ACTUALS: run.expected.rows, Stage.CONNECTIONS: 0}[stage]


def _state(run: Run, parts: Sequence[Part], *, over: bool) -> str:
    if over:
        return "done"
    if not parts or all(part.state == "held" for part in parts):
        return "waiting"
    return "stopped" if run.state.is_final else "running"

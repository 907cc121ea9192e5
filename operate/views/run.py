"""What a run looks like from outside: state, progress of each map, and what it waits for and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.clock import stamp
from shared.engine import troubles
from shared.engine.account import is_over, pages_of, reading_of
from shared.engine.import_waits import waits_of_run
from shared.engine.lifecycle import stage_of
from shared.engine.newer import told
from shared.engine.ports import Ports
from shared.engine.troubles import Trouble
from shared.errors import NewerVersion
from shared.jobs.job import Job, Step
from shared.ledger.progress import progress_of
from shared.ledger.rejected_rows import RejectedRow, totals_of
from shared.ledger.run import Page, Part, Run
from shared.ledger.run_list import Entry
from shared.project_operations.codes import ACTUALS
from shared.services import dataverse, finance
from shared.services.throttle_gates import Gate
from shared.storage.pauses import Pause
from shared.totals import Totals

SERVICES = (dataverse.NAME, finance.NAME)


async def describe(ports: Ports, run: Run) -> dict[str, Any]:
    """The run as JSON. Counts are rows; amounts are decimal strings per currency."""
    waits = [] if run.state.is_final else [*(await standing(ports)).waits_of(run), *await _imports_of(ports, run)]
    found = {stage: await _read(ports, run, stage) for stage in ports.job.maps}
    maps = [_progress(run, ports.job.step(stage), each) for stage, each in found.items()]
    return {
        "invoiceId": str(run.invoice_id),
        "runId": run.run_id,
        "invoiceNumber": run.number,
        "company": run.company,
        "customer": run.customer,
        "project": run.project,
        "state": str(run.state),
        "detail": run.detail,
        "waitsFor": waits,
        "acceptedAt": stamp(run.accepted_at),
        "updatedAt": stamp(run.updated_at),
        "generation": run.generation,
        "maps": maps,
        "accounts": [
            _account("billed sales", found[ACTUALS], billed=True),
            _account("new unbilled sales", found[ACTUALS], billed=False),
        ],
        "posting": run.posting,
        "postingDetail": run.posting_detail,
        "postedAt": stamp(run.posted_at) if run.posted_at else None,
        "writtenBackAt": stamp(run.written_back_at) if run.written_back_at else None,
        "rows": run.expected.rows,
        "rejected": sum(each["rejected"] for each in maps),
        "oddDays": sum(part.odd_days for each in found.values() for part in each.parts),
        "billedSales": {"rows": run.expected.rows, "amounts": run.expected.money()},
    }


async def _imports_of(ports: Ports, run: Run) -> list[dict[str, Any]]:
    """What imports keep the run waiting, as JSON."""
    return [
        {
            "reason": wait.describe(),
            "service": finance.NAME,
            "kind": wait.what,
            "since": stamp(wait.since),
            "until": stamp(wait.until) if wait.until else None,
        }
        for wait in await waits_of_run(ports, run, stage_of(ports.job, run))
    ]


@dataclass(frozen=True)
class Standing:
    """What holds up runs at `at`: pauses, closed gates, and what stands in the way of their work."""

    job: Job
    pauses: Sequence[Pause]
    gates: Sequence[dict[str, Any]]
    troubles: Sequence[Trouble]
    at: datetime
    newer: Mapping[str, str] = field(default_factory=dict)
    """What a later version of the app has left on a queue, by its name."""

    def waits_of(self, run: Run | Entry) -> list[dict[str, Any]]:
        """What an unfinished run waits for, as JSON."""
        stage = stage_of(self.job, run)
        own: list[dict[str, Any]] = [{"reason": run.wait, "kind": "incomplete"}] if run.wait else []
        paused = [
            {"reason": f"paused by {pause.by}: {pause.reason}", "kind": "paused"}
            for pause in self.pauses
            if pause.stage in {None, stage}
        ]
        troubles = [describe_trouble(each, self.at) for each in self.troubles if each.holds_up(stage)]
        left = self.newer.get(stage, "")
        newer = [{"reason": left, "kind": "newer version"}] if left and left != run.wait else []
        return [*own, *paused[:1], *self.gates, *troubles, *newer]


async def standing(ports: Ports) -> Standing:
    """Read what holds up all runs: a handful of point reads, however many runs there are."""
    gates = [describe_gate(gate) for service in SERVICES if (gate := await ports.gates.look(service))]
    paused, stand = await ports.pauses.standing(), await troubles.standing(ports)
    return Standing(ports.job, paused, gates, stand, ports.now(), await told(ports))


def describe_gate(gate: Gate) -> dict[str, Any]:
    """A closed gate as JSON: one sentence of it, and its parts."""
    return {
        "reason": gate.describe(),
        "service": gate.service,
        "until": stamp(gate.until),
        "kind": gate.kind,
        "asked": gate.asked,
        "text": gate.reason,
    }


def describe_trouble(trouble: Trouble, now: datetime) -> dict[str, Any]:
    """What stands in the way, as JSON."""
    return {
        "reason": trouble.describe(now),
        "service": trouble.service,
        "kind": trouble.kind,
        "since": stamp(trouble.since),
        "until": stamp(trouble.until),
    }


@dataclass(frozen=True)
class _Found:
    """What the ledger holds of one map of a run."""

    pages: Sequence[Page]
    parts: Sequence[Part]
    rows: Sequence[RejectedRow]


async def _read(ports: Ports, run: Run, stage: str) -> _Found:
    generation = reading_of(ports, run, stage)
    try:
        return _Found(
            await pages_of(ports, run.invoice_id, stage, generation),
            await ports.ledger.parts(run.invoice_id, stage, generation),
            await ports.rejections.of(run.invoice_id, stage),
        )
    except NewerVersion:
        return _Found([], [], [])


def _progress(run: Run, step: Step, found: _Found) -> dict[str, Any]:
    progress = progress_of(found.parts, found.rows)
    return {
        "map": step.map,
        "title": step.shown,
        "rows": max(progress.rows, promised_rows(step, run)),
        "rowsRead": progress.rows,
        "done": progress.done,
        "rejected": progress.rejected,
        "dismissed": progress.dismissed,
        "state": _state(run, found.parts, over=is_over(found.pages, found.parts)),
    }


def _account(what: str, found: _Found, *, billed: bool) -> dict[str, Any]:
    """What became of one kind of actuals: in Finance, on the way, refused, dismissed; in rows and money."""
    settled = [part for part in found.parts if part.state == "settled"]
    others = [part for part in found.parts if part.state != "settled"]
    by_status = {
        status: totals_of((row for row in found.rows if row.status == status), billed=billed)
        for status in ("open", "dismissed")
    }
    taken, under_way = _sum(settled, billed=billed), _sum(others, billed=billed)
    return {
        "what": what,
        "read": _counted(sum(by_status.values(), taken + under_way)),
        "taken": _counted(taken),
        "underWay": _counted(under_way),
        "rejected": _counted(by_status["open"]),
        "dismissed": _counted(by_status["dismissed"]),
    }


def _sum(parts: Sequence[Part], *, billed: bool) -> Totals:
    return sum((part.billed if billed else part.fresh for part in parts), Totals())


def _counted(totals: Totals) -> dict[str, Any]:
    return {"rows": totals.rows, "amounts": totals.money()}


def promised_rows(step: Step, run: Run | Entry) -> int:
    """How many rows of a step there are to be, as far as that is known before they are read."""
    if step.readOnce:
        return 1
    return run.expected.rows if step.measures else 0


def _state(run: Run, parts: Sequence[Part], *, over: bool) -> str:
    if over:
        return "done"
    if not parts or all(part.state == "held" for part in parts):
        return "waiting"
    return "stopped" if run.state.is_final else "running"

"""The timeline of a run: its states, imports and waits, and the actions of operators."""

from collections.abc import Iterable
from datetime import datetime

from operate.views.run import SERVICES
from relay_contract.runs import Timeline, TimelineEntry
from shared.engine.import_waits import waits_of_run
from shared.engine.lifecycle import stage_of
from shared.engine.ports import Ports
from shared.errors import NewerVersion
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Part, Run
from shared.services import finance

_MOST_IMPORTS = 200


async def timeline(ports: Ports, run: Run) -> Timeline:
    """The timeline, earliest first."""
    try:
        rows, parts = await ports.rejections.of(run.subject), await ports.ledger.all_parts(run.subject)
    except NewerVersion:
        # Rows of a later version cannot be read. The states of the run are shown nevertheless.
        rows, parts = [], []
    entries = [
        *(TimelineEntry(at=step.at, kind="state", what=step.what, text=step.text) for step in run.history),
        *_imports(parts),
        *_rejections(rows),
        *_deeds(rows),
        *await _import_waits(ports, run),
        *await _closures(ports, run),
    ]
    return Timeline(invoice_id=str(run.subject), entries=sorted(entries, key=_turn))


def _turn(entry: TimelineEntry) -> datetime:
    """Actions of operators are known by the second only, so they are sorted after everything else of that second."""
    return entry.at.replace(microsecond=999_999) if entry.kind == "operator" else entry.at


def _imports(parts: Iterable[Part]) -> list[TimelineEntry]:
    """One entry per import. Parts that were never sent, because no rows were left, have none."""
    imports: dict[str, list[Part]] = {}
    for part in parts:
        if part.settled_at and part.execution_id:
            imports.setdefault(part.execution_id, []).append(part)
    return [_describe_import(name, members) for name, members in list(imports.items())[-_MOST_IMPORTS:]]


def _describe_import(execution_id: str, parts: list[Part]) -> TimelineEntry:
    return TimelineEntry(
        at=max(part.settled_at for part in parts if part.settled_at),
        kind="import",
        what="imported",
        map=str(parts[0].stage),
        text="",
        execution_id=execution_id,
        parts=len(parts),
        rows=sum(part.rows for part in parts),
        rejected=sum(part.rejected for part in parts),
        landed_at=min((part.landed_at for part in parts if part.landed_at), default=None),
        companies=sorted({part.company for part in parts}),
    )


def _rejections(rows: Iterable[RejectedRow]) -> list[TimelineEntry]:
    first: dict[str, list[RejectedRow]] = {}
    for row in rows:
        if row.first_seen:
            first.setdefault(row.group, []).append(row)
    return [
        TimelineEntry(
            at=min(row.first_seen for row in members if row.first_seen),
            kind="rejected",
            what="rows rejected",
            map=str(members[0].stage),
            text=members[0].text,
            rows=len(members),
        )
        for members in first.values()
    ]


def _deeds(rows: Iterable[RejectedRow]) -> list[TimelineEntry]:
    """The actions of operators on rejected rows. Only the last action per row is known."""
    deeds: dict[tuple[datetime, str, str, str], int] = {}
    for row in rows:
        if row.at and row.by:
            what = "rows dismissed" if row.status == "dismissed" else "rows sent again"
            deed = (row.at.replace(microsecond=0), what, row.by, row.reason if row.status == "dismissed" else "")
            deeds[deed] = deeds.get(deed, 0) + 1
    return [
        TimelineEntry(at=at, kind="operator", what=what, by=by, text=reason, rows=count)
        for (at, what, by, reason), count in deeds.items()
    ]


async def _import_waits(ports: Ports, run: Run) -> list[TimelineEntry]:
    """The imports that keep the run waiting now."""
    waits = [] if run.state.is_final else await waits_of_run(ports, run, stage_of(ports.job, run))
    return [
        TimelineEntry(
            at=wait.since,
            kind="wait",
            what=wait.what,
            service=finance.NAME,
            until=wait.until,
            times=wait.times,
            text=wait.describe(),
        )
        for wait in waits
    ]


async def _closures(ports: Ports, run: Run) -> list[TimelineEntry]:
    """The times when a service was closed to all workers during this run."""
    ended = run.updated_at if run.state.is_final else ports.now()
    closures = [(service, each) for service in SERVICES for each in await ports.gates.closures(service)]
    return [
        TimelineEntry(
            at=each.since,
            kind="wait",
            what=each.kind,
            service=service,
            until=each.until,
            times=each.times,
            text=each.reason,
        )
        for service, each in closures
        if each.until > run.accepted_at and each.since < ended
    ]

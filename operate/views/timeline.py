"""What happened to a run and when: its states, its imports, the waits of everybody, and what operators did about it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from operate.views.run import SERVICES
from shared.clock import stamp
from shared.engine.import_waits import waits_of_run
from shared.engine.lifecycle import stage_of
from shared.engine.ports import Ports
from shared.errors import NewerVersion
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Part, Run
from shared.services import finance

_MOST_IMPORTS = 200


async def timeline(ports: Ports, run: Run) -> dict[str, Any]:
    """The timeline as JSON, the earliest first. Each entry has `at`, `kind` and `text`, an import its rows too."""
    try:
        rows, parts = await ports.rejections.of(run.invoice_id), await ports.ledger.all_parts(run.invoice_id)
    except NewerVersion:
        rows, parts = [], []
    entries = [
        *({"at": stamp(step.at), "kind": "state", "what": step.what, "text": step.text} for step in run.history),
        *_imports(parts),
        *_rejections(rows),
        *_deeds(rows),
        *await _import_waits(ports, run),
        *await _closures(ports, run),
    ]
    return {"invoiceId": str(run.invoice_id), "entries": sorted(entries, key=lambda entry: str(entry["at"]))}


def _imports(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """One entry an import; what was never given to Finance, since nothing was left of it, is none."""
    imports: dict[str, list[Part]] = {}
    for part in parts:
        if part.settled_at and part.execution_id:
            imports.setdefault(part.execution_id, []).append(part)
    return [_describe_import(name, members) for name, members in list(imports.items())[-_MOST_IMPORTS:]]


def _describe_import(execution_id: str, parts: list[Part]) -> dict[str, Any]:
    return {
        "at": stamp(max(part.settled_at for part in parts if part.settled_at)),
        "kind": "import",
        "what": "imported",
        "map": str(parts[0].stage),
        "text": "",
        "executionId": execution_id,
        "parts": len(parts),
        "rows": sum(part.rows for part in parts),
        "rejected": sum(part.rejected for part in parts),
        "landedAt": _first(part.landed_at for part in parts),
        "companies": sorted({part.company for part in parts}),
    }


def _first(instants: Iterable[datetime | None]) -> str | None:
    known = [instant for instant in instants if instant]
    return stamp(min(known)) if known else None


def _rejections(rows: Iterable[RejectedRow]) -> list[dict[str, Any]]:
    first: dict[str, list[RejectedRow]] = {}
    for row in rows:
        if row.first_seen:
            first.setdefault(row.group, []).append(row)
    return [
        {
            "at": _first(row.first_seen for row in members),
            "kind": "rejected",
            "what": "rows rejected",
            "map": str(members[0].stage),
            "text": members[0].text,
            "rows": len(members),
        }
        for members in first.values()
    ]


def _deeds(rows: Iterable[RejectedRow]) -> list[dict[str, Any]]:
    """What operators did about rejected rows; only the last deed about a row is known."""
    deeds: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        if row.at and row.by:
            what = "rows dismissed" if row.status == "dismissed" else "rows sent again"
            deed = (stamp(row.at)[:19] + "Z", what, row.by, row.reason if row.status == "dismissed" else "")
            deeds[deed] = deeds.get(deed, 0) + 1
    return [
        {"at": at, "kind": "operator", "what": what, "by": by, "text": reason, "rows": count}
        for (at, what, by, reason), count in deeds.items()
    ]


async def _import_waits(ports: Ports, run: Run) -> list[dict[str, Any]]:
    """The imports that keep the run waiting now."""
    waits = [] if run.state.is_final else await waits_of_run(ports, run, stage_of(ports.job, run))
    return [
        {
            "at": stamp(wait.since),
            "kind": "wait",
            "what": wait.what,
            "service": finance.NAME,
            "until": stamp(wait.until) if wait.until else None,
            "times": wait.times,
            "text": wait.describe(),
        }
        for wait in waits
    ]


async def _closures(ports: Ports, run: Run) -> list[dict[str, Any]]:
    """When a service kept everybody waiting, while this run was under way."""
    ended = run.updated_at if run.state.is_final else ports.now()
    closures = [(service, each) for service in SERVICES for each in await ports.gates.closures(service)]
    return [
        {
            "at": stamp(each.since),
            "kind": "wait",
            "what": each.kind,
            "service": service,
            "until": stamp(each.until),
            "times": each.times,
            "text": each.reason,
        }
        for service, each in closures
        if each.until > run.accepted_at and each.since < ended
    ]

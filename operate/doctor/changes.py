"""What a run of all checks says against the one before: told in the log, for alerts, and kept for health.

doctor           each run of all checks: failed, warned, unknown, count, seconds
doctor changed   each verdict that changed: check, about, verdict, before
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from operate.doctor.check import Finding, Verdict
from operate.doctor.diagnoses import Diagnosis
from relay_contract.doctor import LastDiagnosis, VerdictCounts
from shared.clock import parse_stamp, stamp
from shared.engine.ports import Ports
from shared.log import event

NOTE = "doctor"
_NEVER = "not checked"
# A note is one property of a table row. More verdicts than this are counted and not compared.
_MOST_COMPARED = 300
_SEVERITIES = {Verdict.FAIL: logging.ERROR, Verdict.OK: logging.INFO}

type Found = Mapping[str, Sequence[Finding]]


async def compare(ports: Ports, run: Diagnosis, found: Found) -> None:
    """Log a run of all checks and what changed, and keep it as the last one. A run of some checks is not compared."""
    if run.only:
        return
    before = await ports.notes.read(NOTE) or {}
    for (name, about), verdict, was in changed(before, found):
        severity = _SEVERITIES.get(verdict, logging.WARNING)
        event("doctor changed", severity=severity, check=name, about=about or None, verdict=verdict, before=was)
    counts = count(each for findings in found.values() for each in findings)
    event(
        "doctor",
        severity=logging.WARNING if counts.fail else logging.INFO,
        failed=counts.fail,
        warned=counts.warn,
        unknown=counts.unknown,
        count=len(found),
        seconds=round(((run.ended or run.began) - run.began).total_seconds(), 1),
    )
    # Last: after a crash before it, the next run tells the changes once more.
    await ports.notes.write(NOTE, _note(run, found, counts))


def changed(before: Mapping[str, Any], found: Found) -> list[tuple[tuple[str, str], Verdict, str]]:
    """The verdicts that differ from those of a note: check and what it is about, the verdict, and the one before."""
    kept, made = before.get("verdicts", {}), before.get("checks", [])
    told = []
    for key, verdict in _verdicts(found).items():
        usual = Verdict.OK if _name(key) in made else _NEVER
        was = kept.get(key, usual)
        if was != verdict and not (was == _NEVER and verdict is Verdict.OK):
            told.append(((_name(key), key.partition("|")[2]), verdict, str(was)))
    # What a check no longer finds at all is well: a table that is gone, or a company that is no longer linked.
    gone = kept.keys() - _verdicts(found).keys()
    told += [
        ((_name(key), key.partition("|")[2]), Verdict.OK, str(kept[key])) for key in sorted(gone) if _name(key) in found
    ]
    return told


def _name(key: str) -> str:
    return key.partition("|")[0]


def _verdicts(found: Found) -> dict[str, Verdict]:
    """The verdict of each check and what it is about. Of several findings about the same, the worst."""
    worst: dict[str, Verdict] = {}
    for name, findings in found.items():
        for each in findings:
            key = f"{name}|{each.about}" if each.about else name
            worst[key] = max(worst.get(key, Verdict.OK), each.verdict, key=ORDER.index)
    return worst


ORDER = (Verdict.OK, Verdict.UNKNOWN, Verdict.WARN, Verdict.FAIL)
"""The verdicts, the worst last. An unknown alone is no fault."""


def count(findings: Iterable[Finding]) -> VerdictCounts:
    """How many findings have each verdict."""
    counted = Counter(str(each.verdict) for each in findings)
    return VerdictCounts(**{name: counted[name] for name in VerdictCounts.model_fields})


def _note(run: Diagnosis, found: Found, counts: VerdictCounts) -> dict[str, Any]:
    # All is well with a check that is not named here.
    verdicts = [(key, str(each)) for key, each in _verdicts(found).items() if each is not Verdict.OK]
    return {
        "id": run.job,
        "at": stamp(run.ended or run.began),
        "counts": counts.document(),
        "checks": list(found),
        "verdicts": dict(verdicts[:_MOST_COMPARED]),
    }


async def last(ports: Ports) -> LastDiagnosis | None:
    """The last run of all checks, in short, or None."""
    note = await ports.notes.read(NOTE)
    if note is None:
        return None
    counts = VerdictCounts.model_validate(note["counts"])
    return LastDiagnosis(id=note["id"], at=parse_stamp(note["at"]), worst=worst_of(counts).value, counts=counts)


def worst_of(counts: VerdictCounts) -> Verdict:
    """The worst verdict that was given."""
    return next((each for each in reversed(ORDER) if getattr(counts, each)), Verdict.OK)

"""Runs of the doctor, in the audit table.

job             which checks, for whom, and what was examined
check|<n>       how often the check with this number was begun, and its findings
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import batched
from typing import Any, Literal

from operate.doctor.check import Finding, Verdict
from operate.reconcile.jobs import HEAD, PORTION, Jobs
from relay_contract.doctor import Place
from shared.clock import parse_stamp, stamp
from shared.tables.rows import find_row
from shared.tables.transactions import guarded, transact

type State = Literal["running", "done", "failed"]
# One row of a table holds at most a mebibyte, and one property 64 KiB.
_MOST_PORTIONS = 12
_FINDINGS = "findings0"


@dataclass(frozen=True)
class Diagnosis:
    """A run: the `checks` to be made, and why it failed as a whole, if it did. `only` is what was asked for."""

    job: str
    by: str
    began: datetime
    only: tuple[str, ...]
    checks: tuple[str, ...]
    place: Place
    state: State = "running"
    detail: str = ""
    ended: datetime | None = None
    etag: str = ""


class Diagnoses(Jobs):
    """The runs of the doctor and their findings."""

    kind = "diagnosis"

    async def open(self, diagnosis: Diagnosis) -> None:
        """Record a new run."""
        await self._table.create_entity(self._head_row(diagnosis))

    async def read(self, job: str) -> Diagnosis | None:
        """A run by its name, or None."""
        row = await self._head(job)
        return _diagnosis(job, row) if row else None

    async def begin(self, job: str, number: int) -> int:
        """Record that a check is begun. Returns how often it was begun before without an end: each time its worker
        died, perhaps because of the check."""
        key = f"check|{number:04}"
        row = await find_row(self._table, f"{self.kind}|{job}", key)
        before = row["begun"] if row else 0
        await self._table.upsert_entity(self._row(job, key, {"begun": before + 1}))
        return int(before)

    async def put(self, job: str, number: int, findings: Sequence[Finding]) -> None:
        """Store the findings of a check. A message that is delivered twice makes the check twice, and the later
        findings stand."""
        await self._table.upsert_entity(self._row(job, f"check|{number:04}", _portions(findings)))

    async def findings(self, job: str) -> dict[int, list[Finding]]:
        """The findings so far, by the number of their check."""
        rows = await super()._findings(job)
        return {int(row["RowKey"].partition("|")[2]): _findings(row) for row in rows if _FINDINGS in row}

    async def end(self, diagnosis: Diagnosis, state: State, detail: str = "") -> Diagnosis:
        """Record that a run is over. Raises LeaseLost if it was ended by another worker."""
        ended = replace(diagnosis, state=state, detail=detail[:PORTION], ended=self._now())
        await transact(self._table, [guarded(self._head_row(ended), diagnosis.etag)])
        return ended

    def _head_row(self, run: Diagnosis) -> dict[str, Any]:
        columns = {
            "by": run.by,
            "at": stamp(run.began),
            "only": json.dumps(run.only),
            "checks": json.dumps(run.checks),
            "place": run.place.model_dump_json(by_alias=True),
            "state": run.state,
            "detail": run.detail,
            "ended": stamp(run.ended) if run.ended else "",
        }
        return self._row(run.job, HEAD, columns)


def _diagnosis(job: str, row: Any) -> Diagnosis:
    return Diagnosis(
        job,
        by=row["by"],
        began=parse_stamp(row["at"]),
        only=tuple(json.loads(row["only"])),
        checks=tuple(json.loads(row["checks"])),
        place=Place.model_validate_json(row["place"]),
        state=row["state"],
        detail=row["detail"],
        ended=parse_stamp(row["ended"]) if row["ended"] else None,
        etag=row.metadata["etag"],
    )


def _portions(findings: Sequence[Finding]) -> dict[str, str]:
    """The findings as several properties. Findings that do not fit are counted."""
    shown = len(findings)
    while len(text := _text(findings, shown)) > PORTION * _MOST_PORTIONS and shown:
        shown //= 2
    return {f"findings{number}": "".join(each) for number, each in enumerate(batched(text, PORTION, strict=False))}


def _text(findings: Sequence[Finding], shown: int) -> str:
    kept = (
        sorted(findings, key=lambda finding: finding.verdict is Verdict.OK)[:shown]
        if shown < len(findings)
        else findings
    )
    told = [asdict(finding) for finding in kept]
    if left := len(findings) - len(kept):
        told += [asdict(Finding(Verdict.UNKNOWN, f"{left} more findings do not fit here", "all findings"))]
    return json.dumps(told)


def _findings(row: Any) -> list[Finding]:
    count = sum(name.startswith("findings") for name in row)
    text = "".join(row[f"findings{number}"] for number in range(count))
    return [Finding(**{**each, "verdict": Verdict(each["verdict"])}) for each in json.loads(text)]

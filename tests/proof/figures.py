"""What the long forms measured, a JSON line for each part; `make prove` makes docs/reliability.md's table of them."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from tests.proof.findings import Findings

RESULTS = "PROOF_RESULTS"
"""The environment variable with the file's name. Without it nothing is recorded."""


def record(
    part: str,
    *,
    tried: int,
    what: str,
    findings: Sequence[Findings] = (),
    unfinished: int = 0,
    recovery: Sequence[float] = (),
    seed: int | str | None = None,
    note: str = "",
    **figures: float | str,
) -> None:
    """Keep the figures of one part, a row of the table; `note` and further `figures` go into a line below it.

    `tried` counts what was tried, in the unit that `what` names ("kills", "faults", "steps"). `findings` are the
    checker's, of every state at rest that was checked; `unfinished` counts runs without a final state, `recovery`
    holds seconds from a fault to the final state.
    """
    line = {
        "part": part,
        "tried": tried,
        "what": what,
        "checked": len(findings),
        "rows": sum(each.rows for each in findings),
        "lost": sum(len(each.lost) for each in findings),
        "doubled": sum(len(each.doubled) for each in findings),
        "wrong": sum(map(_wrong, findings)),
        "outOfOrder": sum(len(each.out_of_order) for each in findings),
        "money": str(sum((abs(each) for found in findings for each in found.money.values()), Decimal("0.00"))),
        "unfinished": unfinished,
        "recovery": _spread(recovery),
        "seed": seed,
        "note": note,
        "figures": figures,
    }
    if file := os.environ.get(RESULTS):
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")


def tell(line: str) -> None:
    """Write the progress of a long part into a file next to the figures."""
    if file := os.environ.get(RESULTS):
        with progress_of(Path(file)).open("a", encoding="utf-8") as lines:
            lines.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")


def progress_of(results: Path) -> Path:
    """The file of progress of a run."""
    return results.with_suffix(".log")


def read(file: Path) -> list[dict[str, Any]]:
    """The recorded parts; of one that was recorded more than once the last."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return list({line["part"]: line for line in lines}.values())


def _wrong(found: Findings) -> int:
    return len([*found.misplaced, *found.changed, *found.strangers, *found.not_written_back])


def _spread(seconds: Sequence[float]) -> dict[str, float] | None:
    return {"median": round(median(seconds), 1), "most": round(max(seconds), 1)} if seconds else None

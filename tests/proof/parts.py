"""The parts of `make prove`: each runs by itself, keeps what it measured, and is not run again on the same commit.

In `.local/proof/`: `<part>.jsonl` holds the figures of a part, `<part>.log` its progress, and `<part>.json` the session
in which it ran: on which commit, with which seed, for how long, and whether it passed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.proof.figures import read

CRASH_SHARES = 3
_CRASHES = "tests/proof/test_crashes.py::test_a_host_killed_at_every_effect_before_and_after_once_and_twice"
PARTS: Mapping[str, str] = {
    **{f"crashes-{share + 1}": f"{_CRASHES}[{share}]" for share in range(CRASH_SHARES)},
    "machine": "tests/proof/test_machine.py",
    "competition": "tests/proof/test_competition.py",
    "ambiguity": "tests/proof/test_ambiguity.py",
    "finance": "tests/proof/test_finance_faults.py",
    "storage": "tests/proof/test_storage_faults.py",
    "dataverse": "tests/proof/test_dataverse_faults.py",
    "throttling": "tests/proof/test_throttling.py",
    "leases": "tests/proof/test_storage_faults_messages.py",
}
"""What pytest runs of each part; the longest first."""


@dataclass(frozen=True)
class Session:
    """One run of one part. `commit` ends in `+` where files were changed since."""

    part: str
    commit: str
    day: str
    seed: int
    minutes: int
    passed: bool


class Kept:
    """What is kept of the parts in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, part: str) -> Path:
        """Forget what the part measured before; return the file for its figures."""
        figures = self._folder / f"{part}.jsonl"
        (self._folder / f"{part}.json").unlink(missing_ok=True)
        figures.write_text("", encoding="utf-8")
        return figures

    def end(self, session: Session) -> None:
        """Keep how a run of a part ended."""
        (self._folder / f"{session.part}.json").write_text(json.dumps(asdict(session)), encoding="utf-8")

    def session(self, part: str) -> Session | None:
        """The last run of a part that finished."""
        file = self._folder / f"{part}.json"
        return Session(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None

    def sessions(self) -> list[Session]:
        """The last runs of all parts that ran."""
        return [session for part in PARTS if (session := self.session(part))]

    def figures(self) -> list[dict[str, Any]]:
        """What the parts measured, part after part."""
        return [line for session in self.sessions() for line in read(self._folder / f"{session.part}.jsonl")]

    def left(self, commit: str) -> list[str]:
        """The parts that have not passed on this commit; on changed files no part has."""
        passed = {each.part for each in self.sessions() if each.passed and each.commit == commit}
        return list(PARTS) if commit.endswith("+") else [part for part in PARTS if part not in passed]

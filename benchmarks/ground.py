"""What is measured at which size, and the workloads kept ready for it."""

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import say
from benchmarks.workload import Prepared, Workload, copy_reading, prepare
from simulators.processes import PROJECT

_KEPT = PROJECT / ".local" / "benchmarks"
_MAKING = ("simulators/**/*.py", "simulators/**/*.json", "shared/maps/*.json")
"""What decides which invoices are made, and what the services hold of them."""
_READING = ("shared/**/*.py", "sync_actuals/*.py", "benchmarks/reading.py")
"""What decides how they are read, and so what the ceiling replays."""


@dataclass(frozen=True)
class Sizes:
    """Rounds, invoices and lines. `few_rounds` are for what is slow or only shown beside the rest."""

    rounds: int
    few_rounds: int
    small: int
    thousand: int
    middle: int
    large: int
    huge: int
    together: tuple[int, int]
    one_by_one: tuple[int, int]
    script: tuple[int, int]
    webhooks: int


FULL = Sizes(5, 2, 50, 1_000, 10_000, 100_000, 250_000, (250, 200), (200, 400), (2, 4), 500)
QUICK = Sizes(2, 1, 20, 500, 1_000, 4_000, 8_000, (12, 50), (30, 60), (1, 2), 300)


@dataclass
class Ground:
    """Where the benchmark runs: the sizes, a folder for the rounds, and the workloads made so far."""

    sizes: Sizes
    folder: Path
    _ready: dict[Workload, Prepared] = field(default_factory=dict)

    def workload(self, invoices: int, lines: int) -> Prepared:
        """A workload, made now or kept from an earlier run of the same simulators and maps."""
        workload = Workload(invoices, lines)
        if workload not in self._ready:
            self._ready[workload] = _kept(workload)
        return self._ready[workload]


def _kept(workload: Workload) -> Prepared:
    folder = _KEPT / _version(_MAKING)
    for old in _KEPT.glob("*"):
        if old != folder:
            shutil.rmtree(old)
    kept = Prepared(workload, folder / workload.name, _version(_READING))
    if not kept.is_whole:
        say(f"making {workload.invoices} confirmed invoice(s) of {workload.lines} lines ...")
        shutil.rmtree(kept.folder, ignore_errors=True)
        prepare(kept)
    if not kept.copy.exists():
        copy_reading(kept)
    return kept


def _version(patterns: tuple[str, ...]) -> str:
    """Changes with every file that one of the patterns names."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for file in sorted(PROJECT.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]

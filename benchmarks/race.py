"""One round of one contestant: start everything, wait until all are ready, start the clock, check what was stored."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.relaying import carry
from benchmarks.stored import count_imports, find_wrong
from benchmarks.usage import Usage
from benchmarks.workload import Prepared, Round, fresh
from simulators.processes import PROJECT

_PATIENCE_SECONDS = 1800


class RoundFailed(Exception):
    """A contestant that did not finish, or left something wrong behind."""


@dataclass(frozen=True)
class Result:
    """What one round came to. `cpu` are CPU seconds by process, `facts` what else was measured."""

    seconds: float
    imports: int
    cpu: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def race(name: str, prepared: Prepared, folder: Path, *, delays: bool = True, check: bool = True) -> Result:
    """Run one contestant of `benchmarks.contestants` once on a fresh copy. Raises RoundFailed. `check`: it writes rows,
    which are checked."""
    with fresh(prepared, folder, delays=delays) as ground:
        usage = Usage(ground.stack)
        seconds, cpu = _compete(name, ground)
        return Result(seconds, *_checked(ground) if check else (0,), usage.spent() | {name: cpu})


def race_relay(prepared: Prepared, folder: Path, *, hosts: int = 1, delays: bool = True, **settings: str) -> Result:
    """Run the whole app once on a fresh copy. Raises RoundFailed."""
    with fresh(prepared, folder, hosts=hosts, delays=delays, **settings) as ground:
        usage = Usage(ground.stack)
        seconds = carry(ground, _PATIENCE_SECONDS)
        return Result(seconds, *_checked(ground), usage.spent(), usage.facts())


def _compete(name: str, ground: Round) -> tuple[float, float]:
    command = [sys.executable, "-m", f"benchmarks.contestants.{name}"]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(ground.job) + "\n")
        process.stdin.flush()
        _expect(process.stdout.readline(), name)
        process.stdin.write("go\n")
        process.stdin.flush()
        done = _expect(process.stdout.readline(), name)
    return float(done["seconds"]), float(done["cpu"])


def _expect(line: str, name: str) -> dict[str, Any]:
    if not line:
        raise RoundFailed(f"{name} ended early")
    return dict(json.loads(line))


def _checked(ground: Round) -> tuple[int]:
    wrong = find_wrong(ground.folder / "dataverse", ground.folder / "finance")
    if wrong:
        raise RoundFailed(", ".join(f"{count} {what}" for what, count in wrong.items()))
    return (count_imports(ground.folder / "finance"),)

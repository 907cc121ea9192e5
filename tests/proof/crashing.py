"""`python -m tests.proof.crashing`: devhost in a process that dies at a chosen effect, and is started again.

Takes devhost's arguments. CRASH_CONTROL names a directory of the test's:

    plan.json      {"plan": id, "record": bool, "targets": [{"effect": name, "when": "before" | "after", "kills": n}]}
    kills.jsonl    a line for each death, written right before SIGKILL
    effects.jsonl  a line for each effect, while the plan says that they are to be recorded

A target kills when its effect comes for the first time in a life, as often as it says. The plan is looked at anew at
every effect. A host that has died is started again at once, as the platform does; it is
forked from a process that has everything imported, so a new life begins within a fraction of a second.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import shared.wiring  # noqa: F401 - imported once, for all lives
from devhost.__main__ import main
from tests.proof.effects import install

CONTROL = "CRASH_CONTROL"


class Executioner:
    """Counts the effects of this process and ends it when the plan says so."""

    def __init__(self, control: Path) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._plan: dict[str, Any] = {}
        self._seen: set[tuple[str, str]] = set()

    def around(self, when: str, effect: str) -> None:
        """Record the effect, or crash at it."""
        with self._lock:
            self._look_at_plan()
            is_first = (when, effect) not in self._seen
            self._seen.add((when, effect))
            if self._plan.get("record"):
                self._note("effects.jsonl", {"when": when, "effect": effect})
            if is_first and self._is_due(when, effect):
                death = {"plan": self._plan["plan"], "effect": effect, "when": when, "at": time.time()}
                self._note("kills.jsonl", death)
                os.kill(os.getpid(), signal.SIGKILL)

    def _look_at_plan(self) -> None:
        plan = json.loads((self._control / "plan.json").read_text())
        if plan["plan"] != self._plan.get("plan"):
            self._seen.clear()
        self._plan = plan

    def _is_due(self, when: str, effect: str) -> bool:
        kills = {(each["effect"], each["when"]): int(each["kills"]) for each in self._plan.get("targets", [])}
        if (effect, when) not in kills:
            return False
        past = deaths(self._control, self._plan["plan"])
        return sum((each["effect"], each["when"]) == (effect, when) for each in past) < kills[effect, when]

    def _note(self, name: str, line: dict[str, Any]) -> None:
        with (self._control / name).open("a") as file:
            file.write(json.dumps(line) + "\n")


def deaths(control: Path, plan: str) -> list[dict[str, Any]]:
    """The deaths that a plan has led to so far."""
    file = control / "kills.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if line["plan"] == plan]


def supervise() -> int:
    """Start the host, and restart it whenever it was killed. Ends when the host ends by itself, or on SIGTERM."""
    alive, standing = os.pipe()
    while True:
        child = os.fork()
        if child == 0:
            os.close(standing)
            _live(alive)
        signal.signal(signal.SIGTERM, lambda *_, pid=child: os.kill(pid, signal.SIGTERM))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            return os.waitstatus_to_exitcode(status)


def _live(alive: int) -> None:
    """One life of the host. It ends with the supervisor, which holds the other end of the pipe."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=lambda: (os.read(alive, 1), os._exit(1)), daemon=True).start()
    install(Executioner(Path(os.environ[CONTROL])).around)
    code = main()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(supervise())

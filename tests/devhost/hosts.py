"""Starting the real `python -m devhost` on a sample app, and watching what it does."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.processes import Server

APPS = Path(__file__).parent / "apps"
KEYS = {
    "masterKey": "master",
    "functionKeys": {"default": "any-function"},
    "functions": {"guarded": {"default": "only-guarded"}, "echo": {"default": "only-echo"}},
}


def make_host(
    app: str, run_dir: Path, settings: Mapping[str, str], *flags: str, host_json: Mapping[str, Any] | None = None
) -> Server:
    """A host of a sample app that is not started yet; its settings and keys files lie in the run directory.

    With another host.json than its own the app is run from a copy there.
    """
    root = APPS / app
    if host_json is not None:
        root = Path(shutil.copytree(root, run_dir / "app"))
        (root / "host.json").write_text(json.dumps(host_json))
    (run_dir / "settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": dict(settings)}))
    (run_dir / "keys.json").write_text(json.dumps(KEYS))
    files = ["--settings", str(run_dir / "settings.json"), "--keys", str(run_dir / "keys.json")]
    return Server("devhost", "devhost", ["--root", str(root), *files, "--port", "0", *flags], run_dir=run_dir)


@dataclass(frozen=True)
class Record:
    """What the functions of a sample app noted, one JSON object a line."""

    path: Path

    def events(self, **wanted: object) -> list[dict[str, Any]]:
        """The events that have these values."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [event for event in map(json.loads, lines) if wanted.items() <= event.items()]


async def until[T](condition: Callable[[], T], *, within: float = 15) -> T:
    """Wait for a condition to hold and return it; fail when it does not in time."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, "the awaited condition did not come true"
        await asyncio.sleep(0.02)
    return found

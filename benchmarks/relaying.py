"""(f) Ours: the whole pipeline, from the webhooks to the last run completed, on one host or more, with Azurite."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.workload import Round
from simulators.processes import PROJECT

_LOOK_EVERY_SECONDS = 0.02
_ENDED = '{"event": "run ended"'


class NotCarried(Exception):
    """Runs that did not end, or did not end well."""


def carry(ground: Round, patience: float) -> float:
    """Confirm all invoices of the round to the app, one host in turn with the next, and return how many seconds pass
    until the last run is completed. Raises NotCarried.

    The app is asked nothing meanwhile: what it logs tells when a run is over.
    """
    logs = [_Log(host.log) for host in ground.stack.hosts]
    waiting = set(ground.job["invoices"])
    with _webhooks(ground) as sender:
        began = time.monotonic()
        _go(sender)
        while waiting:
            for ended in (fact for log in logs for fact in log.ended()):
                if ended["state"] != "completed":
                    run = ground.tenant.run(ended["subject"]) or {}
                    raise NotCarried(f"run {ended['state']}: {run.get('detail')}")
                waiting.discard(ended["subject"])
            if time.monotonic() > began + patience:
                raise NotCarried(f"{len(waiting)} runs did not end in {patience:.0f} s")
            time.sleep(_LOOK_EVERY_SECONDS)
        return time.monotonic() - began


def _webhooks(ground: Round) -> subprocess.Popen[str]:
    """The process that plays Dataverse's webhook service."""
    command = [sys.executable, "-m", "benchmarks.webhooks"]
    sender = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    organization = ground.stack.services["dataverse"].facts["organizationId"]
    job = {
        "urls": [f"{url}/api/invoices/confirmations" for url in ground.stack.host_urls],
        "key": ground.stack.webhook_key,
        "organization": organization,
        "invoices": ground.job["invoices"],
    }
    assert sender.stdin
    assert sender.stdout
    sender.stdin.write(json.dumps(job) + "\n")
    sender.stdin.flush()
    sender.stdout.readline()
    return sender


def _go(sender: subprocess.Popen[str]) -> None:
    assert sender.stdin
    sender.stdin.write("go\n")
    sender.stdin.flush()


class _Log:
    """Reads what a host adds to its log."""

    def __init__(self, path: Path) -> None:
        self._file = path.open(encoding="utf-8", errors="replace")
        self._file.seek(0, 2)
        self._rest = ""

    def ended(self) -> Iterator[dict[str, str]]:
        """The runs that have ended since the last look."""
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        for line in lines:
            place = line.find(_ENDED)
            if place >= 0:
                yield json.loads(line[place:])

"""What a round has used: CPU and memory of the processes, and the requests to storage."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from simulators.stack import Stack

_TICKS = os.sysconf("SC_CLK_TCK")
_REQUEST = re.compile(r'"(?P<method>[A-Z]+) /(?P<account>\w+)/(?P<path>[^ ?]*)')
_APP = "devstoreaccount1"
_MESSAGE_START = b"eyJ2Ijox"
"""How every message of ours begins, in base64: {"v":1"""


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_memory_mib(pid: int) -> float:
    """The most memory that a process has had, in MiB (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Usage:
    """What has been used since this was made."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._pids = {"azurite": stack.azurite.pid} | {
            server.name: server.pid for server in [*stack.services.values(), *stack.hosts]
        }
        self._before = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        self._logged = stack.azurite.log.stat().st_size

    def spent(self) -> dict[str, float]:
        """CPU seconds by process."""
        return {name: round(cpu_seconds(pid) - self._before[name], 2) for name, pid in self._pids.items()}

    def facts(self) -> dict[str, Any]:
        """The hosts' peak memory, the app's storage operations by kind, and the largest message."""
        memory = [round(peak_memory_mib(host.pid)) for host in self._stack.hosts]
        return {"memory": memory, "storage": dict(self._operations()), "message": self._largest_message()}

    def _operations(self) -> Counter[str]:
        """Requests to the app's storage account. Fetches by the host's listeners count once for each message that they
        brought (which is then deleted): how often a listener finds nothing depends on the time, not on the work."""
        with self._stack.azurite.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._logged)
            kinds = (_kind(match) for line in log if (match := _REQUEST.search(line)))
            return Counter(kind for each in kinds for kind in each)

    def _largest_message(self) -> int:
        """Bytes of the largest message that was on a queue, as it stands there."""
        store = self._stack.run_dir / "azurite" / "__queuestorage__"
        pieces = [piece for file in store.glob("*") if file.is_file() for piece in _split(file.read_bytes())]
        return max(map(len, pieces), default=0)


def _kind(match: re.Match[str]) -> list[str]:
    method, path = match["method"], match["path"]
    if match["account"] != _APP:
        return []
    if "/messages" in path:
        return {"POST": ["send"], "DELETE": ["receive", "delete"], "PUT": ["renew"]}.get(method, [])
    if path.startswith("landed"):
        return [f"blob {method.lower()}"]
    if path == "$batch":
        return ["table transaction"]
    return [f"{path.partition('(')[0]} {method.lower()}"]


def _split(content: bytes) -> list[bytes]:
    return [_MESSAGE_START + piece for piece in content.split(_MESSAGE_START)[1:]]

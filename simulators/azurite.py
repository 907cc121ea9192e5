"""Azurite, Microsoft's emulator of Azure Storage: blobs, queues and tables of two accounts, on disk."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from simulators.processes import PROJECT, Child, StartFailed, await_ports, find_free_ports

SCRIPT = PROJECT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_LEAN = PROJECT / "simulators" / "azurite_lean.cjs"
SERVICES = ("blob", "queue", "table")
ATTEMPTS = 5

APP_ACCOUNT = "devstoreaccount1"
FINANCE_ACCOUNT = "financedmf"

# The first key is public: every Azurite and every storage SDK uses it. The second is our own, used on loopback only.
ACCOUNT_KEYS = {
    APP_ACCOUNT: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    FINANCE_ACCOUNT: "c2ltdWxhdGVkIGZpbmFuY2UgcGFja2FnZSBzdG9yYWdlLCBsb29wYmFjayBvbmx5LCBub3QgYSBzZWNyZXQhISEh",
}


class Azurite:
    """One Azurite process that keeps its ports and its data over restarts.

    With `log_requests` its log holds a line for every request, as `simulators.wire` reads them.
    """

    def __init__(self, run_dir: Path, *, log_requests: bool = False) -> None:
        self._run_dir = run_dir
        self._log_requests = log_requests
        self._choose_ports()

    @property
    def ports(self) -> Sequence[int]:
        """Of blobs, queues and tables."""
        return self._ports

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.running

    @property
    def log(self) -> Path:
        """What the process prints."""
        return self._child.log

    def start(self) -> None:
        """Start the process and return at once."""
        self._child.start()

    def await_ready(self) -> None:
        """Wait until all three services accept connections.

        A port that was free when it was chosen can be taken before Azurite binds it. Then other ports are tried.
        """
        for attempt in range(ATTEMPTS):
            try:
                self._child.await_ready()
            except StartFailed:
                if "EADDRINUSE" not in self._child.tail() or attempt + 1 == ATTEMPTS:
                    raise
                self._choose_ports()
                self._child.start()
            else:
                return

    def stop(self) -> None:
        """Stop the process; data and ports are kept for the next start."""
        self._child.stop()

    def kill(self) -> None:
        """End the process like a crash. Azurite saves every few seconds, so newer data may be lost."""
        self._child.kill()

    def restart(self) -> None:
        """Stop, start and wait: the same ports, the same data."""
        self.stop()
        self._child.start()
        self._child.await_ready()

    def connection_string(self, account: str = APP_ACCOUNT) -> str:
        """The connection string of an account (APP_ACCOUNT or FINANCE_ACCOUNT)."""
        endpoints = "".join(
            f"{service.capitalize()}Endpoint=http://127.0.0.1:{port}/{account};"
            for service, port in zip(SERVICES, self._ports, strict=True)
        )
        return f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={ACCOUNT_KEYS[account]};{endpoints}"

    def _choose_ports(self) -> None:
        self._ports = find_free_ports(len(SERVICES))
        self._child = Child(
            "azurite",
            _command(self._ports, self._run_dir / "azurite", silent=not self._log_requests),
            run_dir=self._run_dir,
            ready=lambda: await_ports(self._ports),
            env={"AZURITE_ACCOUNTS": ";".join(f"{name}:{key}" for name, key in ACCOUNT_KEYS.items())},
        )


def _command(ports: list[int], location: Path, *, silent: bool) -> list[str]:
    node = shutil.which("node")
    if node is None or not SCRIPT.exists():
        raise StartFailed("Azurite is not installed: it needs node and `npm ci`")
    # The storage SDK is ahead of Azurite: without --skipApiVersionCheck every request is a 400 InvalidHeaderValue.
    command = [
        node,
        "--require",
        str(_LEAN),
        str(SCRIPT),
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--location",
        str(location),
        *(["--silent"] if silent else []),
    ]
    for service, port in zip(SERVICES, ports, strict=True):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    return command

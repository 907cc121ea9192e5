"""Child processes on this machine: start, wait until ready, stop or kill, with a log file each."""

import atexit
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from simulators.warm_starts import WarmStarts

PROJECT = Path(__file__).resolve().parent.parent
STOP_GRACE_SECONDS = 10.0
READY_SECONDS = 60.0
TAIL_CHARACTERS = 4000

_SURROUNDINGS = dict(os.environ)
"""The environment at the start of this program. Variables that are set later are not passed to child processes."""

_running: set["Child"] = set()
_given_out: dict[int, socket.socket] = {}
"""The ports that this program has found, each with the UDP socket that keeps it from other programs."""


class StartFailed(Exception):
    """A child process ended, or stayed silent, before it was ready; the text ends with the tail of its log."""


class Process(Protocol):
    """The part of subprocess.Popen that a Child uses."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...


class Child:
    """One child process. It can be started again after it was stopped or killed.

    `ready` returns what the process reports once it serves, and None before. Output is appended to
    `<run_dir>/<name>.log`. A child that still runs when Python exits is killed then.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        run_dir: Path,
        ready: Callable[[], dict[str, Any] | None],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.env = dict(env or {})
        self.log = run_dir / f"{name}.log"
        self.facts: dict[str, Any] = {}
        self._ready = ready
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError when the child was never started."""
        return self._started().pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and return at once; `await_ready` waits for it, so that several can start in parallel."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = self._launch({**_SURROUNDINGS, **self.env})
        _running.add(self)

    def await_ready(self, timeout: float = READY_SECONDS) -> dict[str, Any]:
        """Return what the process says of itself once it serves; StartFailed when it ends or takes too long."""
        process, deadline = self._started(), time.monotonic() + timeout
        while (facts := self._ready()) is None:
            if process.poll() is not None:
                raise StartFailed(f"{self.name} ended with {process.returncode} before it was ready\n{self.tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise StartFailed(f"{self.name} was not ready after {timeout} s\n{self.tail()}")
            time.sleep(0.02)
        self.facts = facts
        return facts

    def request_stop(self) -> None:
        """Send SIGTERM and return at once; `stop` waits for it, so that several can end in parallel."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, grace: float = STOP_GRACE_SECONDS) -> int | None:
        """End the process with SIGTERM, after `grace` seconds with SIGKILL.

        Return its exit code, None when it was never started.
        """
        return self._end(signal.SIGTERM, grace)

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash or a power cut would."""
        self._end(signal.SIGKILL, STOP_GRACE_SECONDS)

    def tail(self) -> str:
        """The end of the log, for messages to a person."""
        if not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARACTERS:]

    def _launch(self, env: Mapping[str, str]) -> Process:
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the command is written by the caller, not by a user
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=PROJECT, env=env
            )

    def _end(self, how: signal.Signals, grace: float) -> int | None:
        if self._process is None:
            return None
        if how is signal.SIGTERM:
            self.request_stop()
        else:
            self._process.send_signal(how)
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_GRACE_SECONDS)
        _running.discard(self)
        return self._process.returncode

    def _started(self) -> Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process


class Server(Child):
    """One of our own servers: `python -m MODULE --ready-file F ARGS`, ready when it has written its ready file.

    With `warm_starts` it is forked from a process that has imported its libraries already."""

    warm_starts: ClassVar[WarmStarts | None] = None

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str] = (),
        *,
        run_dir: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.ready_file = run_dir / f"{name}.ready.json"
        command = [sys.executable, "-m", module, "--ready-file", str(self.ready_file), *arguments]
        super().__init__(name, command, run_dir=run_dir, ready=self._read_ready_file, env=env)

    @property
    def url(self) -> str:
        """The address it serves on; known once it was ready."""
        return str(self.facts["url"])

    def start(self) -> None:
        """Start the process; a ready file of an earlier life is removed first."""
        self.ready_file.unlink(missing_ok=True)
        super().start()

    def _launch(self, env: Mapping[str, str]) -> Process:
        # Python reads its own variables when it starts, which a fork does not.
        if self.warm_starts is None or any(name.startswith("PYTHON") for name in self.env):
            return super()._launch(env)
        _, _, module, *arguments = self.command
        return self.warm_starts.launch(module, arguments, log=self.log, env=env)

    def _read_ready_file(self) -> dict[str, Any] | None:
        try:
            facts: dict[str, Any] = json.loads(self.ready_file.read_bytes())
        except FileNotFoundError:
            return None
        return facts


def write_ready_file(path: Path, facts: Mapping[str, Any]) -> None:
    """Write the ready file of this process atomically, so that no reader sees a part of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), **facts}))
    draft.replace(path)


def find_free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that are free, for a process that must keep them over restarts.

    They lie below the range from which systems take ports for outgoing connections. Otherwise a client that keeps
    calling a stopped server could be given the server's own port, and the server could not restart. No port is found
    twice, by whichever program, until it is given back: while its server is dead, it looks free.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(20000, 32000)  # noqa: S311 - a port number, not a secret
        if not _listens(port) and _reserve(port):
            ports.append(port)
    return ports


def give_back(ports: Iterable[int]) -> None:
    """Let these ports be found again: their servers do not start any more."""
    for port in ports:
        if reserved := _given_out.pop(port, None):
            reserved.close()


def _reserve(port: int) -> bool:
    """Keep a TCP port by binding the UDP port of the same number, which the system takes back when this program ends,
    however it ends."""
    if port in _given_out:
        return False
    reserved = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        reserved.bind(("127.0.0.1", port))
    except OSError:
        reserved.close()
        return False
    _given_out[port] = reserved
    return True


def await_ports(ports: Sequence[int]) -> dict[str, Any] | None:
    """Facts for `Child.ready` of a server that says nothing: an empty dict once every port accepts a connection."""
    return {} if all(_listens(port) for port in ports) else None


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@atexit.register
def _kill_leftovers() -> None:
    for child in list(_running):
        child.kill()

"""Starts our servers as forks of a process that has imported their libraries, which is two thirds of a cold start.

Each is a process of its own all the same: it has its own memory, runs its module from the start and can be killed. Our
own modules are never imported before the fork.

    python -m simulators.warm_starts FD    answers the requests that come over a socket, a line of JSON each
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

LIBRARIES = (
    "aiohttp.web",
    "azure.data.tables.aio",
    "azure.functions",
    "azure.storage.blob.aio",
    "azure.storage.queue.aio",
    "cryptography.x509",
    "msal",
    "orjson",
    "pydantic",
    "requests",
    "trustme",
    "zoneinfo",
)


class WarmStarts:
    """The process that is forked, started with the first server. It ends with this one, and its forks with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._line: TextIO | None = None

    def launch(self, module: str, arguments: Sequence[str], *, log: Path, env: Mapping[str, str]) -> "Fork":
        """Run `python -m module arguments` in this environment, with its output at the end of `log`."""
        request = {"run": module, "arguments": list(arguments), "log": str(log), "env": dict(env)}
        return Fork(self, int(self.ask(request)))

    def ask(self, request: Mapping[str, Any]) -> Any:
        """The answer to one request."""
        with self._lock:
            if self._line is None:
                self._line = self._start()
            self._line.write(json.dumps(request) + "\n")
            self._line.flush()
            return json.loads(self._line.readline())

    def _start(self) -> TextIO:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        with theirs:
            subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=self._folder)  # noqa: S603 - our own module
        with ours:
            return ours.makefile("rw")


class Fork:
    """A forked server, with the part of subprocess.Popen that its owner uses."""

    def __init__(self, starts: WarmStarts, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._starts = starts
        # Its id is not given to another process before it is asked for its end, and only this object asks.
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        return self._ended_within(0)

    def wait(self, timeout: float) -> int:
        """How it ended. Raises subprocess.TimeoutExpired if it still runs after so many seconds."""
        ended = self._ended_within(timeout)
        if ended is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return ended

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float) -> int | None:
        if self.returncode is None and select.select([self._handle], [], [], seconds)[0]:
            self.returncode = int(self._starts.ask({"end": self.pid}))
            os.close(self._handle)
        return self.returncode


def main() -> None:
    """Fork a server for each request. Returns in every fork, and does not return in the process that is forked."""
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.collect()
    # A collection in a fork would otherwise write to, and so copy, every page of what was imported.
    gc.freeze()
    forks: set[int] = set()
    line = socket.socket(fileno=int(sys.argv[1])).makefile("rw")
    while text := line.readline():
        request = json.loads(text)
        if "end" in request:
            forks.discard(request["end"])
            answer = os.waitstatus_to_exitcode(os.waitpid(request["end"], 0)[1])
        elif answer := os.fork():
            forks.add(answer)
        else:
            line.close()
            _become(request)
            return
        line.write(f"{answer}\n")
        line.flush()
    for pid in forks:
        os.kill(pid, signal.SIGKILL)
    sys.exit()


def _become(request: Mapping[str, Any]) -> None:
    """Be the process that was requested, as far as a process can be without having been started."""
    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = [request["run"], *request["arguments"]]
    runpy.run_module(request["run"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()

"""The real command in a process of its own, with pipes or on a terminal."""

import codecs
import errno
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tests.relay_cli.app import KEY

SECONDS = 30
NOISE = ("RELAY_", "NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "COLUMNS", "LINES", "TTY_")


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote; on a terminal stdout has both streams."""

    code: int
    stdout: str
    stderr: str = ""

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return orjson.loads(self.stdout)


def environment(url: str | None, key: str | None = KEY, **more: str) -> dict[str, str]:
    """This environment without what steers the command, and with what the test says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(NOISE)}
    given = {"RELAY_URL": url, "RELAY_KEY": key, "TERM": "xterm-256color", **more}
    return clean | {name: value for name, value in given.items() if value is not None}


def relay(*arguments: str, env: Mapping[str, str], answer: str = "") -> Ended:
    """Run the command with pipes; `answer` is what stands on stdin."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "relay_cli", *arguments],
        env=dict(env),
        input=answer,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def relay_on_terminal(
    *arguments: str, env: Mapping[str, str], when: str = "", typed: str = "", pipe_stdout: bool = False
) -> Ended:
    """Run the command on a terminal, and type once it has shown the words of `when`; "^C" interrupts it.

    What the terminal showed is `stdout`, or `stderr` with `pipe_stdout`.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 160))
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "relay_cli", *arguments],
        env=dict(env),
        stdin=theirs,
        stdout=subprocess.PIPE if pipe_stdout else theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        shown = "".join(_show(ours, process, when, typed))
        piped = process.communicate(timeout=SECONDS)[0]
    finally:
        process.kill()
        os.close(ours)
    return Ended(process.returncode, piped.decode(), shown) if pipe_stdout else Ended(process.returncode, shown)


def _show(terminal: int, process: subprocess.Popen[bytes], when: str, typed: str) -> Iterator[str]:
    decoder, seen = codecs.getincrementaldecoder("utf-8")(), ""
    deadline = time.monotonic() + SECONDS
    while piece := _read(terminal, deadline - time.monotonic()):
        text = decoder.decode(piece)
        yield text
        seen += text
        if typed and when in seen:
            _type(terminal, process, typed)
            typed = ""


def _read(terminal: int, seconds: float) -> bytes:
    if not select.select([terminal], [], [], max(0, seconds))[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError as error:
        # Linux says so instead of an end when the other side has closed.
        if error.errno != errno.EIO:
            raise
        return b""


def _type(terminal: int, process: subprocess.Popen[bytes], typed: str) -> None:
    if typed == "^C":
        process.send_signal(signal.SIGINT)
    else:
        os.write(terminal, typed.encode())

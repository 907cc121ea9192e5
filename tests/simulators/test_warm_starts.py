"""Servers that are forked instead of started."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.processes import PROJECT
from simulators.warm_starts import WarmStarts


@pytest.fixture(scope="module")
def starts() -> WarmStarts:
    return WarmStarts(PROJECT)


def test_a_fork_runs_its_module_in_its_environment(starts: WarmStarts, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    statement = "import os; print(sorted(os.environ))"
    fork = starts.launch("timeit", ["-n1", "-r1", statement], log=log, env={"ONLY": "this"})
    assert fork.pid != os.getpid()
    assert fork.wait(20) == 0
    assert log.read_text().splitlines()[:2] == ["before", "['ONLY']"]


def test_how_a_fork_ended_is_told(starts: WarmStarts, tmp_path: Path) -> None:
    failed = starts.launch("json.tool", [str(tmp_path / "missing.json")], log=tmp_path / "log", env={})
    assert failed.wait(20) != 0
    assert "missing.json" in (tmp_path / "log").read_text()
    fork = starts.launch("http.server", ["0", "--bind", "127.0.0.1"], log=tmp_path / "log", env={})
    assert fork.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.01)
    fork.kill()
    assert fork.wait(20) == -signal.SIGKILL
    assert fork.poll() == -signal.SIGKILL
    fork.send_signal(signal.SIGTERM)


def test_forks_end_with_the_process_that_wanted_them(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from simulators.warm_starts import WarmStarts\n"
        f"fork = WarmStarts(Path.cwd()).launch('http.server', ['0', '--bind', '127.0.0.1'],"
        f" log=Path({str(tmp_path / 'log')!r}), env={{}})\n"
        "print(fork.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as ended:  # noqa: S603 - ours
        assert ended.stdout
        handle = _handle(int(ended.stdout.readline()))
        assert handle is None or select.select([handle], [], [], 20)[0]


def _handle(pid: int) -> int | None:
    """A handle that tells the end of a process. None if it has ended already."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None

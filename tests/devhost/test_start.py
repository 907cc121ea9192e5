"""What the host says and refuses when it starts."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from devhost.bindings import read_function
from devhost.keys import read_keys
from devhost.refusal import StartRefused
from devhost.settings import apply_settings, find_connection_string, read_settings
from simulators.processes import PROJECT, StartFailed
from tests.devhost.hosts import APPS, make_host, until


async def fetch(url: str) -> int:
    """Call an address and return the status."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


def accepts(url: str) -> bool:
    """Whether anyone listens on an address."""
    with contextlib.suppress(OSError), socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)):
        return True
    return False


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "devhost", *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, **environment},
        timeout=30,
        check=False,
    )


def test_a_missing_settings_file_is_said(tmp_path: Path) -> None:
    ended = start("--root", str(APPS / "web"), "--settings", str(tmp_path / "local.settings.json"))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"devhost: {tmp_path}/local.settings.json does not exist")


def test_an_app_that_does_not_load_ends_with_the_workers_message(tmp_path: Path) -> None:
    host = make_host("broken", tmp_path, {})
    host.start()
    with pytest.raises(StartFailed, match=r"ended with 1(?s:.)*ModuleNotFoundError: No module named 'no_such_module'"):
        host.await_ready()


def test_a_binding_that_is_not_served_is_named(tmp_path: Path) -> None:
    host = make_host("foreign", tmp_path, {"Storage": "UseDevelopmentStorage=true"})
    host.start()
    with pytest.raises(StartFailed, match="function 'read_blob', binding 'blob' is of type blobTrigger"):
        host.await_ready()


def test_a_missing_setting_of_a_binding_is_named(tmp_path: Path) -> None:
    host = make_host("timers", tmp_path, {"RECORD": str(tmp_path / "events")})
    host.start()
    with pytest.raises(StartFailed, match="function 'often', binding 'timer': setting 'OFTEN' is not set"):
        host.await_ready()


def test_a_wrong_schedule_is_named(tmp_path: Path) -> None:
    host = make_host("timers", tmp_path, {"RECORD": str(tmp_path / "events"), "OFTEN": "every day"})
    host.start()
    with pytest.raises(StartFailed, match="function 'often', schedule 'every day': 'every day' is no schedule"):
        host.await_ready()


def test_the_banner_lists_the_functions_and_keys_are_generated_once(tmp_path: Path) -> None:
    root = tmp_path / "app"
    root.mkdir()
    for name in ("function_app.py", "host.json"):
        (root / name).write_text((APPS / "web" / name).read_text())
    (root / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {}}')
    keys = root / ".local" / "devhost.keys.json"
    host = make_host("web", tmp_path, {})
    host.command = [*host.command[:5], "--root", str(root), "--port", "0"]
    for _ in range(2):
        host.start()
        host.await_ready()
        assert host.stop() == 0
    banner = host.log.read_text()
    assert re.search(r"echo: \[GET,POST,HEAD\] http://127\.0\.0\.1:\d+/api/echo/\{name\}/\{number:int\?\}\n", banner)
    assert re.search(r"guarded: http://127\.0\.0\.1:\d+/api/guarded\n", banner)
    assert banner.count(f"Keys: {keys}\n") == 2
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert len(read_keys(keys).master) > 40
    assert read_keys(keys).master not in banner


async def test_a_second_interrupt_ends_the_host_at_once(tmp_path: Path) -> None:
    host = make_host("web", tmp_path, {})
    host.start()
    host.await_ready()
    call = asyncio.create_task(fetch(f"{host.url}/api/blocking?seconds=20"))
    await until(lambda: "Executing 'Functions.blocking'" in host.log.read_text())
    os.kill(host.pid, signal.SIGINT)
    await until(lambda: not accepts(host.url))
    assert host.running
    os.kill(host.pid, signal.SIGINT)
    await until(lambda: not host.running, within=3)
    assert host.stop() == 130
    with pytest.raises(aiohttp.ClientError):
        await call


@pytest.mark.parametrize("path", ["blocking?seconds=60", "stuck"])
async def test_a_function_that_never_ends_does_not_hold_the_stop(tmp_path: Path, path: str) -> None:
    host = make_host("web", tmp_path, {})
    host.start()
    host.await_ready()
    assert await fetch(f"{host.url}/api/{path}") == 500
    assert host.stop(grace=10) == 0


def test_a_variable_that_is_set_wins_over_the_settings_file() -> None:
    environment = {"A": "from outside"}
    apply_settings({"A": "from the file", "B": "from the file"}, environment)
    assert (environment["A"], environment["B"]) == ("from outside", "from the file")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"IsEncrypted": True, "Values": {}}, "is encrypted"),
        ({"Values": {"A": 1}}, r"Values\.A is not a string"),
        ({"Values": []}, "is not of the form"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, content: object, reason: str) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps(content))
    with pytest.raises(StartRefused, match=reason):
        read_settings(path)


def test_connections_are_connection_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Given", "UseDevelopmentStorage=true")
    monkeypatch.setenv("AzureWebJobsOld", "old style")
    monkeypatch.setenv("Identity__accountName", "somewhere")
    assert find_connection_string("Given", "f") == "UseDevelopmentStorage=true"
    assert find_connection_string("Old", "f") == "old style"
    with pytest.raises(StartRefused, match="f: connection 'Identity' is identity-based"):
        find_connection_string("Identity", "f")
    with pytest.raises(StartRefused, match="f: connection setting 'Nowhere' is not set"):
        find_connection_string("Nowhere", "f")


def test_an_empty_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"masterKey": "m", "functionKeys": {"default": ""}}))
    with pytest.raises(StartRefused, match="empty key"):
        read_keys(path)


def test_a_function_without_trigger_is_refused() -> None:
    with pytest.raises(StartRefused, match="function 'f' has 0 triggers"):
        read_function("id", "f", ['{"type": "http", "name": "$return"}'])

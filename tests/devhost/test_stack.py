"""Starting, crashing and stopping the whole arrangement that end-to-end tests stand on."""

import base64
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import msal
import pytest
from azure.storage.queue import QueueServiceClient

from simulators.processes import PROJECT, StartFailed
from simulators.stack import Stack
from tests.devhost.hosts import APPS, Record, until

QUEUES = {"WORK": "work", "HOPELESS": "hopeless-poison", "RAW": "raw", "CHAIN": "chain", "OUT": "out"}


def put_work(stack: Stack, text: str) -> None:
    with QueueServiceClient.from_connection_string(stack.azurite.connection_string()) as service:
        if "work" not in [queue.name for queue in service.list_queues()]:
            service.create_queue("work")
        service.get_queue_client("work").send_message(base64.b64encode(text.encode()).decode())


async def test_hosts_are_killed_and_started_again_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(tmp_path / "events")

    def settings(stack: Stack) -> dict[str, str]:
        return {**QUEUES, "Storage": stack.azurite.connection_string(), "RECORD": str(record.path)}

    with Stack(
        tmp_path,
        app_settings=settings,
        hosts=2,
        root=APPS / "queues",
        services=(),
        flags={"host": ["--lease-seconds", "2"]},
    ) as stack:
        put_work(stack, "by one of two")
        await until(lambda: record.events(event="end", text="by one of two"))
        for number in range(2):
            stack.kill_host(number)
        put_work(stack, "by the one that is back")
        stack.restart_azurite()
        stack.start_host(1)
        await until(lambda: record.events(event="end", text="by the one that is back"))
        async with (
            aiohttp.ClientSession(headers={"x-functions-key": stack.master_key}) as session,
            session.get(f"{stack.host_urls[1]}/admin/host/status") as response,
        ):
            assert response.status == 200
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stack.ca))
        application = msal.ConfidentialClientApplication(
            stack.client_id, client_credential=stack.client_secret, authority=stack.authority, instance_discovery=False
        )
        assert "access_token" in application.acquire_token_for_client(["http://127.0.0.1:1/.default"])
    assert not any(server.running for server in [*stack.hosts, stack.signin])
    assert not stack.azurite.running


def test_a_part_that_does_not_start_takes_the_others_with_it(tmp_path: Path) -> None:
    stack = Stack(tmp_path, root=APPS / "broken", services=())
    with pytest.raises(StartFailed, match="no_such_module"):
        stack.start()
    assert not stack.azurite.running
    assert not stack.signin.running


def test_the_command_shows_the_tenant_and_stops_on_interrupt(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulators", "--run-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as running:  # noqa: S603 - ours
        assert running.stdout is not None
        shown = "".join(iter(running.stdout.readline, "Ctrl-C stops.\n"))
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == "stopped\n"
    assert running.returncode == 0
    for name in ("Dataverse", "Finance", "Sign-in authority", "Client secret", "curl --cacert"):
        assert name in shown


def test_settings_are_merged_over_the_standard_ones(tmp_path: Path) -> None:
    stack = Stack(tmp_path, app_settings={"Extra": "1", "FUNCTIONS_WORKER_RUNTIME": "other"}, services=(), hosts=0)
    assert stack.settings["FUNCTIONS_WORKER_RUNTIME"] == "other"
    assert stack.settings["AzureWebJobsStorage"] == stack.azurite.connection_string()

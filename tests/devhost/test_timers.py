"""Timer functions."""

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from simulators.processes import Server
from tests.devhost.hosts import Record, make_host, until


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return Record(tmp_path_factory.mktemp("record") / "events")


@pytest.fixture(scope="module")
def host(record: Record, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"RECORD": str(record.path), "OFTEN": "* * * * * *", "AzureWebJobs.switched_off.Disabled": "true"}
    server = make_host("timers", Path(tmp_path_factory.mktemp("timers")), settings)
    server.start()
    try:
        server.await_ready()
        yield server
    finally:
        server.stop()


async def test_a_timer_fires_by_its_schedule_setting(host: Server, record: Record) -> None:
    await until(lambda: len(record.events(name="often")) >= 2)
    # More often than once a minute: the host keeps no status for it.
    assert record.events(name="often")[0]["status"] == {}


async def test_run_on_startup_runs_once_at_once(host: Server, record: Record) -> None:
    (event,) = await until(lambda: record.events(name="at_startup"))
    assert event["schedule"] == {"AdjustForDST": True}
    assert event["status"]["Last"] == "0001-01-01T00:00:00"
    assert event["status"]["Next"].endswith("-01-01T00:00:00")


async def test_a_timer_is_run_by_hand_with_the_master_key(host: Server, record: Record) -> None:
    url = f"{host.url}/admin/functions/by_hand"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"input": ""}) as refused:
            assert refused.status == 401
        assert not record.events(name="by_hand")
        async with session.post(url, json={"input": ""}, headers={"x-functions-key": "master"}) as accepted:
            assert accepted.status == 202
    await until(lambda: record.events(name="by_hand"))


async def test_a_disabled_function_neither_runs_nor_shows(host: Server, record: Record) -> None:
    await until(lambda: len(record.events(name="often")) >= 3)
    assert not record.events(name="switched_off")
    assert "switched_off" not in host.log.read_text()

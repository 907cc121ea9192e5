"""One Finance environment for all its tests; switches go back to the defaults of a test after each."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.azurite import FINANCE_ACCOUNT, Azurite
from simulators.processes import Server
from tests.simulators.finance.client import SECRET, Finance

QUICK = {
    "importFixedSeconds": 0.0,
    "importSecondsPerRow": 0.0,
    "takeUpSeconds": 0.0,
    "notFoundPolls": 0,
    "errorsWellFormed": True,
}


def server_of(azurite: Azurite, run_dir: Path, *arguments: str) -> Server:
    """Return an environment with two registered applications, not started yet."""
    storage = azurite.connection_string(FINANCE_ACCOUNT)
    common = ["--token-secret", SECRET, "--storage", storage, "--clients", "relay,other"]
    return Server("finance", "simulators.finance", [*common, *arguments], run_dir=run_dir)


@pytest.fixture(scope="session")
def finance_server(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = server_of(azurite, tmp_path_factory.mktemp("finance"))
    server.start()
    server.await_ready()
    yield server
    assert server.stop() == 0, server.tail()


@pytest.fixture(scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture(scope="session")
async def default_switches(finance_server: Server, session: aiohttp.ClientSession) -> Any:
    async with session.get(f"{finance_server.url}/sim/switches") as answer:
        return await answer.json()


@pytest.fixture
async def finance(
    finance_server: Server, session: aiohttp.ClientSession, default_switches: dict[str, Any]
) -> AsyncIterator[Finance]:
    client = Finance(finance_server.url, session)
    await client.switch(**QUICK)
    yield client
    # An import that goes on would use up the next test's faults.
    await client.switch(**default_switches | QUICK | {"stuckImportsEnd": "Failed"})
    while (await client.sim("counts"))["running"]:
        pass
    await client.switch(**default_switches)

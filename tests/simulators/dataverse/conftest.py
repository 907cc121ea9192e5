"""One Dataverse organization for all its tests; switches go back to how they were at start after each."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from simulators.processes import Server
from tests.simulators.dataverse.client import SECRET, Dataverse


@pytest.fixture(scope="session")
def dataverse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        "dataverse",
        "simulators.dataverse",
        ["--token-secret", SECRET, "--clients", "relay,other,sync,hasty", "--administrators", "admin"],
        run_dir=tmp_path_factory.mktemp("dataverse"),
    )
    server.start()
    server.await_ready()
    yield server
    assert server.stop() == 0, server.tail()


@pytest.fixture(scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as opened:
        yield opened


@pytest.fixture(scope="session")
async def default_switches(dataverse_server: Server, session: aiohttp.ClientSession) -> dict[str, Any]:
    switches: dict[str, Any] = await Dataverse(dataverse_server.url, session).sim("GET", "switches")
    return switches


@pytest.fixture
async def dataverse(
    dataverse_server: Server, session: aiohttp.ClientSession, default_switches: dict[str, Any]
) -> AsyncIterator[Dataverse]:
    client = Dataverse(dataverse_server.url, session)
    yield client
    await client.switch(**default_switches)


@pytest.fixture(scope="session")
async def invoice(
    dataverse_server: Server, session: aiohttp.ClientSession, default_switches: dict[str, Any]
) -> dict[str, Any]:
    """A confirmed invoice of 60 lines that no test changes."""
    return await Dataverse(dataverse_server.url, session).confirmed(60, seed=7)

"""A Finance environment for clients of others."""

from collections.abc import Iterator

import pytest

from simulators.azurite import Azurite
from simulators.processes import Server
from tests.simulators.finance.conftest import server_of


@pytest.fixture(scope="package")
def finance_server(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = server_of(azurite, tmp_path_factory.mktemp("finance"))
    server.start()
    server.await_ready()
    yield server
    assert server.stop() == 0, server.tail()

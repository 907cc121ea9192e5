"""Servers that live as long as the test session."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from simulators.azurite import Azurite
from simulators.processes import PROJECT, Server
from simulators.warm_starts import WarmStarts
from tests import tiers

# Machines are shared and noisy: how long an example took says nothing.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
# Assertions in these modules are reported like those of a test.
pytest.register_assert_rewrite("tests.proof.journeys", "tests.proof.ordeal")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=list(tiers.TIERS), help="run the tests of one tier only (tests/tiers.py)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    tier = config.getoption("--tier")
    return True if tier and not tiers.may_hold(collection_path, tier) else None


def pytest_configure(config: pytest.Config) -> None:
    if tier := config.getoption("--tier"):
        config.option.markexpr = tiers.TIERS[tier]
    # A terminated session ends like an interrupted one: fixtures are torn down and stop what they started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Started in the background, pytest and with it every child would ignore SIGINT, which some tests send.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    Server.warm_starts = WarmStarts(PROJECT)


def pytest_itemcollected(item: pytest.Item) -> None:
    # Before pytest looks at -m, and before xdist looks at groups, once everything is collected.
    tiers.mark(item)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=tiers.turn)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite for the whole session. `connection_string(account)` returns its connection string. All tests share it,
    so use unique names for queues, tables and containers."""
    server = Azurite(Path(tmp_path_factory.mktemp("azurite")))
    server.start()
    try:
        server.await_ready()
        yield server
    finally:
        server.stop()

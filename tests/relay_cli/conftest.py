"""An app that says what a test wants, and the environment in which the command finds it."""

from collections.abc import Iterator

import pytest

from tests.relay_cli.app import FakeApp
from tests.relay_cli.command import environment


@pytest.fixture
def app() -> Iterator[FakeApp]:
    """A server that knows no route yet."""
    with FakeApp() as running:
        yield running


@pytest.fixture
def env(app: FakeApp) -> dict[str, str]:
    """Address and key of that app."""
    return environment(app.url)

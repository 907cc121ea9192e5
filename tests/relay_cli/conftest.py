"""An app that says what a test wants, and the environment in which the command finds it."""

from collections.abc import Iterator

import pytest

from tests.openapi import Judge
from tests.relay_cli.app import FakeApp
from tests.relay_cli.command import environment


@pytest.fixture
def app() -> Iterator[FakeApp]:
    """A server that knows no route yet. What it was sent and what it said is what the real app is sent and says, unless
    a test has it answer as something else would."""
    with FakeApp() as running:
        yield running
    problems = [problem for each in running.exchanges for problem in Judge().problems(each, with_body=True)]
    assert running.is_another or not problems


@pytest.fixture
def env(app: FakeApp) -> dict[str, str]:
    """Address and key of that app."""
    return environment(app.url)

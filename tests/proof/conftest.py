"""One running system for the proofs that only trouble its services, and one whose app is driven step by step."""

import os
from collections.abc import Iterator

import pytest

from tests.proof.figures import tell
from tests.proof.machine_stage import Scene, scene
from tests.proof.troubles import Troubles, troubled


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print a failure immediately; pytest's summary comes only at the end."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        tell(f"FAILED {report.nodeid}\n{report.longreprtext}")


@pytest.fixture(scope="package")
def running_troubles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troubles]:
    """The system; tests make invoices of their own."""
    with troubled(tmp_path_factory.mktemp("troubles")) as running:
        yield running


@pytest.fixture
def troubles(running_troubles: Troubles) -> Iterator[Troubles]:
    """The system without a fault of an earlier test."""
    running_troubles.mend()
    yield running_troubles
    running_troubles.mend()


@pytest.fixture(scope="package")
def running_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Storage and the services, and the app in this process; see `tests/proof/machine_app.py`."""
    with scene(tmp_path_factory.mktemp("machine")) as running:
        yield running


@pytest.fixture
def staged(running_stage: Scene) -> Scene:
    """The stage, empty."""
    running_stage.begin()
    return running_stage

"""One running system for the operator's tests, with small pages and a fast sweep, reset after each test."""

from collections.abc import Iterator

import pytest

from tests.endtoend.relay import Relay, relay
from tests.operations.operator import Accountant, Operator

STALLED_AFTER_SECONDS = 3
SETTINGS = {
    "DATAVERSE_PAGE_ROWS": "8",
    "SWEEP_STALLED_AFTER_SECONDS": str(STALLED_AFTER_SECONDS),
    "SWEEP_ORPHANED_AFTER_SECONDS": "1",
    "FINANCE_SHIPMENT_LEASE_SECONDS": "3",
    # The tests sweep by hand; the clock would come in between every ten minutes.
    "AzureWebJobs.sweep.Disabled": "true",
    "THROTTLE_LONGEST_WAIT_SECONDS": "3",
}
FAST_IMPORTS = {"importFixedSeconds": 0.0, "takeUpSeconds": 0.0, "notFoundPolls": 0}


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The system; tests make invoices of their own."""
    with relay(tmp_path_factory.mktemp("operations"), settings=SETTINGS) as system:
        system.tenant.switch("finance", **FAST_IMPORTS)
        yield system


@pytest.fixture
def system(running: Relay) -> Iterator[Relay]:
    """The system without a fault of an earlier test."""
    yield running
    running.tenant.switch(
        "finance", rejectRows=[], throttleNext=0, throttleShare=0.0, throttleActions=False, **FAST_IMPORTS
    )
    running.tenant.switch(
        "dataverse", webhookOff=False, foreignNextLink=False, repeatNextLink=False, latencySeconds=0.0
    )


@pytest.fixture
def operator(system: Relay) -> Operator:
    """The operator of the app."""
    return Operator(system)


@pytest.fixture
def accountant(system: Relay) -> Accountant:
    """Who works in Finance."""
    return Accountant(system)

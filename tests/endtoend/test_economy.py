"""What carrying invoices costs, in counts that do not depend on the machine: imports, storage operations, bytes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.usage import Usage
from tests.endtoend.relay import Relay, relay

INVOICES, LINES = 20, 10
LARGE = 1500


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    # The pace of a real environment: elsewhere in the tests imports are looked at each second.
    settings = {"DATAVERSE_PAGE_ROWS": "500", "FINANCE_POLL_LONGEST_SECONDS": "30"}
    with relay(tmp_path_factory.mktemp("economy"), settings=settings, log_storage=True) as system:
        # Long enough that what is confirmed together has to wait for a lane, as it has to in Finance.
        system.tenant.switch("finance", importFixedSeconds=3.0)
        yield system


def test_an_invoice_of_many_pages_rides_in_few_imports_and_takes_few_storage_operations(counted: Relay) -> None:
    before, usage = counted.tenant.counts()["imports"], Usage(counted.stack)
    counted.carry(LARGE, seed=900)
    facts = usage.facts()
    assert counted.tenant.counts()["imports"] - before <= 3
    # Reads of tables are left out: most are this test's own, asking how far the run is.
    taken = {kind: count for kind, count in facts["storage"].items() if kind.startswith("blob") or "get" not in kind}
    assert sum(taken.values()) < 320, taken
    assert 100 < facts["message"] <= 2048


def test_invoices_confirmed_together_need_a_fraction_of_an_import_each(counted: Relay) -> None:
    before = counted.tenant.counts()["imports"]
    invoices = [counted.tenant.draft(LINES, seed=901 + number) for number in range(INVOICES)]
    with ThreadPoolExecutor(INVOICES) as pool:
        list(pool.map(counted.tenant.confirm, invoices))
    assert {run["state"] for run in counted.finish(invoices)} == {"completed"}
    assert counted.tenant.counts()["imports"] - before <= INVOICES

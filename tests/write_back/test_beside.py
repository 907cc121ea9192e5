"""Written back means all rows of a confirmation, also those that no billed sale leads to."""

from collections.abc import Iterator

import pytest

from tests.endtoend.relay import Relay
from tests.operations.operator import Accountant, produced_actuals
from tests.write_back.bookkeeping import in_dataverse, in_finance, post, ring, run_of, writes


@pytest.fixture(params=["linked", "stamped"])
def retained(system: Relay, request: pytest.FixtureRequest) -> Iterator[str]:
    """A completed invoice on which two retainers were used in part; what is left of them is found by links or stamp."""
    stamped = request.param == "stamped"
    system.tenant.switch("dataverse", replacementsLinked=not stamped, newUnbilledStamped=stamped)
    yield system.carry(8, seed=800 + stamped, retainersUsed=2)
    system.tenant.switch("dataverse", replacementsLinked=True, newUnbilledStamped=False)


def test_the_rest_of_a_retainer_comes_back_when_it_is_posted(system: Relay, retained: str) -> None:
    post(system, retained)
    rest = rests(system, retained)[0]
    Accountant(system).change(rest["ActualsImportId"], VoucherNumber="")
    ring(system)
    run = run_of(system, retained)
    assert run["posting"] == "not posted"
    assert "1 new unbilled sale is not posted yet" in run["postingDetail"]
    assert rest["ActualId"].lower() in run["postingDetail"]
    before = writes(system)
    ring(system)
    assert writes(system) == before
    assert run_of(system, retained)["postingDetail"] == run["postingDetail"]
    Accountant(system).change(rest["ActualsImportId"], VoucherNumber=rest["VoucherNumber"])
    ring(system)
    assert run_of(system, retained)["posting"] == "written back"
    posted = in_finance(system, retained)
    assert set(posted) == produced_actuals(system, retained)
    assert in_dataverse(system, posted) == posted


def rests(system: Relay, invoice_id: str) -> list[dict[str, str]]:
    """What is left of the retainers, as Finance holds it."""
    ours = produced_actuals(system, invoice_id)
    rows = [row for row in system.tenant.held("actuals") if row["ActualId"].lower() in ours]
    return [row for row in rows if row["TransactionType"] == "Sales" and row["Amount"] < 0]

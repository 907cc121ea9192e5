"""A completed run is complete: the rows of a confirmation are found by evidence that does not depend on the links."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.endtoend.relay import Relay, await_that, relay
from tests.operations.operator import Accountant, Operator, held, produced_actuals

SETTINGS = {
    "DATAVERSE_PAGE_ROWS": "8",
    "LATE_ROWS_PATIENCE_SECONDS": "2",
    "LATER_LOOKS_SECONDS": "1,2",
    "AzureWebJobs.sweep.Disabled": "true",
}
AS_THEY_WERE: dict[str, Any] = {
    "replacementsLinked": True,
    "nonChargeableBilled": True,
    "addedLinesPointToUnbilled": False,
    "newUnbilledStamped": False,
    "lateShare": 0.0,
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    with relay(tmp_path_factory.mktemp("belongs"), settings=SETTINGS) as system:
        yield system


@pytest.fixture
def system(running: Relay) -> Iterator[Relay]:
    yield running
    running.tenant.switch("dataverse", **AS_THEY_WERE)


@pytest.fixture
def operator(system: Relay) -> Operator:
    return Operator(system)


def lacking(system: Relay, invoice_id: str) -> set[str]:
    """What the confirmation produced and Finance does not hold."""
    produced = system.tenant.produced(invoice_id)
    connections = {row["connectionId"].lower() for row in produced if row["kind"] == "connection"}
    linked = {str(row["ConnectionId"]).lower() for row in system.tenant.held("connections")}
    return lacking_actuals(system, invoice_id) | (connections - linked)


def lacking_actuals(system: Relay, invoice_id: str) -> set[str]:
    """The actuals among it."""
    held = {str(row["ActualId"]).lower() for row in system.tenant.held("actuals")}
    return produced_actuals(system, invoice_id) - held


@pytest.mark.parametrize("stamped", [False, True])
def test_the_rest_of_a_retainer_that_replaces_the_first_goes_too(
    system: Relay, operator: Operator, stamped: bool
) -> None:
    system.tenant.switch("dataverse", newUnbilledStamped=stamped)
    invoice_id = system.carry(6, seed=700 + stamped, retainersUsed=2)
    assert operator.run(invoice_id)["state"] == "completed", operator.run(invoice_id)
    assert lacking(system, invoice_id) == set()
    assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


def test_the_rest_of_a_retainer_that_nothing_links_is_never_verified_away(system: Relay, operator: Operator) -> None:
    system.tenant.switch("dataverse", replacementsLinked=False)
    invoice_id = system.carry(6, seed=710, retainersUsed=1)
    run = operator.run(invoice_id)
    (rest,) = lacking_actuals(system, invoice_id)
    assert run["state"] == "needs attention"
    assert rest in run["detail"]
    found = operator.compare(invoice_id)
    assert not found["equal"]
    assert [row["key"] for row in found["unexplained"]] == [rest]
    operator.replay(invoiceId=invoice_id)
    operator.await_state(invoice_id, "completed")
    assert lacking(system, invoice_id) == set()
    assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


def test_a_line_added_by_hand_on_a_fixed_price_has_no_unbilled_sale(system: Relay, operator: Operator) -> None:
    invoice_id = system.carry(5, seed=720, addedFixedPrice=1)
    assert operator.run(invoice_id)["state"] == "completed", operator.run(invoice_id)
    assert lacking(system, invoice_id) == set()


@pytest.mark.parametrize("pointed", [False, True])
def test_a_line_added_by_hand_for_time_and_material_brings_its_unbilled_sale(
    system: Relay, operator: Operator, pointed: bool
) -> None:
    system.tenant.switch("dataverse", addedLinesPointToUnbilled=pointed)
    invoice_id = system.carry(5, seed=730 + pointed, addedTimeMaterial=2)
    assert operator.run(invoice_id)["state"] == "completed", operator.run(invoice_id)
    assert lacking(system, invoice_id) == set()
    assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


@pytest.mark.parametrize("stamped", [False, True])
def test_a_line_made_non_chargeable_goes_without_a_billed_sale(
    system: Relay, operator: Operator, stamped: bool
) -> None:
    system.tenant.switch("dataverse", nonChargeableBilled=False, newUnbilledStamped=stamped)
    invoice_id = system.carry(30, seed=740 + stamped, edited=0.5)
    assert operator.run(invoice_id)["state"] == "completed", operator.run(invoice_id)
    assert lacking(system, invoice_id) == set()
    assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


def test_late_rows_are_waited_for(system: Relay, operator: Operator) -> None:
    system.tenant.switch("dataverse", lateShare=0.02, lateSeconds=25.0)
    invoices = [system.tenant.draft(200, seed=750 + number, edited=0.3) for number in range(2)]
    for invoice_id in invoices:
        system.tenant.confirm(invoice_id)
    assert {run["state"] for run in system.finish(invoices)} == {"completed"}
    for invoice_id in invoices:
        assert lacking(system, invoice_id) == set()
        assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


def test_another_invoice_of_the_contract_and_approvals_are_left_alone(system: Relay, operator: Operator) -> None:
    system.tenant.switch("dataverse", replacementsLinked=True)
    first = system.tenant.draft(4, seed=760, retainersUsed=1)
    second = system.tenant.draft(4, seed=761, retainersUsed=1, sharesContractWith=first)
    approved = system.tenant.approve(first, 3)
    for invoice_id in (first, second):
        system.tenant.confirm(invoice_id)
    assert {run["state"] for run in system.finish([first, second])} == {"completed"}
    held = [str(row["ActualId"]).lower() for row in system.tenant.held("actuals")]
    assert len(held) == len(set(held))
    assert not set(approved) & set(held)
    for invoice_id in (first, second):
        assert lacking(system, invoice_id) == set()
        assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


def test_what_is_found_beside_the_links_is_counted_once_when_a_completed_run_is_mended(
    system: Relay, operator: Operator
) -> None:
    invoice_id = system.carry(4, seed=763, retainersUsed=2)
    mend(system, operator, invoice_id)
    correction = system.tenant.correct(invoice_id)
    system.tenant.confirm(correction)
    system.finish([correction])
    mend(system, operator, correction)


def mend(system: Relay, operator: Operator, invoice_id: str) -> None:
    """Have a row sent again that Finance has lost: what the run says of all rows is as it was."""
    before = operator.run(invoice_id)
    Accountant(system).delete(held(system, before["invoiceNumber"])[0]["ActualsImportId"])
    assert operator.compare(invoice_id, fix=True)["fixed"] == 1
    run = operator.await_state(invoice_id, "completed")
    assert run["detail"].split(";")[0] == before["detail"].split(";")[0]
    assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


def test_a_correction_gives_nothing_to_the_invoice_that_it_corrects(system: Relay, operator: Operator) -> None:
    # Its fees have unbilled sales behind them of which no cost says that they are old.
    invoice_id = system.carry(12, seed=765)
    before = operator.compare(invoice_id)
    correction = system.tenant.correct(invoice_id)
    system.tenant.confirm(correction)
    assert {run["state"] for run in system.finish([correction])} == {"completed"}
    assert operator.compare(invoice_id)["maps"] == before["maps"]
    assert operator.compare(correction)["equal"], operator.compare(correction)
    assert lacking(system, correction) == set()


def test_a_billed_sale_that_comes_after_completion_is_found_by_a_later_look(system: Relay, operator: Operator) -> None:
    invoice_id = system.carry(12, seed=770)
    assert operator.run(invoice_id)["state"] == "completed"
    # While the invoice is being read, Dataverse writes another billed sale.
    system.tenant.switch("dataverse", extraRowsNext=1)
    assert not operator.compare(invoice_id)["equal"]
    changed = await_that(lambda: changed_runs(operator).get(invoice_id), "a look that finds the late row")
    assert "more than were carried" in changed
    await_that(lambda: not lacking(system, invoice_id), "the late row in Finance")
    operator.await_state(invoice_id, "completed")
    assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


def test_an_unbilled_sale_that_comes_after_completion_is_found_by_a_later_look(
    system: Relay, operator: Operator
) -> None:
    # Of all actuals only the rest of the retainer is late, which no billed sale bills.
    system.tenant.switch("dataverse", lateShare=0.01, lateSeconds=20.0)
    invoice_id = system.carry(3, seed=780, retainersUsed=1)
    assert operator.run(invoice_id)["state"] == "completed"
    await_that(lambda: not operator.compare(invoice_id)["equal"], "the late row in Dataverse")
    # The same definition names the invoice of each row, even if the row has no invoice stamp.
    (rest,) = lacking_actuals(system, invoice_id)
    found = operator.search(graceHours=0)
    assert [each["invoiceId"] for each in found["actuals"] if each["actualId"].lower() == rest] == [invoice_id]
    assert "skip the sync" in found["leftOut"]
    changed = await_that(lambda: changed_runs(operator).get(invoice_id), "a look that finds the late row")
    assert "1 unbilled sale" in changed
    await_that(lambda: not lacking(system, invoice_id), "the late row in Finance")
    operator.await_state(invoice_id, "completed")
    assert operator.compare(invoice_id)["equal"], operator.compare(invoice_id)


def changed_runs(operator: Operator) -> dict[str, str]:
    """Sweep; what was found about completed runs."""
    return {each["invoiceId"]: each["found"] for each in operator.sweep()["changed"]}

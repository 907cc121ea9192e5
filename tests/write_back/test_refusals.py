"""Single rows that do not come back: named one by one, the others stand; replay, dismiss, and what a wrong row does."""

from decimal import Decimal
from uuid import uuid4

import pytest

from tests.endtoend.relay import Relay, await_that
from tests.operations.operator import Accountant, Operator, held
from tests.write_back.bookkeeping import await_quiet, in_dataverse, in_finance, number_of, post, ring, run_of, writes

CLOSED = "is closed"
NOT_WRITTEN = {"dataAreaId", "posted", "state"}


@pytest.fixture
def operator(system: Relay) -> Operator:
    """The operator of the app."""
    return Operator(system)


@pytest.fixture
def refused(system: Relay, invoice_id: str) -> list[str]:
    """Two actuals of a posted invoice that a plug-in of Dataverse would not have written back."""
    post(system, invoice_id)
    rows = sorted(in_finance(system, invoice_id))[3:5]
    system.tenant.switch("dataverse", refuseUpdatesOf=",".join(rows))
    ring(system)
    return rows


def test_refused_rows_are_named_and_the_others_stand(
    system: Relay, operator: Operator, invoice_id: str, refused: list[str]
) -> None:
    run = run_of(system, invoice_id)
    assert (run["state"], run["posting"], run["writtenBackAt"]) == ("completed", "refused", None)
    assert run["postingDetail"].startswith(f"2 rows refused by Dataverse, the first ({refused[0]}): ")
    assert CLOSED in run["postingDetail"]
    [group] = operator.groups(invoice_id)
    assert (group["map"], group["rows"]) == ("write-back", 2)
    assert {row["key"] for row in operator.rows(group["group"], invoice_id)} == set(refused)
    posted = in_finance(system, invoice_id)
    stand = {actual: detail for actual, detail in posted.items() if actual not in refused}
    assert in_dataverse(system, stand) == stand
    assert all(voucher is None for voucher, *_ in in_dataverse(system, refused).values())
    number = number_of(system, invoice_id)
    assert any("could not be written back" in problem and number in problem for problem in problems(operator))


def problems(operator: Operator) -> list[str]:
    return list(operator.get("health")["problems"])


def test_mended_rows_go_with_a_replay_and_nothing_else_is_written(
    system: Relay, operator: Operator, invoice_id: str, refused: list[str]
) -> None:
    system.tenant.switch("dataverse", refuseUpdatesOf="")
    before = writes(system)
    assert operator.replay(invoiceId=invoice_id)["rows"] == 2
    await_quiet(system)
    operator.await_posting(invoice_id, "written back")
    posted = in_finance(system, invoice_id)
    assert in_dataverse(system, posted) == posted
    assert writes(system) == before + 1
    assert not any(number_of(system, invoice_id) in problem for problem in problems(operator))


def test_dismissed_rows_are_left_alone_and_the_run_is_written_back(
    system: Relay, operator: Operator, invoice_id: str, refused: list[str]
) -> None:
    operator.post("dismissals", invoiceId=invoice_id, reason="corrected by hand")
    operator.await_posting(invoice_id, "written back")
    [group] = operator.groups(invoice_id)
    assert (group["rows"], group["dismissed"]) == (2, 2)
    assert all(voucher is None for voucher, *_ in in_dataverse(system, refused).values())


def test_a_posted_row_without_an_actual_is_said(system: Relay, operator: Operator, invoice_id: str) -> None:
    post(system, invoice_id)
    number = number_of(system, invoice_id)
    [model] = held(system, number)[:1]
    stranger = str(uuid4())
    fields = {name: float(value) if isinstance(value, Decimal) else value for name, value in model.items()}
    fields |= {"VoucherNumber": "PSI-9", "ActualId": stranger, "ActualsImportId": str(uuid4())}
    Accountant(system).add(**{name: value for name, value in fields.items() if name not in NOT_WRITTEN})
    ring(system)
    run = run_of(system, invoice_id)
    assert run["posting"] == "refused"
    assert f"Dataverse has no actual {stranger}" in run["postingDetail"]
    posted = {actual: detail for actual, detail in in_finance(system, invoice_id).items() if actual != stranger}
    assert in_dataverse(system, posted) == posted


def test_a_write_back_that_gets_pages_for_answers_says_so_and_goes_by_itself(
    system: Relay, operator: Operator, invoice_id: str
) -> None:
    """A gateway's page with a status that a refusal could have."""
    post(system, invoice_id)
    system.tenant.switch("dataverse", errorShare=1.0, errorStatus=400, faultRoute="msdyn_actuals")
    try:
        system.tenant.ring()
        told = await_that(lambda: [each for each in problems(operator) if "an HTML page" in each], "what came", 30.0)
    finally:
        system.tenant.switch("dataverse", errorShare=0.0, errorStatus=503, faultRoute="")
    assert "Dataverse answered 400 with an HTML page to GET /api/data/v9.2/msdyn_actuals" in told[0]
    operator.await_posting(invoice_id, "written back")
    posted = in_finance(system, invoice_id)
    assert in_dataverse(system, posted) == posted


def test_one_invoice_that_finance_cannot_count_does_not_hide_the_others(
    system: Relay, operator: Operator, invoice_id: str
) -> None:
    post(system, invoice_id)
    system.tenant.switch("finance", errorNext=1, errorStatus=400)
    try:
        ring(system)
    finally:
        system.tenant.switch("finance", errorNext=0, errorStatus=503)
    assert any("Finance" in problem for problem in problems(operator))
    ring(system)
    operator.await_posting(invoice_id, "written back")

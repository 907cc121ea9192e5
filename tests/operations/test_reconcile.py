"""Reconcile: finds the rows that Finance lacks, has in excess, or holds with other values, and repairs them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from shared.project_operations.codes import DRAFT, PAID
from simulators.summary import is_complete, summarize
from tests.endtoend.relay import Relay
from tests.endtoend.test_bulk import change
from tests.operations.operator import ACTUALS, COMPANY, Accountant, Operator, copy_of, held, journal_end, sent_keys


def test_missing_surplus_and_different_rows_are_named_and_the_first_and_last_mended(
    system: Relay, operator: Operator, accountant: Accountant
) -> None:
    invoice_id = system.carry(12, seed=401)
    number = system.tenant.invoice(invoice_id)["number"]
    found = operator.compare(invoice_id)
    assert (found["equal"], found["runState"], found["invoiceNumber"]) == (True, "completed", number)
    actuals, connections = found["maps"]
    assert actuals["source"] == actuals["target"]
    assert connections["source"]["rows"] == connections["target"]["rows"] > 0

    rows = held(system, number)
    lost, changed, extra = rows[0], rows[1], str(uuid4())
    accountant.delete(lost["ActualsImportId"])
    accountant.change(changed["ActualsImportId"], Amount="1.2300", Description="typed over")
    accountant.add(**copy_of(rows[2]), ActualsImportId=extra, ActualId=str(uuid4()))
    found = operator.compare(invoice_id)
    assert not found["equal"]
    assert found["missing"] == [{"map": "actuals", "key": lost["ActualsImportId"].lower()}]
    assert found["surplus"] == [{"map": "actuals", "key": extra}]
    fields = {each["field"]: each for each in found["different"]}
    assert set(fields) == {"AMOUNT", "DESCRIPTION"}
    assert {each["key"] for each in found["different"]} == {changed["ActualsImportId"].lower()}
    assert Decimal(fields["AMOUNT"]["source"]) == Decimal(changed["Amount"])
    assert Decimal(fields["AMOUNT"]["target"]) == Decimal("1.23")
    assert (fields["DESCRIPTION"]["source"], fields["DESCRIPTION"]["target"]) == (changed["Description"], "typed over")
    source, target = (found["maps"][0][side]["amounts"] for side in ("source", "target"))
    gone = Decimal(lost["Amount"]) + Decimal(changed["Amount"]) - Decimal("1.23")
    assert Decimal(source["USD"]) - Decimal(target["USD"]) == gone

    accountant.delete(extra)
    taken = journal_end(system)
    assert operator.compare(invoice_id, fix=True)["fixed"] == 2
    operator.await_state(invoice_id, "completed")
    assert sorted(sent_keys(system, taken)) == sorted(row["ActualsImportId"].lower() for row in (lost, changed))
    assert operator.compare(invoice_id)["equal"]
    system.tenant.book(COMPANY)
    summary = summarize(system.tenant, [invoice_id], [operator.run(invoice_id)], 0)
    assert is_complete(summary), summary


def test_a_replayed_row_that_finance_loses_is_sent_again_and_not_counted_again(
    system: Relay, operator: Operator, accountant: Accountant
) -> None:
    """A row was refused, replayed and taken; then it was deleted in Finance and sent again by reconciling. It counted
    twice, so the two ends differed and the whole invoice was read from the start."""
    system.tenant.switch(
        "finance", rejectRows=[{"entity": ACTUALS, "everyNth": 2, "message": "Line property 'A 17' is missing"}]
    )
    invoice_id = system.tenant.draft(6, seed=340)
    system.tenant.confirm(invoice_id)
    operator.await_state(invoice_id, "needs attention")
    (group,) = (each["group"] for each in operator.groups(invoice_id))
    refused = {row["key"] for row in operator.rows(group, invoice_id)}
    system.tenant.switch("finance", rejectRows=[])
    operator.replay(invoiceId=invoice_id)
    operator.await_state(invoice_id, "completed")
    billed = {row["ActualsImportId"].lower() for row in held(system, str(system.tenant.invoice(invoice_id)["number"]))}
    accountant.delete(min(refused & billed))
    operator.reconcile(invoiceId=invoice_id, fix=True)
    run = operator.await_state(invoice_id, "completed")
    assert run["generation"] == 1
    assert operator.compare(invoice_id)["equal"]


def test_a_row_that_finance_holds_under_another_key_is_told_and_not_sent_a_second_time(
    system: Relay, operator: Operator, accountant: Accountant
) -> None:
    """Dual-write has brought it, for example, under a key of its own."""
    invoice_id = system.carry(3, seed=405)
    row = held(system, str(system.tenant.invoice(invoice_id)["number"]))[0]
    accountant.delete(row["ActualsImportId"])
    accountant.add(**copy_of(row), ActualsImportId=str(uuid4()), ActualId=row["ActualId"])
    found = operator.compare(invoice_id, fix=True)
    assert found["missing"] == [{"map": "actuals", "key": row["ActualsImportId"].lower()}]
    assert found["fixed"] == 0
    assert [each["ActualId"] for each in system.tenant.held("actuals")].count(row["ActualId"]) == 1


def test_a_surplus_row_is_left_to_people_and_the_run_says_so(
    system: Relay, operator: Operator, accountant: Accountant
) -> None:
    invoice_id = system.carry(3, seed=402)
    rows = held(system, system.tenant.invoice(invoice_id)["number"])
    extra = str(uuid4())
    accountant.add(**copy_of(rows[0]), ActualsImportId=extra, ActualId=str(uuid4()))
    accountant.delete(rows[1]["ActualsImportId"])
    operator.compare(invoice_id, fix=True)
    run = operator.await_state(invoice_id, "needs attention")
    assert "mismatch" in run["detail"]
    found = operator.compare(invoice_id)
    assert (found["missing"], found["surplus"]) == ([], [{"map": "actuals", "key": extra}])
    accountant.delete(extra)
    operator.compare(invoice_id, fix=True)
    operator.await_state(invoice_id, "completed")


def test_a_period_holds_invoices_without_a_run_too_and_fixing_starts_them(system: Relay, operator: Operator) -> None:
    earlier = system.carry(1, seed=403)
    system.tenant.switch("dataverse", webhookOff=True)
    began = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    lost = system.tenant.draft(10, seed=404)
    while datetime.now(UTC) < began:
        system.tenant.invoice(lost)
    system.tenant.confirm(lost)
    found = operator.reconcile(since=began.isoformat())
    assert [(each["invoiceId"], each["runState"], each["equal"]) for each in found] == [(lost, None, False)]
    produced = {row["actualId"] for row in system.tenant.produced(lost) if row["kind"] == "actual"}
    assert len(found[0]["missing"]) == len(produced)
    assert system.tenant.run(lost) is None, "looking starts nothing"
    both = operator.reconcile(since=(began - timedelta(minutes=5)).isoformat(), until=datetime.now(UTC).isoformat())
    assert {earlier, lost} <= {each["invoiceId"] for each in both}
    nothing = operator.reconcile(since="2020-01-01T00:00:00Z", until="2020-02-01T00:00:00+01:00")
    assert nothing == []
    [by_number] = operator.reconcile(invoiceNumber=system.tenant.invoice(lost)["number"])
    assert (by_number["invoiceId"], by_number["runState"]) == (lost, None)
    unknown = operator.ask("reconciliations", {"by": "olga", "invoiceNumber": "O'Hara-1"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "noInvoice")
    assert operator.compare(lost, fix=True)["fixed"] == len(produced)
    operator.await_state(lost, "completed")
    assert operator.compare(lost)["equal"]


def test_a_paid_invoice_is_compared_and_one_set_back_to_draft_is_told(system: Relay, operator: Operator) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    paid, draft = system.carry(2, seed=405), system.carry(2, seed=406)
    change(system, paid, msdyn_projectinvoicestatus=PAID)
    change(system, draft, msdyn_projectinvoicestatus=DRAFT)
    job = operator.job(since=began.isoformat())
    assert (job["compared"], job["of"]) == (2, 2)
    assert job["expected"] == {"confirmed": 1, "runs": 2, "beforeGoLive": 0}
    assert job["summary"].startswith("Compared 2 of 2 invoices. Dataverse lists 1 as confirmed; 2 runs of this period")
    found = {each["invoiceId"]: each for each in job["invoices"]}
    assert (found[paid]["equal"], found[draft]["equal"]) == (True, False)
    assert "msdyn_projectinvoicestatus is 192350000" in found[draft]["doubt"]
    assert operator.compare(draft, fix=True)["fixed"] == 0
    assert operator.sweep()["started"] == []

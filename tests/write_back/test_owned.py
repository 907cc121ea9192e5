"""What Finance owns after posting is Finance's: no row that is sent again brings another value for it."""

import json
from decimal import Decimal

from tests.endtoend.relay import Relay
from tests.operations.operator import Accountant, Operator, held
from tests.write_back.bookkeeping import (
    await_quiet,
    change_in_dataverse,
    in_dataverse,
    in_finance,
    number_of,
    post,
    ring,
    run_of,
    write_back,
)

OWNED = ("VoucherNumber", "AccountingAmount", "ExchangeRate", "SalesTaxAmount", "IsJournalized")


def test_a_posted_row_that_is_sent_again_keeps_what_finance_owns(system: Relay, invoice_id: str) -> None:
    """An operator has a difference mended between posting and the write-back. The row went with the tax and the mark
    that Dataverse had, which was none, and then the write-back brought the lost tax to Dataverse as well."""
    post(system, invoice_id)
    number = number_of(system, invoice_id)
    [row, *_] = [row for row in held(system, number) if row["SalesTaxAmount"]]
    change_in_dataverse(system, row["ActualId"], msdyn_externaldescription="as the customer calls it")
    result = Operator(system).compare(invoice_id, fix=True)
    assert (result["fixed"], [each["field"] for each in result["different"]]) == (1, ["EXTERNALDESCRIPTION"])
    system.finish([invoice_id])
    [again] = [each for each in held(system, number) if each["ActualId"] == row["ActualId"]]
    assert again["ExternalDescription"] == "as the customer calls it"
    assert {name: again[name] for name in OWNED} == {name: row[name] for name in OWNED}
    assert (again["IsJournalized"], again["SalesTaxAmount"] != 0) == ("Yes", True)
    ring(system)
    assert run_of(system, invoice_id)["posting"] == "written back"
    posted = in_finance(system, invoice_id)
    assert in_dataverse(system, posted) == posted
    assert posted[row["ActualId"].lower()][3] == Decimal(row["SalesTaxAmount"])


def test_what_finance_changed_after_posting_is_no_difference(system: Relay, invoice_id: str) -> None:
    post(system, invoice_id)
    [row, *_] = held(system, number_of(system, invoice_id))
    Accountant(system).change(row["ActualsImportId"], SalesTaxAmount=12.34, IsJournalized="No")
    result = Operator(system).compare(invoice_id)
    assert (result["equal"], result["different"]) == (True, [])


def test_a_value_in_dataverse_is_never_replaced_by_nothing(system: Relay, invoice_id: str) -> None:
    """An import by another application empties the tax of a posted row in Finance after it was written back."""
    post(system, invoice_id)
    ring(system)
    [row, *_] = [row for row in held(system, number_of(system, invoice_id)) if row["SalesTaxAmount"]]
    before = in_dataverse(system, [row["ActualId"]])
    Accountant(system).change(row["ActualsImportId"], SalesTaxAmount=0, ExchangeRate=123.5)
    run = write_back(system, invoice_id)
    assert run["posting"] == "refused"
    assert run["postingDetail"].startswith(f"1 row kept as it is, the first ({row['ActualId'].lower()}): ")
    assert "msdyn_accountingtaxamount is" in run["postingDetail"]
    [(_, _, rate, tax)] = in_dataverse(system, [row["ActualId"]]).values()
    [(_, _, _, tax_before)] = before.values()
    assert (rate, tax) == (Decimal("123.5"), tax_before)
    Operator(system).post("dismissals", invoiceId=invoice_id, reason="Finance is being corrected")
    Operator(system).await_posting(invoice_id, "written back")
    assert [detail[3] for detail in in_dataverse(system, [row["ActualId"]]).values()] == [tax_before]


def test_finances_nothing_is_taken_once_dataverse_has_none(system: Relay, invoice_id: str) -> None:
    post(system, invoice_id)
    ring(system)
    [row, *_] = [row for row in held(system, number_of(system, invoice_id)) if row["SalesTaxAmount"]]
    Accountant(system).change(row["ActualsImportId"], SalesTaxAmount=0)
    assert write_back(system, invoice_id)["posting"] == "refused"
    change_in_dataverse(system, row["ActualId"], msdyn_accountingtaxamount=None)
    assert write_back(system, invoice_id)["posting"] == "written back"
    assert [detail[3] for detail in in_dataverse(system, [row["ActualId"]]).values()] == [0]


def test_a_message_that_claims_progress_ends_nothing(system: Relay, invoice_id: str) -> None:
    """A message said that nearly two thousand million rows had been written: the run was written back, and nothing was
    posted."""
    for claim in ({"skip": 1_999_998_000}, {"ticket": "0" * 32, "page": 7}, {"page": 7}):
        system.send("write-back", json.dumps({"v": 1, "kind": "writeBack", "invoiceId": invoice_id, **claim}))
        await_quiet(system)
        run = run_of(system, invoice_id)
        assert (run["posting"], run["writtenBackAt"]) == ("not posted", None)
    post(system, invoice_id)
    system.send("write-back", json.dumps({"v": 1, "kind": "writeBack", "invoiceId": invoice_id, "skip": 2000}))
    Operator(system).await_posting(invoice_id, "written back")
    posted = in_finance(system, invoice_id)
    assert in_dataverse(system, posted) == posted

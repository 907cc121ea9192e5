"""What Finance owns after posting is Finance's: no row that is sent again brings another value for it."""

from decimal import Decimal

from tests.endtoend.relay import Relay
from tests.operations.operator import Accountant, Operator, held
from tests.write_back.bookkeeping import change_in_dataverse, in_dataverse, in_finance, number_of, post, ring, run_of

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

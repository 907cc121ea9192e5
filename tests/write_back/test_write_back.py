"""After posting in Finance, every posted actual in Dataverse has Finance's accounting detail, once and exactly."""

from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.endtoend.dataverse_reader import read_actuals
from tests.endtoend.relay import Relay, await_that
from tests.operations.operator import Accountant, Operator, held, produced_actuals
from tests.write_back.bookkeeping import (
    change_in_dataverse,
    in_dataverse,
    in_finance,
    looks,
    number_of,
    post,
    ring,
    run_of,
    write_back,
    writes,
)
from tests.write_back.conftest import INVOICE_LINES, Stock

BUSINESS_EVENT = b"""{"BusinessEventId": "ProjectInvoicePostedBusinessEvent", "ControlNumber": 5637144576,
 "EventId": "8b1d37b6-2b0c-4d4d-a6c0-5b4d2e1f9a10", "EventTime": "/Date(1795244530000)/", "MajorVersion": 0,
 "MinorVersion": 0, "LegalEntity": "usmf", "ProjInvoiceId": "PSI-000000001"}"""
DATA_EVENT = b"""{"MessageName": "OnExternalUpdated", "PrimaryEntityName": "mserp_projactualsimportentity",
 "PrimaryEntityId": "22222222-2222-2222-2222-222222222222", "InputParameters": [{"key": "Target", "value": {
 "LogicalName": "mserp_projactualsimportentity", "Attributes": [{"key": "mserp_vouchernumber", "value": "PSI-1"}]}}]}"""


def test_every_posted_actual_has_finances_detail_to_the_last_decimal(system: Relay, invoice_id: str) -> None:
    before = run_of(system, invoice_id)
    assert (before["posting"], before["postedAt"], before["writtenBackAt"]) == ("not posted", None, None)
    post(system, invoice_id)
    rates = {"ExchangeRate": 110.123457, "AccountingAmount": 98765.43, "SalesTaxAmount": -0.01}
    Accountant(system).change(held(system, before["invoiceNumber"])[7]["ActualsImportId"], **rates)
    ring(system)
    posted = in_finance(system, invoice_id)
    assert {rate for _, _, rate, _ in posted.values()} == {Decimal(100), Decimal("110.123457")}
    assert set(posted) == produced_actuals(system, invoice_id)
    assert len(posted) > INVOICE_LINES
    assert in_dataverse(system, posted) == posted
    run = run_of(system, invoice_id)
    assert (run["state"], run["posting"], run["postingDetail"]) == ("completed", "written back", "")
    assert before["updatedAt"] < run["postedAt"] <= run["writtenBackAt"]


def test_nothing_is_written_before_all_billed_sales_are_posted(system: Relay, invoice_id: str) -> None:
    post(system, invoice_id)
    last = held(system, run_of(system, invoice_id)["invoiceNumber"])[-1]
    Accountant(system).change(last["ActualsImportId"], VoucherNumber="")
    before = writes(system)
    ring(system)
    assert writes(system) == before
    assert run_of(system, invoice_id)["posting"] == "not posted"
    Accountant(system).change(last["ActualsImportId"], VoucherNumber=last["VoucherNumber"])
    ring(system)
    assert run_of(system, invoice_id)["posting"] == "written back"
    posted = in_finance(system, invoice_id)
    assert in_dataverse(system, posted) == posted


def test_what_is_written_back_is_not_written_again(system: Relay, invoice_id: str) -> None:
    post(system, invoice_id)
    ring(system)
    run, before = run_of(system, invoice_id), writes(system)
    ring(system)
    assert write_back(system, invoice_id)["posting"] == "written back"
    assert writes(system) == before
    assert run_of(system, invoice_id)["postedAt"] == run["postedAt"]


def test_only_rows_that_differ_are_written(system: Relay, invoice_id: str) -> None:
    post(system, invoice_id)
    ring(system)
    posted = in_finance(system, invoice_id)
    emptied, wrong, *_ = posted
    change_in_dataverse(system, emptied, msdyn_vouchernumber=None, msdyn_accountingamount=None)
    change_in_dataverse(system, wrong, msdyn_accountingtaxamount=0.01)
    versions = versions_of(system, posted)
    write_back(system, invoice_id)
    assert in_dataverse(system, posted) == posted
    changed = {actual for actual, version in versions_of(system, posted).items() if version != versions[actual]}
    assert changed == {emptied, wrong}


def test_a_throttled_write_back_waits_and_comes_back_whole(system: Relay, invoice_id: str) -> None:
    post(system, invoice_id)
    system.tenant.switch("dataverse", throttleNext=3, throttleSeconds=1.0)
    system.tenant.ring()
    Operator(system).await_posting(invoice_id, "written back")
    assert system.tenant.requests("dataverse")["throttled"] >= 3
    posted = in_finance(system, invoice_id)
    assert in_dataverse(system, posted) == posted
    assert system.tenant.requests("dataverse")["whileThrottled"] == 0


def test_a_corrective_invoice_comes_back_with_its_reversals(system: Relay, invoice_id: str) -> None:
    correction = system.tenant.correct(invoice_id)
    system.tenant.confirm(correction)
    system.finish([correction])
    # A reversal is ready for Finance when the row that it takes back is posted.
    post(system, invoice_id)
    post(system, correction)
    ring(system)
    for each in (invoice_id, correction):
        Operator(system).await_posting(each, "written back")
        posted = in_finance(system, each)
        assert set(posted) == produced_actuals(system, each)
        assert in_dataverse(system, posted) == posted


def test_invoices_of_two_companies_come_back_by_one_look(system: Relay, invoice_id: str) -> None:
    other = system.carry(20, seed=77, company="demf")
    system.tenant.book("demf")
    system.tenant.post_proposal("demf", number_of(system, other))
    post(system, invoice_id)
    ring(system)
    for each in (invoice_id, other):
        Operator(system).await_posting(each, "written back")
        posted = in_finance(system, each)
        assert set(posted) == produced_actuals(system, each)
        assert in_dataverse(system, posted) == posted


def versions_of(system: Relay, actuals: dict[str, Any]) -> dict[str, str]:
    return {row["msdyn_actualid"]: row["@odata.etag"] for row in read_actuals(system, list(actuals))}


def test_columns_kept_for_dual_write_are_explained_once_and_go_when_they_are_let(
    system: Relay, invoice_id: str
) -> None:
    system.tenant.switch("dataverse", dualWriteClients="")
    post(system, invoice_id)
    ring(system)
    run = run_of(system, invoice_id)
    assert (run["state"], run["posting"], run["writtenBackAt"]) == ("completed", "refused", None)
    assert run["postedAt"]
    assert "can only be updated by the dual-write process" in run["postingDetail"]
    for setting in ("writeBack.strategy", "shared/maps/actuals.json", "customColumns", "off"):
        assert setting in run["postingDetail"]
    before = writes(system)
    ring(system)
    assert writes(system) == before
    system.tenant.let_app_write_back()
    assert write_back(system, invoice_id)["posting"] == "written back"
    posted = in_finance(system, invoice_id)
    assert in_dataverse(system, posted) == posted


@pytest.mark.parametrize(
    "body",
    [BUSINESS_EVENT, DATA_EVENT, b"", b"null", b"\xff\x00{", b'{"kind": "writeBack", "invoiceId": "all"}'],
    ids=["business event", "data event", "nothing", "null", "no text", "something else"],
)
def test_whatever_finance_says_is_a_doorbell(system: Relay, waiting: str, body: bytes) -> None:
    before = looks(system)
    answer = requests.post(system.address("postings"), data=body, headers=system.operator, timeout=60)
    assert (answer.status_code, answer.json()) == (202, {"accepted": True})
    await_that(lambda: looks(system) > before, "a look at what was posted", 30.0)
    assert run_of(system, waiting)["posting"] == "not posted"


@pytest.fixture(scope="module")
def waiting(stock: Stock) -> str:
    """An invoice that is never posted, for which every look has to ask Finance."""
    return stock.take()


def test_the_webhooks_key_rings_no_bell(system: Relay) -> None:
    for headers in ({"x-functions-key": system.stack.webhook_key}, {"x-functions-key": "guess"}, {}):
        answer = requests.post(system.address("postings"), data=BUSINESS_EVENT, headers=headers, timeout=60)
        assert answer.status_code == 401


def test_a_run_that_is_not_completed_is_not_written_back(system: Relay) -> None:
    body = {"invoiceId": "00000000-0000-0000-0000-000000000001", "by": "olga"}
    answer = requests.post(system.address("write-backs"), json=body, headers=system.operator, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "notCompleted")

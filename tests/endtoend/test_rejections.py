"""Rows that Finance rejects are recorded with Finance's message. One bad invoice blocks no other."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simulators.demo import FINAL
from tests.endtoend.relay import Relay, await_that

ACTUALS = "Project Operations integration actuals"


@pytest.fixture
def finance(system: Relay) -> Iterator[Relay]:
    """A Finance with faults, which are switched off after the test."""
    ordinary = requests.get(f"{system.stack.url('finance')}/sim/switches", timeout=60).json()
    yield system
    system.tenant.switch("finance", **ordinary)


def _map(run: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in run["maps"] if each["map"] == name)


@pytest.mark.parametrize("form", ["key", "row", "recid"])
def test_the_refused_rows_are_found_however_finance_names_them(finance: Relay, form: str) -> None:
    tenant = finance.tenant
    rule = {"entity": ACTUALS, "field": "DESCRIPTION", "contains": "\n", "message": 'Line property "x" is missing'}
    tenant.switch("finance", recordIdForm=form, rejectRows=[rule])
    invoice_id = tenant.draft(150, seed=60 + len(form))
    tenant.confirm(invoice_id)
    run = finance.finish([invoice_id])[0]
    held = {row["ActualId"].lower() for row in tenant.held("actuals")}
    missing = [r for r in tenant.produced(invoice_id) if r["kind"] == "actual" and r["actualId"] not in held]
    assert run["state"] == "needs attention"
    assert _map(run, "actuals")["rejected"] == len(missing) > 0
    assert 'Line property "x" is missing' in run["detail"]
    assert _map(run, "transactionconnections")["done"] == 0


def test_a_bad_invoice_in_a_shared_import_stops_no_other(finance: Relay) -> None:
    tenant = finance.tenant
    invoices = [tenant.draft(20, seed=70 + number) for number in range(6)]
    bad = tenant.invoice(invoices[2])["number"]
    tenant.switch(
        "finance", rejectRows=[{"entity": ACTUALS, "field": "INVOICEPROPOSALID", "equals": bad, "message": "No"}]
    )
    for invoice_id in invoices:
        tenant.confirm(invoice_id)
    states = [run["state"] for run in finance.finish(invoices)]
    assert states == ["completed", "completed", "needs attention", "completed", "completed", "completed"]


@pytest.mark.parametrize("invoices", [1, 4])
def test_an_import_that_fails_as_a_whole_is_sent_again_by_itself(finance: Relay, invoices: int) -> None:
    drafts = [finance.tenant.draft(10, seed=80 + 10 * invoices + number) for number in range(invoices)]
    finance.tenant.switch("finance", faultEntity=ACTUALS, importFailsWhole=2, importFailsWith="DMF2036 Index rebuilt")
    for invoice_id in drafts:
        finance.tenant.confirm(invoice_id)
    assert {run["state"] for run in finance.finish(drafts)} == {"completed"}
    assert finance.tenant.counts()["duplicates"] == 0


@pytest.mark.parametrize("fault", [{"succeedsWithZeroRows": 1}, {"importFailsWhole": 1, "importFailsAs": "Canceled"}])
def test_an_import_that_took_nothing_is_sent_again_by_itself(finance: Relay, fault: dict[str, Any]) -> None:
    finance.tenant.switch("finance", **fault)
    run = finance.tenant.run(finance.carry(5, seed=90 + len(fault)))
    assert run
    assert (run["state"], run["rejected"]) == ("completed", 0)


def test_only_the_rows_with_a_value_too_long_are_rejected(finance: Relay) -> None:
    """Finance fails the whole file and names no row; the simulated descriptions are cut at 200 characters."""
    tenant = finance.tenant
    invoice_id = tenant.draft(60, seed=95)
    tenant.switch("finance", longestValues={"DESCRIPTION": 199})
    tenant.confirm(invoice_id)
    [run] = finance.finish([invoice_id], patience=240)
    held = {row["ActualId"]: row["Description"] for row in tenant.held("actuals")}
    sent = [row["actualId"] for row in tenant.produced(invoice_id) if row["kind"] == "actual"]
    missing = [each for each in sent if each not in held]
    assert (run["state"], _map(run, "actuals")["rejected"]) == ("needs attention", len(missing))
    assert 0 < len(missing) < len(sent) / 2
    assert "would be truncated" in run["detail"]


def test_rows_that_finance_holds_are_in_whatever_it_counts(finance: Relay) -> None:
    for said in (7, 700):
        finance.tenant.switch("finance", faultEntity=ACTUALS, saidCount=said)
        run = finance.tenant.run(finance.carry(24, seed=96 + said))
        assert run
        assert (run["state"], run["rejected"]) == ("completed", 0)


def test_a_start_that_finance_refuses_is_no_verdict_on_rows(finance: Relay) -> None:
    finance.tenant.switch("finance", faultEntity=ACTUALS, refuseStarts=2)
    run = finance.tenant.run(finance.carry(12, seed=97))
    assert run
    assert (run["state"], run["rejected"]) == ("completed", 0)


@pytest.mark.parametrize("late", [False, True])
def test_a_lost_start_of_a_header_holds_up_no_other_invoice(finance: Relay, *, late: bool) -> None:
    tenant = finance.tenant
    tenant.switch("finance", refuseStarts=1, refuseStartsForm="page", refuseStartsStatus=502, refuseStartsLate=late)
    first = tenant.draft(3, seed=98)
    tenant.confirm(first)
    await_that(lambda: _switch(finance, "refuseStarts") == 0 or None, "a lost start")
    assert finance.carry(3, seed=99)
    assert (tenant.run(first) or {})["state"] in {"syncing header", *FINAL}


def _switch(finance: Relay, name: str) -> Any:
    return requests.get(f"{finance.stack.url('finance')}/sim/switches", timeout=60).json()[name]

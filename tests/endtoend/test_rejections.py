"""What Finance refuses is kept row by row in Finance's own words; one bad invoice stops no other."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.endtoend.relay import Relay

ACTUALS = "Project Operations integration actuals"


@pytest.fixture
def finance(system: Relay) -> Iterator[Relay]:
    """A Finance whose faults are mended after the test."""
    yield system
    system.tenant.switch(
        "finance", rejectRows=[], recordIdForm="key", succeedsWithZeroRows=0, importFailsWhole=0, busyProject="refuse"
    )


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


def test_an_import_that_fails_as_a_whole_is_taken_apart_and_sent_again(finance: Relay) -> None:
    invoices = [finance.tenant.draft(10, seed=80 + number) for number in range(4)]
    finance.tenant.switch("finance", importFailsWhole=2)
    for invoice_id in invoices:
        finance.tenant.confirm(invoice_id)
    states = [run["state"] for run in finance.finish(invoices)]
    assert states.count("completed") >= 2
    assert set(states) <= {"completed", "needs attention"}
    assert finance.tenant.counts()["duplicates"] == 0


def test_success_with_zero_rows_is_no_success(finance: Relay) -> None:
    invoice_id = finance.tenant.draft(5, seed=90)
    finance.tenant.switch("finance", succeedsWithZeroRows=1)
    finance.tenant.confirm(invoice_id)
    run = finance.finish([invoice_id])[0]
    assert run["state"] == "needs attention"
    assert "took in 0 of 1 rows" in run["detail"]

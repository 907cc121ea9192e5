"""Services that give no answer, or forbid one thing, or speak another language: invoices arrive all the same."""

import time

import pytest

from tests.proof.test_finance_faults import MESSAGE
from tests.proof.troubles import Troubles

TABLE = "msdyn_transactionconnections"
ENTITY = "ProjActualsImports"


@pytest.mark.parametrize("status", [400, 404])
def test_finance_restarts_and_answers_with_pages(troubles: Troubles, status: int) -> None:
    [invoice_id] = troubles.draft(1)
    troubles.switch("finance", spoilForm="page", spoilStatus=status, spoilUntil=time.time() + 8)
    troubles.confirm(invoice_id)
    said = f"Finance answered {status} with an HTML page to "
    troubles.await_that(lambda: _waits(troubles, invoice_id, said), "what it waits for", invoice_id)
    assert any(said in each for each in _problems(troubles))
    troubles.complete(invoice_id)
    assert troubles.findings(invoice_id).clean


def test_what_a_role_does_not_hold_stops_only_what_needs_it(troubles: Troubles) -> None:
    first, second = troubles.draft(2)
    troubles.switch("dataverse", forbidTables=TABLE)
    troubles.confirm(first)
    said = f"Dataverse does not permit prvReadmsdyn_transactionconnection on {TABLE} (0x80040220)"
    troubles.await_that(lambda: _waits(troubles, first, said), "what it waits for", first)
    assert any(TABLE in each for each in _problems(troubles))
    # The header of another invoice is still sent to Finance.
    troubles.confirm(second)
    troubles.await_state(second, "syncing actuals")
    assert not troubles.operator.get("health")["gates"]
    troubles.switch("dataverse", forbidTables="")
    troubles.complete(first, second)
    third = troubles.draft(1, lines=9)[0]
    troubles.switch("finance", forbidEntities=[ENTITY])
    troubles.confirm(third)
    said = f"Finance does not permit reading on {ENTITY}"
    troubles.await_that(lambda: _waits(troubles, third, said), "what it waits for", third)
    troubles.switch("finance", forbidEntities=[])
    troubles.complete(third)
    assert troubles.findings(first, second, third).clean


@pytest.mark.parametrize("service", ["dataverse", "finance"])
def test_a_caller_who_is_not_let_in_closes_the_gate(troubles: Troubles, service: str) -> None:
    [invoice_id] = troubles.draft(1)
    troubles.switch(service, forbidCaller=True)
    troubles.confirm(invoice_id)
    [gate] = troubles.await_that(lambda: troubles.operator.get("health")["gates"] or None, "a closed gate", invoice_id)
    assert gate["kind"] == "not let in"
    troubles.switch(service, forbidCaller=False)


def test_services_that_speak_german_are_understood(troubles: Troubles) -> None:
    """A lost import call of the only header lane, refused rows, the way back."""
    troubles.switch("dataverse", language="de")
    troubles.switch("finance", language="de", sasSeconds=3.0)
    troubles.lose("finance", {"POST ImportFromPackageAsync": ["reset"]})
    invoices = troubles.draft(2)
    troubles.confirm(*invoices)
    troubles.complete(*invoices)
    troubles.write_back(*invoices)
    assert troubles.findings(*invoices).clean
    troubles.switch("finance", language="de")
    refused = troubles.draft(1, lines=5)[0]
    rule = {"entity": "Project Operations integration actuals", "everyNth": 3, "message": MESSAGE}
    troubles.switch("finance", rejectRows=[rule])
    troubles.confirm(refused)
    run = troubles.await_final(refused)[0]
    assert run["state"] == "needs attention", run["detail"]
    assert run["rejected"] > 0
    troubles.switch("finance", rejectRows=[])
    troubles.operator.replay(invoiceId=refused)
    troubles.await_state(refused, "completed")
    assert troubles.findings(refused).clean


def _waits(troubles: Troubles, invoice_id: str, text: str) -> bool | None:
    run = troubles.run(invoice_id)
    return any(text in each["reason"] for each in (run["waitsFor"] if run else [])) or None


def _problems(troubles: Troubles) -> list[str]:
    return list(troubles.operator.get("health")["problems"])

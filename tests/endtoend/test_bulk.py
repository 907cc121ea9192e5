"""One webhook with many invoices, and invoices whose status has changed again before they were read."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

from shared.project_operations.codes import CONFIRMED, DRAFT, PAID
from tests.endtoend.dataverse_reader import token
from tests.endtoend.relay import Relay

ZEROS = str(UUID(int=0))
POSTED = 192350004


def row(invoice_id: str, status: int = CONFIRMED) -> dict[str, Any]:
    """A target of UpdateMultiple."""
    return {"Id": invoice_id, "LogicalName": "invoice",
            "Attributes": [{"key": "msdyn_projectinvoicestatus", "value": {"Value": status}}]}  # fmt: skip


def bulk(system: Relay, *targets: object) -> dict[str, Any]:
    """The body of an UpdateMultiple."""
    inputs = [{"key": "Targets", "value": {"Entities": list(targets)}}]
    return system.event(ZEROS, MessageName="UpdateMultiple", InputParameters=inputs)


def change(system: Relay, invoice_id: str, **columns: Any) -> None:
    """Change an invoice in Dataverse as one of its users."""
    url = f"{system.stack.url('dataverse')}/api/data/v9.2/invoices({invoice_id})"
    headers = {"Authorization": f"Bearer {token(system, 'dataverse')}"}
    answer = requests.patch(url, json=columns, headers=headers, timeout=60)
    assert answer.status_code == 204, answer.text


def confirmed_unheard(system: Relay, seed: int) -> str:
    """An invoice whose webhook was lost."""
    invoice_id = system.tenant.draft(2, seed=seed)
    system.tenant.switch("dataverse", webhookOff=True)
    system.tenant.confirm(invoice_id)
    system.tenant.switch("dataverse", webhookOff=False)
    return invoice_id


def test_every_confirmed_invoice_of_a_bulk_webhook_completes_and_the_others_are_named(system: Relay) -> None:
    first, second = (confirmed_unheard(system, seed) for seed in (601, 602))
    draft = system.tenant.draft(1, seed=603)
    answer = system.post(json=bulk(system, row(first), {"Id": 7}, row(draft, DRAFT), row(second), row(first)))
    assert answer.status_code == 202
    body = answer.json()
    assert [each["invoiceId"] for each in body["accepted"]] == [first, second]
    assert [each["invoiceId"] for each in body["ignored"]] == [draft]
    assert body["unnamed"] == "targets without a usable id: 1 of 5"
    assert {run["state"] for run in system.finish([first, second])} == {"completed"}
    again = system.post(json=bulk(system, row(first), row(second)))
    assert {each["state"] for each in again.json()["accepted"]} == {"completed"}
    assert system.tenant.run(draft) is None


def test_a_bulk_webhook_without_a_confirmation_is_a_200_that_names_the_reasons(system: Relay) -> None:
    answer = system.post(json=bulk(system, row(str(uuid4()), DRAFT), {"Id": str(uuid4()), "Attributes": [
        {"key": "name", "value": "x"}]}))  # fmt: skip
    assert answer.status_code == 200
    reasons = [each["reason"] for each in answer.json()["ignored"]]
    assert ["not 192350002" in reasons[0], "not among the changed columns" in reasons[1]] == [True, True]


@pytest.mark.parametrize("stripped", ["absent", None, []])
def test_a_stripped_bulk_webhook_starts_its_invoices_without_a_sweep(system: Relay, stripped: object) -> None:
    invoice_id = confirmed_unheard(system, 604)
    event = system.event(ZEROS, MessageName="UpdateMultiple")
    body = event if stripped == "absent" else event | {"InputParameters": stripped}
    answer = system.post(json=body)
    assert (answer.status_code, "256 KB" in answer.json()["unnamed"]) == (202, True)
    assert system.finish([invoice_id])[0]["state"] == "completed"


@pytest.mark.parametrize("status", [PAID, POSTED])
def test_the_event_of_a_later_status_starts_an_invoice_that_nobody_heard_of(system: Relay, status: int) -> None:
    invoice_id = confirmed_unheard(system, 605)
    change(system, invoice_id, msdyn_projectinvoicestatus=status)
    assert system.finish([invoice_id])[0]["state"] == "completed"


def test_a_later_status_of_a_draft_without_billed_sales_starts_nothing(system: Relay) -> None:
    draft = system.tenant.draft(1, seed=606)
    change(system, draft, msdyn_projectinvoicestatus=POSTED)
    other = confirmed_unheard(system, 607)
    answer = system.post(json=bulk(system, row(draft, POSTED), row(other, PAID)))
    assert answer.json()["lookedUp"] == [draft, other]
    assert system.finish([other])[0]["state"] == "completed"
    assert system.tenant.run(draft) is None


def test_dataverse_itself_tells_of_its_rows_in_bulk(system: Relay) -> None:
    """A step on UpdateMultiple instead of Update."""
    hook: dict[str, Any] = {
        "url": system.address("invoices/confirmations"), "authType": "HttpHeader", "message": "UpdateMultiple",
        "headers": {"x-functions-key": system.stack.webhook_key}, "entity": "invoice",
        "filteringAttributes": ["msdyn_projectinvoicestatus"],
    }  # fmt: skip
    sim = f"{system.stack.url('dataverse')}/sim"
    for step in requests.get(f"{sim}/webhooks", timeout=60).json()["steps"]:
        requests.delete(f"{sim}/webhooks/{step['id']}", timeout=60).raise_for_status()
    made = requests.post(f"{sim}/webhooks", json=hook, timeout=60)
    try:
        assert made.status_code == 201, made.text
        invoice_id = system.carry(2, seed=608)
        assert (system.tenant.run(invoice_id) or {})["state"] == "completed"
    finally:
        requests.delete(f"{sim}/webhooks/{made.json()['id']}", timeout=60).raise_for_status()
        system.tenant.register_webhook()

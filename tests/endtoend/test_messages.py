"""A message that cannot be processed ends on the poison queue, its run says why, and the others go on."""

import json
from typing import Any

import pytest

from tests.endtoend.relay import Relay, await_that


def _poisoned(system: Relay, queue: str, text: str) -> bool:
    return text in system.peek(f"{queue}-poison")


@pytest.mark.parametrize("queue", ["invoices", "actuals", "transactionconnections"])
def test_what_is_no_message_of_ours_ends_on_the_poison_queue(system: Relay, queue: str) -> None:
    text = json.dumps({"hello": queue})
    system.send(queue, text)
    assert await_that(lambda: _poisoned(system, queue, text), "poison message")


def test_a_message_of_a_newer_version_fails_its_run_with_the_reason(system: Relay) -> None:
    invoice_id = system.tenant.draft(2, seed=41)
    system.tenant.switch("dataverse", throttleNext=1, throttleSeconds=60.0)
    try:
        assert system.post(json=system.event(invoice_id)).status_code == 202
        text = json.dumps({"v": 2, "kind": "load", "stage": "actuals", "invoiceId": invoice_id, "shape": "new"})
        system.send("actuals", text)
        run: dict[str, Any] = system.finish([invoice_id])[0]
    finally:
        system.tenant.switch("dataverse", throttleNext=0)
    assert run["state"] == "failed"
    assert "message version 2, this app reads version 1" in run["detail"]
    assert await_that(lambda: _poisoned(system, "actuals", text), "poison message")

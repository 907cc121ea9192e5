"""The host's log contains ids of runs and invoices, but no customer data and no secrets."""

import json
import re
from collections.abc import Iterator
from uuid import uuid4

import requests

from simulators.azurite import APP_ACCOUNT
from simulators.dataverse.scenario.texts import CUSTOMERS, DESCRIPTIONS, PROJECTS, TASKS
from tests.endtoend.relay import Relay, await_that
from tests.operations.operator import ACTUALS, Operator

CANARY = "canary-5d1f0c"
LONG_ENOUGH = 8
"""Shorter texts and amounts stand in any log by chance."""


def test_no_log_holds_a_name_a_description_an_amount_or_a_credential(system: Relay, operator: Operator) -> None:
    tenant = system.tenant
    completed = system.carry(12, seed=700)
    rule = {"entity": ACTUALS, "field": "DESCRIPTION", "contains": "crane", "message": f"Not for {CANARY}: 1234.5678"}
    tenant.switch("finance", rejectRows=[rule])
    refused = system.carry(12, seed=701)
    assert CANARY in operator.groups(refused)[0]["sample"]
    operator.post("dismissals", invoiceId=refused, reason=f"{CANARY} said so")
    operator.await_state(refused, "completed")
    tenant.switch("finance", rejectRows=[])
    tenant.switch("dataverse", foreignNextLink=True)
    failed = system.carry(12, seed=702)
    tenant.switch("dataverse", foreignNextLink=False)
    forged = str(uuid4())
    assert system.post(json=system.event(forged, Padding=CANARY, BusinessUnitId=CANARY)).status_code == 202
    system.finish([forged])
    system.send("actuals", json.dumps({"v": 1, "kind": "load", "stage": "actuals", "note": CANARY}))
    for query in ({"code": system.stack.function_key}, {"code": system.stack.function_key, "search": CANARY}):
        requests.get(system.address("runs"), params=query, timeout=60)
    operator.ask("pauses", {"by": CANARY, "reason": CANARY, "map": CANARY})
    operator.compare(completed)
    await_that(lambda: not system.peek("actuals") and not system.peek("actuals-poison"), "poison message booked")
    await_that(lambda: "poison" in _log(system), "log of the poison message")

    log = _log(system)
    assert all(invoice_id in log for invoice_id in (completed, refused, failed, forged))
    found = {name: _around(log, text) for name, text in _secrets(system, [completed, refused, failed]) if text in log}
    assert found == {}
    assert not re.findall(r"eyJ[\w-]{10,}\.[\w-]{10,}", log), "a token"
    assert not re.findall(r"[?&](sig|code|sv)=\S+", log), "a signed URL, or a key in one"


def _secrets(system: Relay, invoices: list[str]) -> Iterator[tuple[str, str]]:
    stack = system.stack
    yield "canary", CANARY
    yield from {
        "client secret": stack.client_secret,
        "token secret": stack.token_secret,
        "master key": stack.master_key,
        "function key": stack.function_key,
        "webhook key": stack.webhook_key,
        "storage key": re.findall(r"AccountKey=([^;]+)", stack.azurite.connection_string(APP_ACCOUNT))[0],
    }.items()
    for text in {*CUSTOMERS, *PROJECTS, *TASKS, *DESCRIPTIONS} - {None}:
        for form in {str(text), json.dumps(text)[1:-1], repr(text)[1:-1]}:
            if len(form) >= LONG_ENOUGH:
                yield f"text {text!r}", form
    for invoice_id in invoices:
        yield "total", str(system.tenant.invoice(invoice_id)["proformaTotal"])
        for amount in {str(row.get("amount", "")) for row in system.tenant.produced(invoice_id)}:
            if len(amount) >= LONG_ENOUGH:
                yield "amount", amount


def _log(system: Relay) -> str:
    return "".join(path.read_text() for path in sorted(system.stack.run_dir.glob("host-*.log")))


def _around(log: str, text: str) -> str:
    return next(line for line in log.splitlines() if text in line)

"""A message that cannot be processed is booked on its run, kept for the operator, and never loops."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import requests
from azure.data.tables import TableServiceClient
from azure.data.tables.aio import TableServiceClient as AsyncTableServiceClient

from shared.clock import now
from shared.engine.lifecycle import accept
from shared.ledger.runs import Ledger
from tests.endtoend.relay import Relay, await_that

QUEUES = ("invoices", "actuals", "transactionconnections", "jobs", "write-back", "operations")


def test_strange_messages_are_kept_and_fail_the_run_that_they_name(system: Relay) -> None:
    invoice_id = str(uuid4())
    asyncio.run(accept_without_message(system, invoice_id))
    strange = json.dumps({"v": 1, "kind": "load", "stage": "actuals", "invoiceId": invoice_id, "shape": "new"})
    orphan = json.dumps({"v": 1, "kind": "load", "stage": "invoices", "invoiceId": str(uuid4())})
    foreign = {queue: json.dumps({"hello": queue}) for queue in QUEUES}
    for queue, text in [("actuals", strange), ("invoices", orphan), *foreign.items()]:
        system.send(queue, text)
    for queue, text in [("actuals", strange), ("invoices", orphan), *foreign.items()]:
        kept = await_that(lambda q=queue, t=text: _kept(system, q, t), f"poison of {queue}")  # type: ignore[misc]
        assert kept["reason"]
    for queue in QUEUES:
        assert await_that(lambda q=queue: system.peek(f"{q}-poison") == [], f"an empty {queue}-poison")  # type: ignore[misc]
    run = system.finish([invoice_id])[0]
    assert run["state"] == "failed"
    assert "shape: Extra inputs are not permitted" in run["detail"]
    health = requests.get(system.address("health"), headers=system.operator, timeout=60).json()
    assert not health["healthy"]
    assert all(row["count"] for row in health["poison"])


async def accept_without_message(system: Relay, invoice_id: str) -> None:
    """Open the run of an invoice like a webhook that crashes before it sends its message."""
    async with AsyncTableServiceClient.from_connection_string(system.stack.azurite.connection_string()) as tables:
        runs = await tables.create_table_if_not_exists("runs")
        register = await tables.create_table_if_not_exists("register")
        await accept(Ledger(runs, register, now), UUID(invoice_id))


def _kept(system: Relay, queue: str, text: str) -> dict[str, Any] | None:
    tables = TableServiceClient.from_connection_string(system.stack.azurite.connection_string())
    rows = tables.create_table_if_not_exists("audit").query_entities(f"PartitionKey eq 'poison|{queue}'")
    return next((dict(row) for row in rows if row["body"] + row["rest"] == text), None)

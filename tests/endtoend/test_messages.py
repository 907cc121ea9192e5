"""A message that cannot be processed ends on the poison queue, and its run says why."""

import json
from uuid import UUID, uuid4

from azure.data.tables.aio import TableServiceClient

from shared.clock import now
from shared.ledger import Ledger
from shared.register import Register
from tests.endtoend.relay import Relay, await_that

QUEUES = ("invoices", "actuals", "transactionconnections")


async def test_strange_messages_end_on_the_poison_queue_and_fail_the_run_that_they_name(system: Relay) -> None:
    invoice_id = str(uuid4())
    await _accept_without_message(system, invoice_id)
    newer = json.dumps({"v": 2, "kind": "load", "stage": "actuals", "invoiceId": invoice_id, "shape": "new"})
    system.send("actuals", newer)
    foreign = {queue: json.dumps({"hello": queue}) for queue in QUEUES}
    for queue, text in foreign.items():
        system.send(queue, text)
    for queue, text in foreign.items():
        assert await_that(lambda q=queue, t=text: t in system.peek(f"{q}-poison"), f"{queue}-poison")  # type: ignore[misc]
    assert await_that(lambda: newer in system.peek("actuals-poison"), "the newer message")
    run = system.finish([invoice_id])[0]
    assert run["state"] == "failed"
    assert "message version 2, this app reads version 1" in run["detail"]


async def _accept_without_message(system: Relay, invoice_id: str) -> None:
    async with TableServiceClient.from_connection_string(system.stack.azurite.connection_string()) as tables:
        runs = await tables.create_table_if_not_exists("runs")
        register = await tables.create_table_if_not_exists("register")
        await Ledger(runs, Register(register), now).accept(UUID(invoice_id))


async def test_a_message_of_a_run_that_is_not_there_is_poison_too(system: Relay) -> None:
    text = json.dumps({"v": 1, "kind": "load", "stage": "invoices", "invoiceId": str(uuid4())})
    system.send("invoices", text)
    assert await_that(lambda: text in system.peek("invoices-poison"), "poison message")

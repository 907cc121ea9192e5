"""Poison messages: a message that failed too often is recorded on its run, and the original is kept for the operator.

A function on a poison queue must not fail: its own message has no poison queue and would be retried forever.
"""

import logging
from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

from operate.doctor.diagnosis import give_up as end_diagnosis
from operate.reconcile.invoices import give_up
from operate.reconcile.searches import Searches
from shared.clock import stamp
from shared.engine.lifecycle import end, end_posting
from shared.engine.messages import Diagnose, Examine, Reconcile, Settle, Ship, parse
from shared.engine.newer import put_off
from shared.engine.ports import Ports
from shared.errors import LeaseLost, NewerVersion, NotOurMessage
from shared.ledger.run import State
from shared.log import event
from shared.storage.names import OPERATIONS, WRITE_BACK, poison_of

# A queue message holds at most 64 KiB in base64, so 48 KiB of text. Two properties of a table row hold that.
_PORTION = 30_000
_ANOTHER_TRY = timedelta(minutes=10)


async def book(ports: Ports, queue: str, body: bytes) -> None:
    """Keep a poison message, and fail the run or the operator's job that it names. Never raises for anything in the
    message."""
    text = body.decode("utf-8", "replace")
    try:
        reason, invoice_id = _meaning(queue, body)
        if invoice_id:
            await ports.ledger.run(invoice_id)
    except NewerVersion as error:
        # A later version sent it, or owns its run. That version decides what happens to it.
        await put_off(ports, poison_of(queue), body, error)
        return
    # Kept before anything ends: after a crash in between it is kept twice, in the other order it would be lost.
    await ports.audit.table.create_entity(
        {
            "PartitionKey": f"poison|{queue}",
            "RowKey": f"{stamp(ports.now())}|{uuid4().hex[:8]}",
            "reason": reason,
            "invoiceId": str(invoice_id or ""),
            "body": text[:_PORTION],
            "rest": text[_PORTION : 2 * _PORTION],
        }
    )
    event("poison message", severity=logging.ERROR, queue=queue, subject=invoice_id)
    if queue == OPERATIONS:
        await _end_job(ports, body, reason)
    elif invoice_id and queue == WRITE_BACK:
        await end_posting(ports, invoice_id, f"{reason}. The message is kept; correct the cause, then write back again")
    elif invoice_id:
        await end(
            ports, invoice_id, State.FAILED, f"{reason}. The message is kept; correct the cause, then replay the run"
        )
    else:
        await _keep_shipping(ports, queue, body)


def _meaning(queue: str, body: bytes) -> tuple[str, UUID | None]:
    try:
        message = parse(body, queue)
    except NotOurMessage as error:
        return f"message refused: {error}", UUID(error.subject) if error.subject else None
    reason = f"the {message.kind} message was given up after the last try; the host's log says why"
    return reason, getattr(message, "subject", None)


async def _end_job(ports: Ports, body: bytes, reason: str) -> None:
    """End an operator's job with the reason. The run of its invoice is not changed."""
    try:
        message = parse(body, OPERATIONS)
    except NotOurMessage:
        return
    if isinstance(message, Reconcile):
        await give_up(ports, message, reason)
    elif isinstance(message, Diagnose):
        with suppress(LeaseLost):
            await end_diagnosis(ports, message, reason)
    elif isinstance(message, Examine):
        search = await Searches(ports).read(message.job)
        if search is not None and search.state == "running":
            # A concurrent worker has continued the job, so it has not failed.
            with suppress(LeaseLost):
                await Searches(ports).fail(search, reason)


async def _keep_shipping(ports: Ports, queue: str, body: bytes) -> None:
    """A ship or settle message belongs to no single run. The parts on the dock need another message, after a delay."""
    try:
        message = parse(body, queue)
    except NotOurMessage:
        return
    if isinstance(message, Ship | Settle):
        await ports.queues.send(Ship(stage=message.stage), delay=_ANOTHER_TRY)

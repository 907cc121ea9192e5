"""Handles one queue message: done, delayed, or given up. All error handling is decided here.

throttled                  the gate is closed. A reader waits in place while answers keep coming; after that its answers
                           are kept, and the message waits on the queue until the gate opens
storage unavailable or     the message is delayed with backoff, and a note tells the operator. If even that cannot be
access refused             stored, it is retried for minutes before the host counts a failure
no usable answer           the message is delayed with backoff, and a note tells the operator
not permitted              the same, for work that needs that table, entity set or action; everything else continues
not let in                 the gate is closed for a minute for all workers, because retries cannot succeed;
                           for seconds only if the sign-in service gave no answer
of a later version         delayed with backoff, and the operators are told; it waits for that version
a landed part is lost      its rows are read again, and the message is retried after a second
not yet                    the run shows what it waits for; after the patience of the settings it needs attention
lost a race                (ETag conflict or lease) retried after a second, in case the winner crashed
rejected, needs attention  the run ends in this state, with the reason
an import refused          the message is delayed with backoff, and a note tells the operator
anything else              raised: the host retries; after the last try the run is failed with the reason
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError

from shared.clock import jitter
from shared.engine import newer, troubles
from shared.engine.lifecycle import end, end_posting
from shared.engine.lost_parts import read_anew
from shared.engine.messages import Diagnose, Load, Message, Settle, Ship, Verify, WriteBack, parse, reader_of, step_of
from shared.engine.ports import Ports
from shared.errors import (
    ContractBroken,
    LeaseLost,
    NeedsAttention,
    NewerVersion,
    NotOurMessage,
    NotPermitted,
    NotYet,
    Refused,
    SignInFailed,
    SubjectRejected,
    Throttled,
    Unavailable,
)
from shared.ledger.run import State
from shared.log import event, where
from shared.services.throttle_gates import GATE_SPREAD
from shared.storage import refusals
from shared.storage.landing import PartLost

MAX_DEQUEUE_COUNT = 5
"""As in host.json: after this many failures the host moves a message to the poison queue."""

# A wrong secret or role is repaired by people, not by retries.
_SHUT_OUT = timedelta(seconds=60)
# A failed answer of the sign-in service is usually over in seconds.
_NO_TOKEN = timedelta(seconds=3)
_WHILE_PAUSED = timedelta(seconds=10)
# The longest time that a waiting run takes to notice that its cause was repaired.
_LONGEST_DELAY = 300.0


class WorkFailed(Exception):
    """The error that the host logs for a failed message. It contains only the kind of error, no customer data."""


# An import that has begun is booked, and the doctor only reads, also before the cut-over.
_UNPAUSED = (Settle, Diagnose)

type Handler = Callable[[Ports, Any], Awaitable[None]]


async def work(ports: Ports, queue: str, body: bytes, dequeue_count: int, handlers: Mapping[str, Handler]) -> None:
    """Handle one message. Raises WorkFailed if the host has to count a failure."""
    try:
        message = parse(body, queue)
    except NewerVersion as error:
        await newer.put_off(ports, queue, body, error)
        return
    except NotOurMessage as error:
        event("message refused", severity=logging.ERROR, queue=queue, subject=error.subject)
        # operate/repair/poison.py decides about the run that the message may name.
        raise WorkFailed("NotOurMessage") from None
    try:
        await _attempt_in_storage(ports, message, handlers[message.kind])
    except Exception as error:  # noqa: BLE001 - whatever it is: booked, told by its kind, and raised for the host
        _tell(message, error, severity=logging.ERROR, where=where(error))
        if dequeue_count >= MAX_DEQUEUE_COUNT and not _is_storage(error):
            await _give_up(ports, message, _given_up(f"{type(error).__name__}: {error}"))
        # `from None`: the host logs the chain, and the original text may contain customer data.
        raise WorkFailed(type(error).__name__) from None


async def _attempt_in_storage(ports: Ports, message: Message, handler: Handler) -> None:
    """Handle the message. Transient storage errors delay it, also those while another error is recorded."""
    try:
        if not isinstance(message, _UNPAUSED) and await ports.pauses.of(step_of(message)):
            await _put_off(ports, message, _WHILE_PAUSED, attempt=message.attempt)
        else:
            await _attempt(ports, message, handler)
    except AzureError as error:
        if not refusals.passes(error):
            raise
        _tell(message, error, severity=logging.WARNING, status=getattr(error, "status_code", None))
        delay = backoff(message.attempt)
        await troubles.note(ports, error, delay, queue=step_of(message))
        await _put_off(ports, message, delay)


async def _attempt(ports: Ports, message: Message, handler: Handler) -> None:
    # Shipping and settling do not wait in place, because they hold a lane with a running lease. The doctor says that it
    # would have to wait.
    try:
        if isinstance(message, Ship | Settle | Diagnose):
            await _handle(ports, message, handler)
        else:
            async with ports.reading(reader_of(message), again=message.attempt > 0):
                await _handle(ports, message, handler)
    except Throttled as error:
        _tell(message, error, severity=logging.WARNING, until=error.until)
        await _put_off(ports, message, error.until - ports.now() + jitter(GATE_SPREAD), attempt=message.attempt)
    except LeaseLost as error:
        _tell(message, error, severity=logging.INFO)
        await _put_off(ports, message, backoff(message.attempt))
    except (Unavailable, NotPermitted) as error:
        _tell(message, error, severity=logging.WARNING)
        await _await_repair(ports, message, error)
    except SignInFailed as error:
        _tell(message, error, severity=logging.ERROR)
        wait = _NO_TOKEN if error.passing else _SHUT_OUT
        await ports.gates.close(error.service, ports.now() + wait, error.reason, kind="not let in")
        await _put_off(ports, message, wait + jitter(GATE_SPREAD))
    except NewerVersion as error:
        await newer.tell(ports, message.queue, error)
        await _put_off(ports, message, backoff(message.attempt))
    except NotYet as error:
        await _wait(ports, message, error)
    except (SubjectRejected, NeedsAttention, ContractBroken, Refused) as error:
        await _end(ports, message, error)


async def _handle(ports: Ports, message: Message, handler: Handler) -> None:
    try:
        await handler(ports, message)
    except PartLost as lost:
        _tell(message, lost, severity=logging.ERROR)
        await read_anew(ports, lost)
        raise LeaseLost(f"{lost}: it is read again") from lost


def _is_storage(error: Exception) -> bool:
    """Whether storage refused access. That is not the run's fault, and it could not be recorded in the run anyway."""
    return isinstance(error, AzureError) and refusals.passes(error)


def _tell(message: Message, error: Exception, *, severity: int, **facts: object) -> None:
    ids = {
        "subject": getattr(message, "subject", None),
        "ticket": getattr(message, "ticket", None),
        "queue": message.queue,
    }
    service = getattr(error, "service", None)
    name, attempt = type(error).__name__, message.attempt
    event(
        "work stopped",
        severity=severity,
        kind=message.kind,
        error=name,
        service=service,
        attempt=attempt,
        **ids,
        **facts,
    )


async def _end(ports: Ports, message: Message, error: Exception) -> None:
    if isinstance(message, Ship | Settle) and isinstance(error, ContractBroken | Refused):
        _tell(message, error, severity=logging.ERROR)
        await _await_repair(ports, message, error)
        return
    if isinstance(message, WriteBack):
        reason = f"{str(error).rstrip('.')}{_blame(ports, error)}. Correct the cause, then write the invoice back again"
        await end_posting(ports, message.subject, reason)
        return
    if not isinstance(message, Load | Verify):
        raise error
    state = {SubjectRejected: State.REJECTED, NeedsAttention: State.NEEDS_ATTENTION}.get(type(error), State.FAILED)
    await end(ports, message.subject, state, f"{error}{_blame(ports, error)}")


async def _await_repair(
    ports: Ports, message: Message, error: Unavailable | NotPermitted | ContractBroken | Refused
) -> None:
    """Delay the message and record why for the waiting runs. They continue by themselves when the cause is repaired.

    The gate stays open, because other requests may succeed. An import belongs to many runs, so none can be failed, and
    the refusal may be caused by a wrong setting.
    """
    delay = backoff(message.attempt)
    await troubles.note(ports, error, delay, queue=step_of(message))
    await _put_off(ports, message, delay)


def _blame(ports: Ports, error: Exception) -> str:
    """The map file and field that a refused query names, so that a wrong column is easy to find."""
    found = [(stage, table_map.blame(str(error))) for stage, table_map in ports.maps.items()]
    return "".join(
        f" (shared/maps/{stage}.json, {field})" for stage, field in found if isinstance(error, Refused) and field
    )


async def _wait(ports: Ports, message: Message, error: NotYet) -> None:
    if not isinstance(message, Load | Verify):
        raise error
    run = await ports.ledger.run(message.subject)
    if run is None or run.state.is_final:
        return
    since = run.wait_since or ports.now()
    if (ports.now() - since).total_seconds() > ports.settings.completeness_patience:
        await end(
            ports,
            message.subject,
            State.NEEDS_ATTENTION,
            f"{error}. Gave up waiting: correct the cause, then replay the run",
        )
        return
    await ports.ledger.save(run, wait=str(error), wait_since=since)
    await _put_off(ports, message, backoff(message.attempt))


async def _put_off(ports: Ports, message: Message, delay: timedelta, *, attempt: int | None = None) -> None:
    again = message.model_copy(update={"attempt": message.attempt + 1 if attempt is None else attempt})
    # After five quick failures the host would move the message to the poison queue.
    await refusals.retry_while_unavailable(lambda: ports.queues.send(again, delay=delay))
    if isinstance(message, Load) and message.stage == ports.job.first:
        # The message is on its queue again. A failure now would duplicate it.
        with suppress(AzureError, LeaseLost):
            await _enlist(ports, message)


async def _enlist(ports: Ports, message: Load) -> None:
    """A webhook writes only the run and its message. A run that has to wait at its start is added to the list here."""
    run = await ports.ledger.run(message.subject)
    if run is not None and run.state == State.ACCEPTED:
        await ports.ledger.enlist(run)


async def _give_up(ports: Ports, message: Message, reason: str) -> None:
    if isinstance(message, Load | Verify):
        await end(ports, message.subject, State.FAILED, reason)
    elif isinstance(message, WriteBack):
        await end_posting(ports, message.subject, reason)


def _given_up(reason: str) -> str:
    return f"{reason}. The message was given up after {MAX_DEQUEUE_COUNT} tries and is kept"


def backoff(attempt: int) -> timedelta:
    """The next delay of a message: 1, 2, 4 ... 300 seconds, plus up to half as much jitter."""
    seconds = min(2.0 ** min(attempt, 10), _LONGEST_DELAY)
    return timedelta(seconds=seconds) + jitter(seconds / 2)

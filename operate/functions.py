"""Triggers of the operators' work: its queue, the sweep's timer, the poison queues. They only translate."""

import azure.functions as func
from azure.core.exceptions import AzureError

from operate.doctor.diagnosis import THE_CLOCK, diagnose, start
from operate.reconcile.invoices import reconcile
from operate.reconcile.out_of_sync import examine
from operate.repair.poison import book
from operate.repair.sweep import look_up, sweep
from operate.views.heartbeat import beat_unopened
from shared.engine.worker import Handler, work
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from shared.storage.names import JOBS, OPERATIONS, WRITE_BACK, poison_of
from shared.wiring import ports_or_none, ports_or_put_back

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

HANDLERS: dict[str, Handler] = {
    "reconcile": reconcile,
    "examine": examine,
    "diagnose": diagnose,
    "lookUp": look_up,
}


@blueprint.function_name("sweep")
@blueprint.timer_trigger("timer", "0 */10 * * * *")
async def sweep_by_the_clock(timer: func.TimerRequest) -> None:
    """Sweep every ten minutes."""
    del timer
    try:
        works = await ports_or_none()
    except AzureError:
        beat_unopened()
        raise
    if works:
        async with works.reading():
            await sweep(works)


# Once a day, at a minute at which few others ask the services for something.
@blueprint.function_name("doctor")
@blueprint.timer_trigger("timer", "0 23 4 * * *")
async def diagnose_by_the_clock(timer: func.TimerRequest) -> None:
    """Have all checks made once a day. The run itself is a message, which survives a crash."""
    del timer
    if works := await ports_or_none():
        await start(works, by=THE_CLOCK)


@blueprint.function_name("operate")
@blueprint.queue_trigger("msg", OPERATIONS, "AzureWebJobsStorage")
async def operate(msg: func.QueueMessage) -> None:
    """Handle a long-running request of an operator."""
    if works := await ports_or_put_back(OPERATIONS, msg.get_body()):
        await work(works, OPERATIONS, msg.get_body(), msg.dequeue_count or 1, HANDLERS)


# The poison queues are named one by one: triggers exist from indexing, before any job is read (docs/decisions, 8).
@blueprint.function_name("book_poison_invoices")
@blueprint.queue_trigger("msg", "invoices-poison", "AzureWebJobsStorage")
async def book_poison_invoices(msg: func.QueueMessage) -> None:
    """Handle poison messages of the first map."""
    await _book(INVOICES, msg)


@blueprint.function_name("book_poison_actuals")
@blueprint.queue_trigger("msg", "actuals-poison", "AzureWebJobsStorage")
async def book_poison_actuals(msg: func.QueueMessage) -> None:
    """Handle poison messages of the second map."""
    await _book(ACTUALS, msg)


@blueprint.function_name("book_poison_transactionconnections")
@blueprint.queue_trigger("msg", "transactionconnections-poison", "AzureWebJobsStorage")
async def book_poison_transactionconnections(msg: func.QueueMessage) -> None:
    """Handle poison messages of the third map."""
    await _book(CONNECTIONS, msg)


@blueprint.function_name("book_poison_jobs")
@blueprint.queue_trigger("msg", "jobs-poison", "AzureWebJobsStorage")
async def book_poison_jobs(msg: func.QueueMessage) -> None:
    """Handle poison messages of the steps that are pure data."""
    await _book(JOBS, msg)


@blueprint.function_name("book_poison_write_back")
@blueprint.queue_trigger("msg", "write-back-poison", "AzureWebJobsStorage")
async def book_poison_write_back(msg: func.QueueMessage) -> None:
    """Handle poison messages of the write-back."""
    await _book(WRITE_BACK, msg)


@blueprint.function_name("book_poison_operations")
@blueprint.queue_trigger("msg", "operations-poison", "AzureWebJobsStorage")
async def book_poison_operations(msg: func.QueueMessage) -> None:
    """Handle poison messages of the operators' requests."""
    await _book(OPERATIONS, msg)


async def _book(queue: str, msg: func.QueueMessage) -> None:
    if works := await ports_or_put_back(poison_of(queue), msg.get_body()):
        await book(works, queue, msg.get_body())

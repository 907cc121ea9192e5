"""The operator's endpoints, the timer and the poison queues; they translate and hold no rules."""

from uuid import UUID, uuid4

import azure.functions as func
from pydantic import ValidationError

from operate.api.access import auth_level
from operate.api.answers import answer, guarded, read_body
from operate.api.refusals import BadRequest
from operate.api.requests import (
    DismissRequest,
    OutOfSyncRequest,
    PauseRequest,
    ReconcileRequest,
    ReplayRequest,
    ResumeRequest,
    RunsQuery,
    SweepRequest,
    WriteBackRequest,
)
from operate.reconcile.invoices import reconcile
from operate.reconcile.invoices import start as start_comparing
from operate.reconcile.out_of_sync import describe_search, examine, look_for_strays
from operate.reconcile.reports import Jobs
from operate.repair.poison import book
from operate.repair.replay import describe_dismissal, dismiss, plan, replay
from operate.repair.selection import select
from operate.repair.sweep import look_up, sweep
from operate.views.error_groups import describe_row, groups
from operate.views.health import describe_pause, health, health_of_refused
from operate.views.run import describe
from operate.views.runs import list_runs, states_of
from operate.views.timeline import timeline
from shared.engine.ports import Ports
from shared.engine.worker import Handler, work
from shared.errors import NotOurStorage
from shared.ledger.run import State
from shared.stages import Stage
from shared.storage.names import OPERATIONS, WRITE_BACK, poison_of
from shared.wiring import configuration, ports, ports_or_none, ports_or_put_back
from write_back.posted_invoices import start as start_write_back

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

LEVEL = auth_level()
HANDLERS: dict[str, Handler] = {"reconcile": reconcile, "examine": examine, "lookUp": look_up}


@blueprint.function_name("list_runs")
@blueprint.route("runs", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_runs(req: func.HttpRequest) -> func.HttpResponse:
    """List runs, newest first."""
    try:
        query = RunsQuery.model_validate(dict(req.params))
        states = [State(state) for state in states_of(req.url)]
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(400, "badQuery", f"{first['loc'][0]}: {first['msg']}") from error
    except ValueError as error:
        raise BadRequest(400, "badState", f"state: {error}; it is one of {', '.join(State)}") from error
    return answer(200, await list_runs(await ports(), query, states))


@blueprint.function_name("show_run")
@blueprint.route("runs/{invoiceId}", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_run(req: func.HttpRequest) -> func.HttpResponse:
    """Tell where the run of an invoice stands."""
    invoice_id = _guid(req.route_params["invoiceId"])
    works = await ports()
    run = await works.ledger.look(invoice_id)
    if run is None:
        raise BadRequest(
            404, "noRun", f"There is no run of invoice {invoice_id}; if it is confirmed, a sweep starts one"
        )
    return answer(200, await describe(works, run))


@blueprint.function_name("show_timeline")
@blueprint.route("runs/{invoiceId}/timeline", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_timeline(req: func.HttpRequest) -> func.HttpResponse:
    """Tell what happened to the run of an invoice, and when."""
    works = await ports()
    run = await works.ledger.look(_guid(req.route_params["invoiceId"]))
    if run is None:
        raise BadRequest(404, "noRun", f"There is no run of invoice {req.route_params['invoiceId']}")
    return answer(200, await timeline(works, run))


@blueprint.function_name("show_import")
@blueprint.route("imports/{executionId}", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_import(req: func.HttpRequest) -> func.HttpResponse:
    """Tell where Finance shows an import."""
    execution_id = req.route_params["executionId"]
    address = await (await ports()).finance.summary_page(execution_id)
    if address is None:
        raise BadRequest(404, "noImport", f"Finance does not find an import {execution_id}")
    return answer(200, {"executionId": execution_id, "page": address})


@blueprint.function_name("list_errors")
@blueprint.route("errors", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_errors(req: func.HttpRequest) -> func.HttpResponse:
    """List the groups of rejected rows."""
    found = await groups(await ports(), _invoice_of(req))
    return answer(200, {"groups": [group.describe() for group in found.values()]})


@blueprint.function_name("show_error")
@blueprint.route("errors/{group}", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_error(req: func.HttpRequest) -> func.HttpResponse:
    """List the rejected rows of one group."""
    group = (await groups(await ports(), _invoice_of(req))).get(req.route_params["group"])
    if group is None:
        raise BadRequest(404, "noGroup", f"There is no group {req.route_params['group']} of rejected rows")
    return answer(200, {"group": group.describe(), "rows": [describe_row(*row) for row in group.rows]})


@blueprint.function_name("replay")
@blueprint.route("replays", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_replay(req: func.HttpRequest) -> func.HttpResponse:
    """Send again what is missing or rejected, or say what would be sent."""
    asked, works = read_body(req, ReplayRequest), await ports()
    plans = await plan(works, asked)
    result = {
        "dryRun": asked.dryRun,
        "rows": sum(len(each.selected.rows) for each in plans),
        "runs": [each.describe() for each in plans],
    }
    if asked.dryRun:
        return answer(200, result)
    await works.audit.note("replay", asked.by, asked.model_dump(mode="json"))
    await replay(works, plans, asked.by)
    return answer(202, result)


@blueprint.function_name("dismiss")
@blueprint.route("dismissals", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_dismissal(req: func.HttpRequest) -> func.HttpResponse:
    """Count rejected rows as dealt with, or say which would be."""
    asked, works = read_body(req, DismissRequest), await ports()
    chosen = [selected async for selected in select(works, asked) if selected.rows or selected.interrupted]
    result = {
        "dryRun": asked.dryRun,
        "rows": sum(len(selected.rows) for selected in chosen),
        "runs": [describe_dismissal(selected) for selected in chosen],
    }
    if not asked.dryRun:
        await works.audit.note("dismiss", asked.by, asked.model_dump(mode="json"))
        await dismiss(works, chosen, reason=asked.reason, by=asked.by)
    return answer(200, result)


@blueprint.function_name("look_for_strays")
@blueprint.route("out-of-sync", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_out_of_sync(req: func.HttpRequest) -> func.HttpResponse:
    """Start looking for actuals that are out of sync, and send or write back those of the kinds in `sync`."""
    asked, works, job = read_body(req, OutOfSyncRequest), await ports(), uuid4().hex
    if asked.sync:
        await works.audit.note("sync out of sync", asked.by, asked.model_dump(mode="json") | {"job": job})
    await look_for_strays(works, job, asked.period, asked.sync, by=asked.by)
    return answer(202, {"id": job, "statusUrl": f"{req.url.partition('?')[0]}/{job}"})


@blueprint.function_name("show_out_of_sync")
@blueprint.route("out-of-sync/{job}", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_out_of_sync(req: func.HttpRequest) -> func.HttpResponse:
    """Tell how far a search is, what is out of sync, and what was done about it."""
    found = await describe_search(await ports(), req.route_params["job"])
    if found is None:
        raise BadRequest(404, "noJob", f"There is no search {req.route_params['job']}")
    return answer(200, found)


@blueprint.function_name("start_write_back")
@blueprint.route("write-backs", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_write_back(req: func.HttpRequest) -> func.HttpResponse:
    """Write the accounting detail of one invoice back now, as far as Finance has posted it."""
    asked, works = read_body(req, WriteBackRequest), await ports()
    run = await works.ledger.run(asked.invoiceId)
    if run is None or run.state != State.COMPLETED:
        raise BadRequest(404, "notCompleted", f"There is no completed run of invoice {asked.invoiceId}")
    await works.audit.note("write back", asked.by, asked.model_dump(mode="json"))
    await start_write_back(works, run.invoice_id)
    return answer(202, {"invoiceId": str(run.invoice_id), "invoiceNumber": run.number, "posting": run.posting})


@blueprint.function_name("list_pauses")
@blueprint.route("pauses", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_pauses(req: func.HttpRequest) -> func.HttpResponse:
    """List what is paused."""
    del req
    return await _pauses(await ports())


@blueprint.function_name("pause")
@blueprint.route("pauses", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_pause(req: func.HttpRequest) -> func.HttpResponse:
    """Hold up a map, or everything."""
    asked, works = read_body(req, PauseRequest), await ports()
    await works.audit.note("pause", asked.by, asked.model_dump(mode="json"))
    await works.pauses.pause(asked.map, reason=asked.reason, by=asked.by)
    return await _pauses(works)


@blueprint.function_name("resume")
@blueprint.route("resumes", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_resume(req: func.HttpRequest) -> func.HttpResponse:
    """Let a map, or everything, go on."""
    asked, works = read_body(req, ResumeRequest), await ports()
    await works.audit.note("resume", asked.by, asked.model_dump(mode="json"))
    await works.pauses.resume(asked.map)
    return await _pauses(works)


@blueprint.function_name("sweep_now")
@blueprint.route("sweeps", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_sweep(req: func.HttpRequest) -> func.HttpResponse:
    """Sweep now."""
    asked, works = read_body(req, SweepRequest), await ports()
    await works.audit.note("sweep", asked.by, {})
    return answer(200, await sweep(works))


@blueprint.function_name("start_reconciliation")
@blueprint.route("reconciliations", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_reconciliation(req: func.HttpRequest) -> func.HttpResponse:
    """Start comparing one invoice, or all confirmed ones of a period."""
    asked = read_body(req, ReconcileRequest)
    job = await start_comparing(await ports(), asked)
    return answer(202, {"id": job, "statusUrl": f"{req.url.partition('?')[0]}/{job}"})


@blueprint.function_name("show_reconciliation")
@blueprint.route("reconciliations/{job}", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_reconciliation(req: func.HttpRequest) -> func.HttpResponse:
    """Tell how far a reconciliation is and what it found."""
    job = await Jobs(await ports()).read(req.route_params["job"])
    if job is None:
        raise BadRequest(404, "noJob", f"There is no reconciliation {req.route_params['job']}")
    return answer(200, job)


@blueprint.function_name("show_health")
@blueprint.route("health", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_health(req: func.HttpRequest) -> func.HttpResponse:
    """Tell how the whole app is."""
    del req
    try:
        return answer(200, await health(await ports()))
    except NotOurStorage as refusal:
        return answer(200, health_of_refused(configuration()[1], str(refusal)))


@blueprint.function_name("sweep")
@blueprint.timer_trigger("timer", "0 */10 * * * *")
async def sweep_by_the_clock(timer: func.TimerRequest) -> None:
    """Sweep every ten minutes."""
    del timer
    if works := await ports_or_none():
        async with works.reading() as patient:
            await sweep(patient)


@blueprint.function_name("operate")
@blueprint.queue_trigger("msg", OPERATIONS, "AzureWebJobsStorage")
async def operate(msg: func.QueueMessage) -> None:
    """Handle what an operator asked for and takes its time."""
    if works := await ports_or_put_back(OPERATIONS, msg.get_body()):
        await work(works, OPERATIONS, msg.get_body(), msg.dequeue_count or 1, HANDLERS)


@blueprint.function_name("book_poison_invoices")
@blueprint.queue_trigger("msg", "invoices-poison", "AzureWebJobsStorage")
async def book_poison_invoices(msg: func.QueueMessage) -> None:
    """Book what the host gave up on the first map's queue."""
    await _book(Stage.INVOICES, msg)


@blueprint.function_name("book_poison_actuals")
@blueprint.queue_trigger("msg", "actuals-poison", "AzureWebJobsStorage")
async def book_poison_actuals(msg: func.QueueMessage) -> None:
    """Book what the host gave up on the second map's queue."""
    await _book(Stage.ACTUALS, msg)


@blueprint.function_name("book_poison_transactionconnections")
@blueprint.queue_trigger("msg", "transactionconnections-poison", "AzureWebJobsStorage")
async def book_poison_transactionconnections(msg: func.QueueMessage) -> None:
    """Book what the host gave up on the third map's queue."""
    await _book(Stage.CONNECTIONS, msg)


@blueprint.function_name("book_poison_write_back")
@blueprint.queue_trigger("msg", "write-back-poison", "AzureWebJobsStorage")
async def book_poison_write_back(msg: func.QueueMessage) -> None:
    """Book what the host gave up on the write-back's queue."""
    await _book(WRITE_BACK, msg)


@blueprint.function_name("book_poison_operations")
@blueprint.queue_trigger("msg", "operations-poison", "AzureWebJobsStorage")
async def book_poison_operations(msg: func.QueueMessage) -> None:
    """Book what the host gave up on the operators' queue."""
    await _book(OPERATIONS, msg)


async def _book(queue: str, msg: func.QueueMessage) -> None:
    if works := await ports_or_put_back(poison_of(queue), msg.get_body()):
        await book(works, queue, msg.get_body())


async def _pauses(works: Ports) -> func.HttpResponse:
    return answer(200, {"paused": [describe_pause(pause) for pause in await works.pauses.standing()]})


def _invoice_of(req: func.HttpRequest) -> UUID | None:
    text = req.params.get("invoiceId")
    return _guid(text) if text else None


def _guid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadRequest(400, "badInvoiceId", "The invoice id is no GUID") from error

"""The triggers of the first stage; they translate and hold no rules."""

import json
from functools import partial
from uuid import UUID

import azure.functions as func
from azure.core.exceptions import AzureError

from confirm_invoice.header import after_header, read_header
from confirm_invoice.webhook import BadConfirmation, Ignored, read_event
from shared.loading import load
from shared.messages import Load
from shared.ports import configuration, ports
from shared.run import State
from shared.settling import settle
from shared.shipping import ship
from shared.stages import Stage
from shared.work import Handler, work

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

HANDLERS: dict[str, Handler] = {
    "load": partial(load, read=read_header, after=after_header),
    "ship": partial(ship, after=after_header),
    "settle": partial(settle, after=after_header),
}


@blueprint.function_name("confirm_invoice")
@blueprint.route("invoices/confirmations", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def confirm_invoice(req: func.HttpRequest) -> func.HttpResponse:
    """Accept a confirmation: 202 after one table insert and one queue write, 503 when they could not be made."""
    settings, _ = configuration()
    body = req.get_body()
    if len(body) > settings.webhook_max_bytes:
        return _problem(413, "tooLarge", f"The body has {len(body)} bytes, more than {settings.webhook_max_bytes}")
    try:
        event = read_event(body, settings.organization_id)
    except BadConfirmation as error:
        return _problem(error.status, error.code, error.text)
    if isinstance(event, Ignored):
        return _json(200, {"ignored": event.reason})
    try:
        return await _accept(event.invoice_id, req.url)
    except AzureError as error:
        return _problem(503, "storageUnavailable", f"The confirmation could not be stored ({type(error).__name__})")


async def _accept(invoice_id: UUID, url: str) -> func.HttpResponse:
    works = await ports()
    run, _ = await works.ledger.accept(invoice_id)
    if run.state == State.ACCEPTED:
        await works.queues.send(Load(stage=Stage.INVOICES, invoiceId=invoice_id, generation=run.generation))
    status_url = url.partition("/invoices/confirmations")[0] + f"/runs/{invoice_id}"
    answer = {"invoiceId": str(invoice_id), "runId": run.run_id, "state": str(run.state), "statusUrl": status_url}
    return _json(202, answer)


@blueprint.function_name("sync_header")
@blueprint.queue_trigger("msg", Stage.INVOICES, "AzureWebJobsStorage")
async def sync_header(msg: func.QueueMessage) -> None:
    """Handle one message of the first map's queue."""
    await work(await ports(), Stage.INVOICES, msg.get_body(), msg.dequeue_count or 1, HANDLERS)


def _json(status: int, body: object) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")


def _problem(status: int, code: str, text: str) -> func.HttpResponse:
    return _json(status, {"error": {"code": code, "message": text}})

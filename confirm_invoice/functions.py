"""The triggers of map 1, `invoices`. They only translate; the rules are in the other modules."""

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import batched
from uuid import UUID

import azure.functions as func
from azure.core.exceptions import AzureError

from confirm_invoice import webhook
from confirm_invoice.deliveries import KEY_NAME, note_delivery
from confirm_invoice.header import after_header, read_header
from confirm_invoice.webhook import BadConfirmation, Confirmation, Doubtful, Notice, Several, read_event
from relay_contract import Answer
from relay_contract.endpoints import CONFIRM_INVOICE
from relay_contract.problems import Code, Problem, ProblemDetail
from relay_contract.webhook import Accepted, IgnoredInvoice, Probed, Taken
from relay_contract.webhook import Ignored as IgnoredAnswer
from shared.concurrently import concurrently
from shared.engine.lifecycle import accept
from shared.engine.loading import load
from shared.engine.messages import Load, LookUp
from shared.engine.ports import Ports
from shared.engine.settling import settle
from shared.engine.shipping import ship
from shared.engine.worker import Handler, work
from shared.errors import NotOurStorage
from shared.ledger.run import State
from shared.log import event
from shared.project_operations.codes import INVOICES
from shared.wiring import configuration, ports, ports_or_put_back

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

# Dataverse waits at most 60 seconds for the answer to a webhook.
_AT_ONCE = 16
_IDS_IN_A_MESSAGE = 1000
# A row gets its timestamp when it is written. Its transaction commits later, and the webhook's system job may be
# delayed.
_LATELY = timedelta(hours=2)

HANDLERS: dict[str, Handler] = {
    "load": partial(load, read=read_header, after=after_header),
    "ship": partial(ship, after=after_header),
    "settle": partial(settle, after=after_header),
}


@blueprint.function_name(CONFIRM_INVOICE.name)
@blueprint.route(CONFIRM_INVOICE.path, methods=[CONFIRM_INVOICE.method], auth_level=func.AuthLevel.FUNCTION)
async def confirm_invoice(req: func.HttpRequest) -> func.HttpResponse:
    """Accept a confirmation. Answers 202 after one table insert and one queue write per invoice, 503 if one of them
    failed."""
    settings = configuration().settings
    body = req.get_body()
    if len(body) > settings.webhook_max_bytes:
        return _problem(413, "tooLarge", f"The body has {len(body)} bytes, more than {settings.webhook_max_bytes}")
    try:
        notice = read_event(body, settings.organization_id)
    except BadConfirmation as error:
        return _problem(error.status, error.code, error.text)
    answer = await _answer(notice, req.url)
    if answer.status_code < 300 and not isinstance(notice, webhook.Probe):
        await note_delivery(req.headers.get(KEY_NAME, ""))
    return answer


async def _answer(notice: Notice, url: str) -> func.HttpResponse:
    if isinstance(notice, webhook.Probe):
        organization = configuration().settings.organization_id
        return _json(200, Probed(probe=notice.text, organization_id=str(organization)))
    if isinstance(notice, webhook.Ignored):
        event("webhook", subject=notice.invoice_id, status="ignored")
        return _json(200, IgnoredAnswer(ignored=notice.reason))
    try:
        return await _take(notice, url)
    except NotOurStorage as refusal:
        return _problem(503, "otherStorage", str(refusal))
    except AzureError as error:
        return _problem(503, "storageUnavailable", f"The confirmation could not be stored ({type(error).__name__})")


async def _take(notice: Confirmation | Doubtful | Several, url: str) -> func.HttpResponse:
    """Store everything that the notice names. Dataverse retries after a 503 and never after a 202, so 202 is the
    answer only when all of it is stored. Storing is idempotent."""
    works = await ports()
    if isinstance(notice, Confirmation):
        return _json(202, await _accept(works, notice.invoice_id, url))
    rows = notice.rows if isinstance(notice, Several) else (notice,)
    confirmed = [row.invoice_id for row in rows if isinstance(row, Confirmation)]
    doubtful = [row.invoice_id for row in rows if isinstance(row, Doubtful)]
    unnamed = notice.unnamed if isinstance(notice, Several) else ""
    accepted = [
        answer
        for some in batched(confirmed, _AT_ONCE, strict=False)
        for answer in await concurrently(*(_accept(works, each, url) for each in some))
    ]
    await _look_up(works, doubtful, unnamed)
    taken = Taken(
        accepted=accepted,
        looked_up=[str(each) for each in doubtful],
        ignored=[
            IgnoredInvoice(invoice_id=str(row.invoice_id), reason=row.reason)
            for row in rows
            if isinstance(row, webhook.Ignored)
        ],
        unnamed=unnamed,
    )
    return _json(202 if accepted or doubtful or unnamed else 200, taken)


async def _accept(works: Ports, invoice_id: UUID, url: str) -> Accepted:
    run, _ = await accept(works.ledger, invoice_id)
    # Also for a run that was opened before: its first message may be lost. A run that goes on has messages of its own.
    if run.state == State.ACCEPTED:
        await works.queues.send(Load(stage=INVOICES, subject=invoice_id, generation=run.generation))
    # The alerts about lost webhooks count these lines: a note in storage would cost each invoice one request more.
    event("webhook", runId=run.run_id, subject=invoice_id, status="accepted")
    status_url = url.partition("/invoices/confirmations")[0] + f"/runs/{invoice_id}"
    return Accepted(invoice_id=str(invoice_id), run_id=run.run_id, state=str(run.state), status_url=status_url)


async def _look_up(works: Ports, doubtful: Sequence[UUID], unnamed: str) -> None:
    """Look invoices up later, by message: reading Dataverse takes longer than a webhook's timeout."""
    for some in batched(doubtful, _IDS_IN_A_MESSAGE, strict=False):
        await works.queues.send(LookUp(invoices=some))
        for invoice_id in some:
            event("webhook", subject=invoice_id, status="looked up")
    if unnamed:
        await works.queues.send(LookUp(since=works.now() - _LATELY))
        event("webhook", status="looked up")


@blueprint.function_name("sync_header")
@blueprint.queue_trigger("msg", INVOICES, "AzureWebJobsStorage")
async def sync_header(msg: func.QueueMessage) -> None:
    """Handle one message of the first map's queue."""
    if works := await ports_or_put_back(INVOICES, msg.get_body()):
        await work(works, INVOICES, msg.get_body(), msg.dequeue_count or 1, HANDLERS)


def _json(status: int, body: Answer) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body.document()), status_code=status, mimetype="application/json")


def _problem(status: int, code: Code, text: str) -> func.HttpResponse:
    return _json(status, Problem(error=ProblemDetail(code=code, message=text)))

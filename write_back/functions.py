"""The triggers of the write-back. They only translate; the rules are in the other modules."""

import json

import azure.functions as func
from azure.core.exceptions import AzureError

from relay_contract import Answer
from relay_contract.endpoints import ACCEPT_POSTING
from relay_contract.problems import Code, Problem, ProblemDetail
from relay_contract.webhook import PostingAccepted
from shared.engine.messages import Look
from shared.engine.worker import Handler, work
from shared.errors import NotOurStorage
from shared.storage.names import WRITE_BACK
from shared.wiring import ports, ports_or_none, ports_or_put_back
from write_back.pages import write_back
from write_back.posted_invoices import look, ring

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

HANDLERS: dict[str, Handler] = {"look": look, "writeBack": write_back}


@blueprint.function_name(ACCEPT_POSTING.name)
@blueprint.route(ACCEPT_POSTING.path, methods=[ACCEPT_POSTING.method], auth_level=func.AuthLevel.FUNCTION)
async def accept_posting(req: func.HttpRequest) -> func.HttpResponse:
    """Accept a business or data event of Finance. Its content is not used: it only starts a search for posted
    invoices."""
    try:
        works = await ports()
        if len(req.get_body()) > works.settings.webhook_max_bytes:
            return _problem("tooLarge", f"The body has more than {works.settings.webhook_max_bytes} bytes", status=413)
        await ring(works)
    except NotOurStorage as refusal:
        return _problem("otherStorage", str(refusal))
    except AzureError as error:
        return _problem("storageUnavailable", f"The event could not be stored ({type(error).__name__})")
    return _json(202, PostingAccepted(accepted=True))


@blueprint.function_name("write_back")
@blueprint.queue_trigger("msg", WRITE_BACK, "AzureWebJobsStorage")
async def handle_write_back(msg: func.QueueMessage) -> None:
    """Handle one message of the write-back's queue."""
    if works := await ports_or_put_back(WRITE_BACK, msg.get_body()):
        await work(works, WRITE_BACK, msg.get_body(), msg.dequeue_count or 1, HANDLERS)


@blueprint.function_name("look_for_postings")
@blueprint.timer_trigger("timer", "0 5/15 * * * *")
async def look_for_postings(timer: func.TimerRequest) -> None:
    """Search for posted invoices every quarter of an hour."""
    del timer
    if works := await ports_or_none():
        await works.queues.send(Look())


def _problem(code: Code, text: str, *, status: int = 503) -> func.HttpResponse:
    return _json(status, Problem(error=ProblemDetail(code=code, message=text)))


def _json(status: int, body: Answer) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body.document()), status_code=status, mimetype="application/json")

"""The trigger of map 2, `actuals`. It only translates; the rules are in the other modules."""

from functools import partial

import azure.functions as func

from shared.engine.loading import load
from shared.engine.settling import settle
from shared.engine.shipping import ship
from shared.engine.worker import Handler, work
from shared.project_operations.codes import ACTUALS
from shared.wiring import ports_or_put_back
from sync_actuals.pages import read_actuals
from sync_actuals.readiness import after_actuals, have_looked_after, may_be_sent

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

HANDLERS: dict[str, Handler] = {
    "load": partial(load, read=read_actuals, after=after_actuals, may_be_sent=may_be_sent),
    "ship": partial(ship, after=have_looked_after),
    "settle": partial(settle, after=have_looked_after),
}


@blueprint.function_name("sync_actuals")
@blueprint.queue_trigger("msg", ACTUALS, "AzureWebJobsStorage")
async def sync_actuals(msg: func.QueueMessage) -> None:
    """Handle one message of the second map's queue."""
    if works := await ports_or_put_back(ACTUALS, msg.get_body()):
        await work(works, ACTUALS, msg.get_body(), msg.dequeue_count or 1, HANDLERS)

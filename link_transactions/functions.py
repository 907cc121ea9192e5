"""The trigger of map 3, `transactionconnections`. It only translates; the rules are in the other modules."""

from functools import partial

import azure.functions as func

from link_transactions.reading import read_connections
from link_transactions.release import after_connections, release
from link_transactions.verification import verify
from shared.engine.loading import load
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.engine.resend import FIRST_REPAIR
from shared.engine.settling import settle
from shared.engine.shipping import ship
from shared.engine.worker import Handler, work
from shared.project_operations.codes import CONNECTIONS
from shared.wiring import ports_or_put_back

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


async def _load(ports: Ports, message: Load) -> None:
    """Ordinary pages were read with their actuals. Only repair pages are read here. The actuals are compared while
    Finance imports the connections."""
    if message.page < FIRST_REPAIR:
        await release(ports, message)
        await verify(ports, message)
    else:
        await load(ports, message, read=read_connections, after=after_connections)


HANDLERS: dict[str, Handler] = {
    "load": _load,
    "ship": partial(ship, after=after_connections),
    "settle": partial(settle, after=after_connections),
    "verify": verify,
}


@blueprint.function_name("link_transactions")
@blueprint.queue_trigger("msg", CONNECTIONS, "AzureWebJobsStorage")
async def link_transactions(msg: func.QueueMessage) -> None:
    """Handle one message of the third map's queue."""
    if works := await ports_or_put_back(CONNECTIONS, msg.get_body()):
        await work(works, CONNECTIONS, msg.get_body(), msg.dequeue_count or 1, HANDLERS)

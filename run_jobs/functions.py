"""The trigger of the steps that are pure data. One queue serves them all; each message names its job and its step."""

from functools import partial

import azure.functions as func

from shared.engine.account import Account
from shared.engine.lifecycle import end_plain_step
from shared.engine.loading import load
from shared.engine.messages import Load, Settle, Ship
from shared.engine.ports import Ports
from shared.engine.settling import settle
from shared.engine.shipping import ship
from shared.engine.sources.dataverse_rows import read_rows
from shared.engine.worker import Handler, work
from shared.errors import NotOurMessage
from shared.ledger.run import Run
from shared.storage.names import JOBS
from shared.wiring import ports_or_put_back

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


async def after_step(ports: Ports, run: Run, account: Account) -> None:
    """A step is in Finance."""
    del account
    await end_plain_step(ports, run)


def _known(handler: Handler) -> Handler:
    async def handle(ports: Ports, message: Load | Ship | Settle) -> None:
        """Raises NotOurMessage for a step that the job does not have, as after its line was removed."""
        if message.job != ports.job.name or message.stage not in {step.map for step in ports.job.plain}:
            raise NotOurMessage(f"stage: job {message.job} has no step {message.stage} that is pure data")
        await handler(ports, message)

    return handle


HANDLERS: dict[str, Handler] = {
    "load": _known(partial(load, read=read_rows, after=after_step)),
    "ship": _known(partial(ship, after=after_step)),
    "settle": _known(partial(settle, after=after_step)),
}


@blueprint.function_name("run_jobs")
@blueprint.queue_trigger("msg", JOBS, "AzureWebJobsStorage")
async def run_jobs(msg: func.QueueMessage) -> None:
    """Handle one message of a step that is pure data."""
    if works := await ports_or_put_back(JOBS, msg.get_body()):
        await work(works, JOBS, msg.get_body(), msg.dequeue_count or 1, HANDLERS)

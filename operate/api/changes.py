"""What operators change: rows sent again or dismissed, write-backs, pauses, sweeps."""

import azure.functions as func

from operate.api.access import auth_level
from operate.api.answers import answer, guarded, read_body
from operate.api.refusals import BadRequest
from operate.api.requests import (
    DismissRequest,
    PauseRequest,
    ReplayRequest,
    ResumeRequest,
    SweepRequest,
    WriteBackRequest,
)
from operate.repair.replay import describe_dismissal, dismiss, plan, replay
from operate.repair.selection import select
from operate.repair.sweep import sweep
from operate.views.health import describe_pause
from shared.engine.ports import Ports
from shared.ledger.run import State
from shared.project_operations.accounting_detail import start as start_write_back
from shared.wiring import ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

LEVEL = auth_level()


@blueprint.function_name("replay")
@blueprint.route("replays", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_replay(req: func.HttpRequest) -> func.HttpResponse:
    """Send again what is missing or rejected, or say what would be sent."""
    asked, works = read_body(req, ReplayRequest), await ports()
    _check_map(works, asked.map)
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
    _check_map(works, asked.map)
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
    _check_map(works, asked.map)
    await works.audit.note("pause", asked.by, asked.model_dump(mode="json"))
    await works.pauses.pause(asked.map, reason=asked.reason, by=asked.by)
    return await _pauses(works)


@blueprint.function_name("resume")
@blueprint.route("resumes", methods=["POST"], auth_level=LEVEL)
@guarded
async def post_resume(req: func.HttpRequest) -> func.HttpResponse:
    """Let a map, or everything, go on."""
    asked, works = read_body(req, ResumeRequest), await ports()
    _check_map(works, asked.map)
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


async def _pauses(works: Ports) -> func.HttpResponse:
    return answer(200, {"paused": [describe_pause(pause) for pause in await works.pauses.standing()]})


def _check_map(works: Ports, name: str | None) -> None:
    if name is not None and name not in works.job.maps:
        raise BadRequest(400, "badRequest", f"map: {name} is none of {', '.join(works.job.maps)}")

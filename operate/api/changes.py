"""Changes by operators: replays, dismissals, write-backs, pauses, sweeps."""

import azure.functions as func

from operate.api.answers import answer, read_body, serve
from operate.api.refusals import BadRequest
from operate.repair.replay import describe_dismissal, dismiss, plan, replay
from operate.repair.selection import select
from operate.repair.sweep import sweep
from operate.views.health import describe_pause
from relay_contract import endpoints
from relay_contract.changes import Dismissals, Pauses, Replay, Sweep, WriteBack
from relay_contract.requests import (
    DismissRequest,
    PauseRequest,
    ReplayRequest,
    ResumeRequest,
    SweepRequest,
    WriteBackRequest,
)
from shared.engine.ports import Ports
from shared.ledger.run import State
from shared.project_operations.accounting_detail import start as start_write_back
from shared.wiring import ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@serve(blueprint, endpoints.REPLAY)
async def post_replay(req: func.HttpRequest) -> func.HttpResponse:
    """Send missing or rejected rows again, or report what would be sent."""
    asked, works = read_body(req, ReplayRequest), await ports()
    _check_map(works, asked.map)
    plans = await plan(works, asked)
    result = Replay(
        dry_run=asked.dry_run,
        rows=sum(len(each.selected.rows) for each in plans),
        runs=[each.describe() for each in plans],
    )
    if asked.dry_run:
        return answer(200, result)
    # Before the change: after a crash in between, an entry without a change is better than a change without an entry.
    await works.audit.note("replay", asked.by, asked.document())
    await replay(works, plans, asked.by)
    return answer(202, result)


@serve(blueprint, endpoints.DISMISS)
async def post_dismissal(req: func.HttpRequest) -> Dismissals:
    """Dismiss rejected rows, or report which rows would be dismissed."""
    asked, works = read_body(req, DismissRequest), await ports()
    _check_map(works, asked.map)
    chosen = [selected async for selected in select(works, asked) if selected.rows or selected.interrupted]
    result = Dismissals(
        dry_run=asked.dry_run,
        rows=sum(len(selected.rows) for selected in chosen),
        runs=[describe_dismissal(selected) for selected in chosen],
    )
    if not asked.dry_run:
        await works.audit.note("dismiss", asked.by, asked.document())
        await dismiss(works, chosen, reason=asked.reason, by=asked.by)
    return result


@serve(blueprint, endpoints.START_WRITE_BACK)
async def post_write_back(req: func.HttpRequest) -> WriteBack:
    """Write the accounting detail of one invoice back now, as far as Finance has posted it."""
    asked, works = read_body(req, WriteBackRequest), await ports()
    run = await works.ledger.run(asked.invoice_id)
    if run is None or run.state != State.COMPLETED:
        raise BadRequest(404, "notCompleted", f"There is no completed run of invoice {asked.invoice_id}")
    await works.audit.note("write back", asked.by, asked.document())
    await start_write_back(works, run.subject)
    return WriteBack(invoice_id=str(run.subject), invoice_number=run.number, posting=run.posting)


@serve(blueprint, endpoints.LIST_PAUSES)
async def show_pauses(req: func.HttpRequest) -> Pauses:
    """List the pauses."""
    del req
    return await _pauses(await ports())


@serve(blueprint, endpoints.PAUSE)
async def post_pause(req: func.HttpRequest) -> Pauses:
    """Pause a map, or everything."""
    asked, works = read_body(req, PauseRequest), await ports()
    _check_map(works, asked.map)
    await works.audit.note("pause", asked.by, asked.document())
    await works.pauses.pause(asked.map, reason=asked.reason, by=asked.by)
    return await _pauses(works)


@serve(blueprint, endpoints.RESUME)
async def post_resume(req: func.HttpRequest) -> Pauses:
    """Resume a map, or everything."""
    asked, works = read_body(req, ResumeRequest), await ports()
    _check_map(works, asked.map)
    await works.audit.note("resume", asked.by, asked.document())
    await works.pauses.resume(asked.map)
    return await _pauses(works)


@serve(blueprint, endpoints.SWEEP_NOW)
async def post_sweep(req: func.HttpRequest) -> Sweep:
    """Sweep now."""
    asked, works = read_body(req, SweepRequest), await ports()
    await works.audit.note("sweep", asked.by, {})
    return await sweep(works)


def _check_map(works: Ports, name: str | None) -> None:
    if name is not None and name not in works.job.maps:
        raise BadRequest(400, "badRequest", f"map: {name} is none of {', '.join(works.job.maps)}")


async def _pauses(works: Ports) -> Pauses:
    return Pauses(paused=[describe_pause(pause) for pause in await works.pauses.standing()])

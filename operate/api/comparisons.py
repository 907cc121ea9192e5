"""What operators have compared: actuals that are out of sync, and invoices row by row."""

from uuid import uuid4

import azure.functions as func

from operate.api.access import auth_level
from operate.api.answers import answer, guarded, read_body
from operate.api.refusals import BadRequest
from operate.api.requests import (
    OutOfSyncRequest,
    ReconcileRequest,
)
from operate.reconcile.invoices import start as start_comparing
from operate.reconcile.out_of_sync import describe_search, look_for_strays
from operate.reconcile.reports import Jobs
from shared.wiring import ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

LEVEL = auth_level()


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

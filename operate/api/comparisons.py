"""Comparisons for operators: actuals that are out of sync, and invoices row by row."""

from uuid import uuid4

import azure.functions as func

from operate.api.answers import read_body, serve
from operate.api.refusals import BadRequest
from operate.reconcile.invoices import start as start_comparing
from operate.reconcile.out_of_sync import describe_search, start_search
from operate.reconcile.reports import Reports
from relay_contract import endpoints
from relay_contract.out_of_sync import OutOfSync
from relay_contract.reconciliation import JobAccepted, Reconciliation
from relay_contract.requests import OutOfSyncRequest, ReconcileRequest
from shared.wiring import ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@serve(blueprint, endpoints.LOOK_FOR_STRAYS)
async def post_out_of_sync(req: func.HttpRequest) -> JobAccepted:
    """Start a search for actuals that are out of sync. The kinds in `sync` are also sent or written back."""
    asked, works, job = read_body(req, OutOfSyncRequest), await ports(), uuid4().hex
    # A search alone changes nothing, so it is not audited.
    if asked.sync:
        await works.audit.note("sync out of sync", asked.by, asked.document() | {"job": job})
    await start_search(works, job, asked.period, asked.sync, by=asked.by)
    return _accepted(req, job)


@serve(blueprint, endpoints.SHOW_OUT_OF_SYNC)
async def show_out_of_sync(req: func.HttpRequest) -> OutOfSync:
    """Report a search: its progress, what is out of sync, and what was done about it."""
    found = await describe_search(await ports(), req.route_params["job"])
    if found is None:
        raise BadRequest(404, "noJob", f"There is no search {req.route_params['job']}")
    return found


@serve(blueprint, endpoints.START_RECONCILIATION)
async def post_reconciliation(req: func.HttpRequest) -> JobAccepted:
    """Start comparing one invoice, or all confirmed ones of a period."""
    asked = read_body(req, ReconcileRequest)
    return _accepted(req, await start_comparing(await ports(), asked))


@serve(blueprint, endpoints.SHOW_RECONCILIATION)
async def show_reconciliation(req: func.HttpRequest) -> Reconciliation:
    """Report a reconciliation: its progress and its findings."""
    job = await Reports(await ports()).read(req.route_params["job"])
    if job is None:
        raise BadRequest(404, "noJob", f"There is no reconciliation {req.route_params['job']}")
    return job


def _accepted(req: func.HttpRequest, job: str) -> JobAccepted:
    return JobAccepted(id=job, status_url=f"{req.url.partition('?')[0]}/{job}")

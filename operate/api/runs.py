"""What operators read: runs, rejected rows, imports, the health of the app."""

from uuid import UUID

import azure.functions as func
from pydantic import ValidationError

from operate.api.access import auth_level
from operate.api.answers import answer, guarded
from operate.api.refusals import BadRequest
from operate.api.requests import (
    RunsQuery,
)
from operate.views.error_groups import describe_row, groups
from operate.views.health import health, health_of_refused
from operate.views.run import describe
from operate.views.runs import list_runs, states_of
from operate.views.timeline import timeline
from shared.errors import NotOurStorage
from shared.ledger.run import State
from shared.wiring import configuration, ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

LEVEL = auth_level()


@blueprint.function_name("list_runs")
@blueprint.route("runs", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_runs(req: func.HttpRequest) -> func.HttpResponse:
    """List runs, newest first."""
    try:
        query = RunsQuery.model_validate(dict(req.params))
        states = [State(state) for state in states_of(req.url)]
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(400, "badQuery", f"{first['loc'][0]}: {first['msg']}") from error
    except ValueError as error:
        raise BadRequest(400, "badState", f"state: {error}; it is one of {', '.join(State)}") from error
    return answer(200, await list_runs(await ports(), query, states))


@blueprint.function_name("show_run")
@blueprint.route("runs/{invoiceId}", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_run(req: func.HttpRequest) -> func.HttpResponse:
    """Tell where the run of an invoice stands."""
    invoice_id = _guid(req.route_params["invoiceId"])
    works = await ports()
    run = await works.ledger.look(invoice_id)
    if run is None:
        raise BadRequest(
            404, "noRun", f"There is no run of invoice {invoice_id}; if it is confirmed, a sweep starts one"
        )
    return answer(200, await describe(works, run))


@blueprint.function_name("show_timeline")
@blueprint.route("runs/{invoiceId}/timeline", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_timeline(req: func.HttpRequest) -> func.HttpResponse:
    """Tell what happened to the run of an invoice, and when."""
    works = await ports()
    run = await works.ledger.look(_guid(req.route_params["invoiceId"]))
    if run is None:
        raise BadRequest(404, "noRun", f"There is no run of invoice {req.route_params['invoiceId']}")
    return answer(200, await timeline(works, run))


@blueprint.function_name("show_import")
@blueprint.route("imports/{executionId}", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_import(req: func.HttpRequest) -> func.HttpResponse:
    """Tell where Finance shows an import."""
    execution_id = req.route_params["executionId"]
    address = await (await ports()).finance.summary_page(execution_id)
    if address is None:
        raise BadRequest(404, "noImport", f"Finance does not find an import {execution_id}")
    return answer(200, {"executionId": execution_id, "page": address})


@blueprint.function_name("list_errors")
@blueprint.route("errors", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_errors(req: func.HttpRequest) -> func.HttpResponse:
    """List the groups of rejected rows."""
    found = await groups(await ports(), _invoice_of(req))
    return answer(200, {"groups": [group.describe() for group in found.values()]})


@blueprint.function_name("show_error")
@blueprint.route("errors/{group}", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_error(req: func.HttpRequest) -> func.HttpResponse:
    """List the rejected rows of one group."""
    group = (await groups(await ports(), _invoice_of(req))).get(req.route_params["group"])
    if group is None:
        raise BadRequest(404, "noGroup", f"There is no group {req.route_params['group']} of rejected rows")
    return answer(200, {"group": group.describe(), "rows": [describe_row(*row) for row in group.rows]})


@blueprint.function_name("show_health")
@blueprint.route("health", methods=["GET"], auth_level=LEVEL)
@guarded
async def show_health(req: func.HttpRequest) -> func.HttpResponse:
    """Tell how the whole app is."""
    del req
    try:
        return answer(200, await health(await ports()))
    except NotOurStorage as refusal:
        return answer(200, health_of_refused(configuration().maps, str(refusal)))


def _invoice_of(req: func.HttpRequest) -> UUID | None:
    text = req.params.get("invoiceId")
    return _guid(text) if text else None


def _guid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadRequest(400, "badInvoiceId", "The invoice id is no GUID") from error

"""Read access for operators: runs, rejected rows, imports, health, and the OpenAPI document."""

from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import azure.functions as func
from pydantic import ValidationError

from operate.api.answers import json_answer, serve
from operate.api.refusals import BadRequest
from operate.views.error_groups import describe_row, groups
from operate.views.health import health, health_of_refused
from operate.views.run import describe
from operate.views.runs import list_runs
from operate.views.timeline import timeline
from relay_contract import endpoints
from relay_contract.errors import ErrorGroupRows, ErrorGroups
from relay_contract.health import Health
from relay_contract.openapi import openapi
from relay_contract.requests import RunsQuery
from relay_contract.runs import FinancePage, RunDetail, Runs, Timeline
from shared.engine.ports import Ports
from shared.errors import NotOurStorage
from shared.ledger.run import Run, State
from shared.wiring import configuration, ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@serve(blueprint, endpoints.LIST_RUNS)
async def show_runs(req: func.HttpRequest) -> Runs:
    """List runs, newest first."""
    query = _query(req)
    if strange := [state for state in query.state if state not in State]:
        raise BadRequest(400, "badState", f"state: {', '.join(strange)} is none of {', '.join(State)}")
    return await list_runs(await ports(), query, [State(state) for state in query.state])


@serve(blueprint, endpoints.SHOW_RUN)
async def show_run(req: func.HttpRequest) -> RunDetail:
    """Report the run of an invoice."""
    return await describe(*await _run(req, "; if it is confirmed, a sweep starts one"))


@serve(blueprint, endpoints.SHOW_TIMELINE)
async def show_timeline(req: func.HttpRequest) -> Timeline:
    """Report the history of an invoice's run."""
    return await timeline(*await _run(req))


@serve(blueprint, endpoints.SHOW_IMPORT)
async def show_import(req: func.HttpRequest) -> FinancePage:
    """Report the address of an import in Finance's user interface."""
    execution_id = req.route_params["executionId"]
    address = await (await ports()).finance.summary_page(execution_id)
    if address is None:
        raise BadRequest(404, "noImport", f"Finance does not find an import {execution_id}")
    return FinancePage(execution_id=execution_id, page=address)


@serve(blueprint, endpoints.LIST_ERRORS)
async def show_errors(req: func.HttpRequest) -> ErrorGroups:
    """List the groups of rejected rows."""
    found = await groups(await ports(), _invoice_of(req))
    return ErrorGroups(groups=[group.describe() for group in found.values()])


@serve(blueprint, endpoints.SHOW_ERROR)
async def show_error(req: func.HttpRequest) -> ErrorGroupRows:
    """List the rejected rows of one group."""
    group = (await groups(await ports(), _invoice_of(req))).get(req.route_params["group"])
    if group is None:
        raise BadRequest(404, "noGroup", f"There is no group {req.route_params['group']} of rejected rows")
    return ErrorGroupRows(group=group.describe(), rows=[describe_row(*row) for row in group.rows])


@serve(blueprint, endpoints.SHOW_HEALTH)
async def show_health(req: func.HttpRequest) -> Health:
    """Report the health of the app."""
    del req
    # An app that refuses its storage must still say so where operators look first.
    try:
        return await health(await ports())
    except NotOurStorage as refusal:
        return health_of_refused(configuration().maps, str(refusal))


@serve(blueprint, endpoints.SHOW_OPENAPI)
async def show_openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Return the OpenAPI document."""
    del req
    return json_answer(200, openapi())


def _query(req: func.HttpRequest) -> RunsQuery:
    # The Functions worker keeps only one parameter of each name.
    states = parse_qs(urlsplit(req.url).query).get("state", [])
    try:
        return RunsQuery.model_validate({**req.params, "state": states}, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(400, "badQuery", f"{first['loc'][0]}: {first['msg']}") from error


async def _run(req: func.HttpRequest, advice: str = "") -> tuple[Ports, Run]:
    invoice_id, works = _guid(req.route_params["invoiceId"]), await ports()
    run = await works.ledger.look(invoice_id)
    if run is None:
        raise BadRequest(404, "noRun", f"There is no run of invoice {invoice_id}{advice}")
    return works, run


def _invoice_of(req: func.HttpRequest) -> UUID | None:
    text = req.params.get("invoiceId")
    return _guid(text) if text else None


def _guid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadRequest(400, "badInvoiceId", "The invoice id is no GUID") from error

"""The endpoint that serves the page's files without authentication, and those that its scripts call first."""

import azure.functions as func

from operate.api.access import name_of
from operate.api.answers import problem, serve
from operate.page.files import HEADERS, find
from relay_contract import endpoints
from relay_contract.sign_in import MapTitle, OperatorName, SignIn
from relay_contract.version import VERSION
from shared.wiring import configuration

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@serve(blueprint, endpoints.PAGE)
async def show_page(req: func.HttpRequest) -> func.HttpResponse:
    """Serve the page's files. They contain no data, so they need no authentication."""
    if req.url.partition("?")[0].endswith("/page/"):
        # The page names its files relative to its own address, and that must not end with a slash.
        return func.HttpResponse(status_code=308, headers={**HEADERS, "Location": "../page"})
    file = find(req.route_params.get("file") or "index.html")
    if file is None:
        return problem(404, "noFile", "The page has no such file")
    headers = {**HEADERS, "ETag": file.etag}
    if req.headers.get("if-none-match") == file.etag:
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(file.content, mimetype=file.mimetype, charset="utf-8", headers=headers)


@serve(blueprint, endpoints.SHOW_SIGN_IN)
async def show_sign_in(req: func.HttpRequest) -> SignIn:
    """Report how operators sign in, and the titles of the maps. Needs no authentication."""
    del req
    given = configuration()
    maps = [MapTitle(map=step.map, title=step.shown, measured=step.measures is not None) for step in given.job.steps]
    return SignIn(app=VERSION, sign_in=given.settings.operator_sign_in, maps=maps)


@serve(blueprint, endpoints.SHOW_OPERATOR)
async def show_operator(req: func.HttpRequest) -> OperatorName:
    """Report the name of the operator, or none if each change has to state it."""
    return OperatorName(name=name_of(req))

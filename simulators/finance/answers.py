"""Response bodies: JSON with exact decimals, and the error envelope of X++ exceptions."""

from typing import Any

import orjson
from aiohttp import web

JSON_TYPE = "application/json; odata.metadata=minimal; odata.streaming=true"
WRITE_EXCEPTION = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"
ACTION_EXCEPTION = "System.InvalidOperationException"
STACK = "   at Microsoft.Dynamics.Platform.Integration.Services.OData"


class ServiceRefused(Exception):
    """A request that Finance answers with an error; `kind` is the .NET type named in `innererror`."""

    def __init__(self, status: int, message: str, kind: str = ACTION_EXCEPTION) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind


class GatewayFailed(Exception):
    """A page from the gateway instead of an answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def action_failed(action: str, message: str, status: int = 400) -> ServiceRefused:
    """Return the refusal of a data management action; Finance answers nearly every one of them with 400."""
    where = f"Exception occurred while executing action {action} on Entity DataManagementDefinitionGroup: "
    return ServiceRefused(status, where + message)


def json_answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with one JSON object; decimals must already be `orjson.Fragment`s."""
    all_headers = {"Content-Type": JSON_TYPE, "OData-Version": "4.0"} | (headers or {})
    return web.Response(body=orjson.dumps(body), status=status, headers=all_headers)


def envelope(refused: ServiceRefused) -> dict[str, Any]:
    """Return the documented error shape: `code` is always empty and only the inner message says anything."""
    inner = {"message": refused.message, "type": refused.kind, "stacktrace": STACK}
    return {"error": {"code": "", "message": "An error has occurred.", "innererror": inner}}


def error_answer(refused: ServiceRefused) -> web.Response:
    """Answer with the error envelope."""
    return json_answer(envelope(refused), refused.status)

"""HTTP answers. Errors of endpoints are converted to answers only here."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
from azure.core.exceptions import AzureError
from pydantic import BaseModel, ValidationError

from operate.api.access import auth_level, check_access, name_of
from operate.api.refusals import BadRequest
from relay_contract import Answer
from relay_contract.endpoints import Endpoint
from relay_contract.problems import Code, Problem, ProblemDetail
from shared.errors import (
    ContractBroken,
    LeaseLost,
    NewerVersion,
    NotOurStorage,
    NotPermitted,
    Refused,
    SignInFailed,
    Throttled,
    Unavailable,
)
from shared.storage import refusals

type Handler = Callable[[func.HttpRequest], Awaitable[Answer | func.HttpResponse]]

_LARGEST_BODY = 256 * 1024
# Answers hold customers' figures, so no cache on the way may keep them.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def answer(status: int, body: Answer) -> func.HttpResponse:
    """A JSON answer that no cache may store."""
    return json_answer(status, body.document())


def json_answer(status: int, document: object) -> func.HttpResponse:
    """An answer that is a JSON document of its own, such as the OpenAPI document."""
    return func.HttpResponse(json.dumps(document), status_code=status, mimetype="application/json", headers=_HEADERS)


def problem(status: int, code: Code, text: str) -> func.HttpResponse:
    """An error answer."""
    return answer(status, Problem(error=ProblemDetail(code=code, message=text)))


def serve(blueprint: func.Blueprint, endpoint: Endpoint) -> Callable[[Handler], Any]:
    """Register a function for an endpoint of the contract. The answer has the endpoint's first status unless the
    function chooses another one."""
    level = auth_level(endpoint.access)

    def register(handler: Handler) -> Any:
        guard = _guarded(handler, endpoint)
        route = blueprint.route(endpoint.path, methods=[endpoint.method], auth_level=level)
        return blueprint.function_name(endpoint.name)(route(guard))

    return register


def _guarded(handler: Handler, endpoint: Endpoint) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    """Check access, and convert errors to answers that name what is wrong."""

    async def guard(req: func.HttpRequest) -> func.HttpResponse:
        try:
            check_access(req, endpoint.access)
            result = await handler(req)
        except BadRequest as error:
            return problem(error.status, error.code, str(error))
        except (NotOurStorage, AzureError) as error:
            return _without_storage(error)
        except (Throttled, Unavailable, SignInFailed) as error:
            return problem(503, "serviceUnavailable", str(error))
        except (NotPermitted, Refused, ContractBroken) as error:
            return problem(502, _refusal(error), str(error))
        except (LeaseLost, NewerVersion) as error:
            return problem(409, *_conflict(error))
        return answer(min(endpoint.answers), result) if isinstance(result, Answer) else result

    # The worker reads the annotations of the guard, but the name must be the handler's.
    guard.__name__, guard.__qualname__, guard.__module__ = handler.__name__, handler.__qualname__, handler.__module__
    return guard


def _refusal(error: Exception) -> Code:
    return "notPermitted" if isinstance(error, NotPermitted) else "serviceRefused"


def _conflict(error: LeaseLost | NewerVersion) -> tuple[Code, str]:
    if isinstance(error, NewerVersion):
        return "newerVersion", f"{error}. Nothing was done: it waits for that version, or a later one"
    return "changedMeanwhile", "The run changed while this was done; look again and repeat"


def _without_storage(error: Exception) -> func.HttpResponse:
    if isinstance(error, AzureError):
        return problem(503, "storageUnavailable", f"{refusals.describe(error)}: {refusals.advise(error)}")
    return problem(503, "otherStorage", str(error))


def read_body[T: BaseModel](req: func.HttpRequest, model: type[T]) -> T:
    """The request's body, with the signed-in user as `by`. Raises BadRequest with the field and the reason."""
    body = req.get_body()
    if len(body) > _LARGEST_BODY:
        raise BadRequest(413, "tooLarge", f"The body has {len(body)} bytes, more than {_LARGEST_BODY}")
    try:
        signed = _signed(body or b"{}", name_of(req))
        return model.model_validate_json(signed, by_alias=True, by_name=False)
    except ValidationError as error:
        first: Any = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise BadRequest(400, "badRequest", f"{where}: {reason}" if where else reason) from error


def _signed(body: bytes, name: str | None) -> bytes:
    """The body with the signed-in user as `by`, whatever name it states. With keys it is unchanged."""
    if name is None:
        return body
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return json.dumps({**document, "by": name}).encode() if isinstance(document, dict) else body

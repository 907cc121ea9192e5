"""HTTP answers, and the one place where what goes wrong in an endpoint becomes one."""

import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
from azure.core.exceptions import AzureError
from pydantic import BaseModel, ValidationError

from operate.api.access import name_of
from operate.api.refusals import BadRequest
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

type Endpoint = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

_LARGEST_BODY = 256 * 1024
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def answer(status: int, body: object) -> func.HttpResponse:
    """A JSON answer, for whoever asked and for no cache on the way."""
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json", headers=_HEADERS)


def problem(status: int, code: str, text: str) -> func.HttpResponse:
    """An error answer."""
    return answer(status, {"error": {"code": code, "message": text}})


def guarded(endpoint: Endpoint) -> Endpoint:
    """Let operators in and nobody else, and turn what goes wrong into an answer that says what is wrong."""

    @functools.wraps(endpoint)
    async def guard(req: func.HttpRequest) -> func.HttpResponse:
        try:
            name_of(req)
            return await endpoint(req)
        except BadRequest as error:
            return problem(error.status, error.code, str(error))
        except (NotOurStorage, AzureError) as error:
            return _without_storage(error)
        except (Throttled, Unavailable, SignInFailed) as error:
            return problem(503, "serviceUnavailable", str(error))
        except (NotPermitted, Refused, ContractBroken) as error:
            code = "notPermitted" if isinstance(error, NotPermitted) else "serviceRefused"
            return problem(502, code, str(error))
        except (LeaseLost, NewerVersion) as error:
            return problem(409, *_conflict(error))

    return guard


def _conflict(error: LeaseLost | NewerVersion) -> tuple[str, str]:
    if isinstance(error, NewerVersion):
        return "newerVersion", f"{error}. Nothing was done: it waits for that version, or a later one"
    return "changedMeanwhile", "The run changed while this was done; look again and repeat"


def _without_storage(error: Exception) -> func.HttpResponse:
    if isinstance(error, AzureError):
        return problem(503, "storageUnavailable", f"{refusals.describe(error)}: {refusals.advise(error)}")
    return problem(503, "otherStorage", str(error))


def read_body[T: BaseModel](req: func.HttpRequest, model: type[T]) -> T:
    """The request's body, signed by who is signed in. Raises BadRequest naming the field and the reason."""
    body = req.get_body()
    if len(body) > _LARGEST_BODY:
        raise BadRequest(413, "tooLarge", f"The body has {len(body)} bytes, more than {_LARGEST_BODY}")
    try:
        return model.model_validate_json(_signed(body or b"{}", name_of(req)))
    except ValidationError as error:
        first: Any = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise BadRequest(400, "badRequest", f"{where}: {reason}" if where else reason) from error


def _signed(body: bytes, name: str | None) -> bytes:
    """The body with the name of who is signed in as `by`, whatever name it states; as it is where keys are used."""
    if name is None:
        return body
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return json.dumps({**document, "by": name}).encode() if isinstance(document, dict) else body

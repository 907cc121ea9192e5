"""Errors of the app's own storage: which are transient, and how they are described."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.storage.names import LANDED, MAPS, TABLES

RETRIED_FOR = 240.0
"""Seconds during which work is retried in place while storage refuses it. This is well below the host's timeout.
Together with the host's five tries it is longer than people usually need to repair a role assignment.
"""
_LONGEST_PAUSE = 30.0
NAME = "storage"
# Missing roles, a rotated key and the account's firewall are repaired by people; waiting work then continues.
_PASSING = {401, 403, 408, 429, 500, 502, 503, 504}
_KINDS = {
    **dict.fromkeys(TABLES, "table"),
    LANDED: "container",
    MAPS: "container",
}


def passes(error: AzureError) -> bool:
    """Whether the error is transient: storage was unreachable, busy, or refused access. The host's own five tries
    follow each other so quickly that they would end before it is over."""
    if isinstance(error, ClientAuthenticationError):
        return True
    if isinstance(error, HttpResponseError):
        return error.status_code in _PASSING
    return isinstance(error, ServiceRequestError | ServiceResponseError)


def describe(error: AzureError) -> str:
    """The request and storage's answer: `Storage answered 403 AuthorizationFailure to GET table runs`."""
    response = getattr(error, "response", None)
    request = getattr(response, "request", None)
    place = f" to {request.method} {_place(str(request.url))}" if request is not None else ""
    if isinstance(error, HttpResponseError) and error.status_code:
        return f"Storage answered {error.status_code} {_code(error)}".rstrip() + place
    return f"Storage cannot be reached ({type(error).__name__})"


def advise(error: AzureError) -> str:
    """What an operator can do about it."""
    if isinstance(error, HttpResponseError) and error.status_code in {401, 403}:
        return "see the app's roles on the storage account, its keys and its firewall"
    return "see whether the storage account is up"


def _code(error: HttpResponseError) -> str:
    headers = getattr(error.response, "headers", None) or {}
    code = getattr(error, "error_code", None) or headers.get("x-ms-error-code") or ""
    return str(getattr(code, "value", code))


def _place(url: str) -> str:
    address = urlsplit(url)
    segments = address.path.strip("/").split("/")
    for segment in segments:
        name = segment.partition("(")[0]
        if kind := _KINDS.get(name):
            return f"{kind} {name}"
    if "messages" in segments[1:]:
        return f"queue {segments[segments.index('messages', 1) - 1]}"
    return f"queue {segments[-1]}" if address.query == "comp=metadata" else address.path


async def retry_while_unavailable[T](effort: Callable[[], Awaitable[T]]) -> T:
    """Call `effort` again while storage refuses it with a transient error, for RETRIED_FOR seconds. Raises the last
    error."""
    until, pause = time.monotonic() + RETRIED_FOR, 1.0
    while True:
        try:
            return await effort()
        except AzureError as error:
            if not passes(error) or time.monotonic() > until:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)

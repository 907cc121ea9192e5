"""The middleware of every service request: tokens, throttling, faults and statistics.

Finance throttles by resource use of its web servers. Data management actions are exempt by default. A caller that
continues during a wait gets a longer wait.
"""

import asyncio
import logging
import math
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from aiohttp import web

from simulators.finance.answers import GatewayFailed, ServiceRefused, error_answer, json_answer
from simulators.finance.blobs import CONTAINER
from simulators.finance.fields import new_guid
from simulators.finance.switches import Switches
from simulators.language import speak
from simulators.spoils import AFTER, BEFORE, Told, instead, spoilt
from simulators.tokens import TokenCheck, TokenRefused
from simulators.waits import Forms, invites, retry_after

BUSY = "This request could not be processed at this time due to system experiencing high resource utilization."
CROWDED = "Number of concurrent requests exceeded the limit of {limit}."
LONGEST_WAIT_SECONDS = 300
ACTIONS = "/Microsoft.Dynamics.DataEntities."
ROWS_WRITTEN, ROWS_READ = "rowsWritten", "rowsRead"
"""Facts that a handler records about a request, to compute its cost."""
LOG = logging.getLogger(__name__)

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Throttle:
    """The state of resource throttling: the end of the current wait, and the length of the next one."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._until = 0.0
        self._announced = 0.0
        self._wait = 0
        self._forms = Forms()
        self.answered = 0
        self.ignored = 0
        self.in_flight = 0

    def relax(self) -> None:
        """End the current wait."""
        self._until = 0.0

    def refuse(self) -> web.Response | None:
        """Return a 429, or None when the request may pass."""
        now = time.time()
        if now < self._until:
            return self._still_waiting(now)
        if self._switches.spend("throttle_next") or random.random() < self._switches.throttle_share:  # noqa: S311
            return self._announce(now, max(1, math.ceil(self._switches.retry_after_seconds)))
        return None

    def refuse_excess(self, running: int) -> web.Response | None:
        """Return a 429 when `running` exceeds the number of requests served concurrently."""
        limit = self._switches.odata_at_once
        if not limit or running <= limit:
            return None
        wait = max(1, math.ceil(self._switches.retry_after_seconds))
        return self._announce(time.time(), wait, CROWDED.format(limit=limit))

    def _still_waiting(self, now: float) -> web.Response:
        """A request in flight when the wait was announced is no violation. A later one doubles the wait."""
        if now < self._announced + self._switches.throttle_grace_seconds:
            self.in_flight += 1
            return self._answer(self._until - now, self._form())
        self.ignored += 1
        return self._announce(now, min(self._wait * 2, LONGEST_WAIT_SECONDS))

    def _announce(self, now: float, wait: int, reason: str = BUSY) -> web.Response:
        form = self._form()
        if not invites(form):
            self._wait, self._announced = wait, now
            self._until = now + wait
        return self._answer(wait, form, reason)

    def _form(self) -> str:
        return self._forms.choose(self._switches.retry_after_form)

    def _answer(self, seconds: float, form: str, reason: str = BUSY) -> web.Response:
        self.answered += 1
        return json_answer({"Message": reason}, 429, retry_after(form, seconds))


class Gate:
    """The middleware of the service routes; control routes pass untouched and uncounted."""

    def __init__(self, switches: Switches, tokens: TokenCheck) -> None:
        self._switches = switches
        self._tokens = tokens
        self._routes: Counter[str] = Counter()
        self._throttle = Throttle(switches)
        self._running = 0
        self.callers: set[str] = set()

    def statistics(self) -> dict[str, object]:
        """Return the counts of service requests so far."""
        return {
            "total": self._routes.total(),
            "byRoute": dict(sorted(self._routes.items())),
            "throttled": self._throttle.answered,
            "whileThrottled": self._throttle.ignored,
            "inFlight": self._throttle.in_flight,
        }

    def relax(self) -> None:
        """End the current wait for all callers."""
        self._throttle.relax()

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve one request; the middleware of the application."""
        if request.path.startswith("/sim/") or is_upload(request):
            return await handler(request)
        return await self._serve(request, handler)

    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        route = route_name(request)
        self._routes[f"{request.method} {route}"] += 1
        await asyncio.sleep(self._switches.latency_seconds)
        if self._switches.spend_reset("reset_before", route):
            return _hang_up(request, web.Response())
        spoils = self._switches.spoils(f"{request.method} {route}")
        answer = self._instead(spoils) or self._refuse(request) or await self._work(request, handler, started)
        if spoils in AFTER and isinstance(answer, web.Response) and answer.status < 300:
            body = answer.body if isinstance(answer.body, bytes) else b""
            answer = _told(spoilt(spoils, self._switches.spoil_status, body))
        if self._switches.spend_reset("reset_after_commit", route):
            return _hang_up(request, answer)
        if not answer.prepared:
            answer.headers["ms-dyn-aid"] = new_guid()
            answer.headers["server-timing"] = f"dur={int((time.perf_counter() - started) * 1000)}"
        return answer

    async def _work(self, request: web.Request, handler: Handler, started: float) -> web.StreamResponse:
        """Handle a request and take as long as its cost says."""
        if _is_action(request):
            return await self._paced(request, handler, started)
        self._running += 1
        try:
            return self._throttle.refuse_excess(self._running) or await self._paced(request, handler, started)
        finally:
            self._running -= 1

    async def _paced(self, request: web.Request, handler: Handler, started: float) -> web.StreamResponse:
        answer = await self._handle(request, handler)
        cost = self._switches.odata_seconds
        cost += self._switches.odata_seconds_per_row * request.get(ROWS_WRITTEN, 0)
        cost += self._switches.odata_seconds_per_row_read * request.get(ROWS_READ, 0)
        await asyncio.sleep(started + cost - time.perf_counter())
        return answer

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        language = self._switches.language
        try:
            return await handler(request)
        except ServiceRefused as refused:
            return error_answer(ServiceRefused(refused.status, speak(refused.message, language), refused.kind))
        except GatewayFailed as failed:
            return _html(failed.status, "The service is unavailable.")
        except web.HTTPException as error:
            text = speak(f"No HTTP resource was found that matches the request URI '{request.url}'.", language)
            return json_answer({"Message": text}, error.status)
        except Exception:
            LOG.exception("%s %s", request.method, request.path)
            return _html(500, "Internal Server Error")

    def _instead(self, spoils: str) -> web.Response | None:
        return _told(instead(spoils, self._switches.spoil_status)) if spoils in BEFORE else None

    def _forbid(self, request: web.Request) -> web.Response | None:
        """Refuse what the security role of the app's user does not permit."""
        if self._switches.forbid_caller:
            return _html(403, "Access is denied.")
        name = route_name(request).removesuffix("/$count")
        closed = self._switches.forbid_all_but_packages and not _is_action(request)
        if _is_document(request) or not (closed or name in self._switches.forbid_entities):
            return None
        text = f"Access denied: You are not authorized to access '{name}'."
        return error_answer(ServiceRefused(403, speak(text, self._switches.language)))

    def _refuse(self, request: web.Request) -> web.Response | None:
        if self._switches.spend("error_next") or random.random() < self._switches.error_share:  # noqa: S311
            return _html(self._switches.error_status, "The service is unavailable.")
        try:
            rejected = self._switches.spend("token_reject_next")
            token = "Bearer rejected" if rejected else request.headers.get("Authorization")
            self._admit(token, request)
        except TokenRefused as refused:
            return _unauthorized(refused, request)
        if forbidden := self._forbid(request):
            return forbidden
        exempt = _is_action(request) and not self._switches.throttle_actions
        return None if exempt else self._throttle.refuse()

    def _admit(self, token: str | None, request: web.Request) -> None:
        """Let in the registered applications, and any valid token to the metadata document."""
        if _is_document(request):
            self._tokens.check_signature(token, self._switches.tokens_revoked_before)
            return
        client = self._tokens.check(token, self._switches.tokens_revoked_before)
        if not self._switches.app_registered:
            raise TokenRefused(self._switches.unregistered_status, f"application {client} is not registered")
        self.callers.add(client)


def route_name(request: web.Request) -> str:
    """Return the set or action that a request is for, without keys and namespace; below `/metadata`, the path."""
    if is_upload(request):
        return CONTAINER
    last = unquote(request.path).rstrip("/").split("/data/")[-1]
    if ACTIONS in last:
        return last.rsplit(".", 1)[-1]
    return re.sub("^/metadata/", "/metadata/", last.split("(", 1)[0], flags=re.IGNORECASE)


def is_upload(request: web.Request) -> bool:
    """Tell whether a request is for the blob storage, whose URLs carry their own signature."""
    return request.path.split("/")[2:3] == [CONTAINER]


def _is_document(request: web.Request) -> bool:
    """Whether a request is for `$metadata`, which is answered to any valid token and so proves nothing."""
    return request.path == "/data/$metadata"


def _is_action(request: web.Request) -> bool:
    return request.method == "POST" and request.path.startswith("/data/DataManagementDefinitionGroups/")


def _told(told: Told) -> web.Response:
    return web.Response(status=told.status, body=told.body, content_type=told.kind, headers=told.headers)


def _hang_up(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """Close the connection without an answer. The work of the handler stays done."""
    if request.transport is not None:
        request.transport.abort()
    return answer


def _unauthorized(refused: TokenRefused, request: web.Request) -> web.Response:
    """Answer as the gateway does, never in JSON: nothing at all without a token, a page otherwise."""
    if refused.status == 401 and "Authorization" not in request.headers:
        return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    return _html(refused.status, "Access is denied.")


def _html(status: int, title: str) -> web.Response:
    page = f"<!DOCTYPE html><html><head><title>{status}</title></head><body><h2>{title}</h2></body></html>"
    return web.Response(text=page, status=status, content_type="text/html")

"""The Web API over HTTP: sign-in, limits and faults around every request."""

import asyncio
import logging
import re
import secrets
import time
from collections import Counter
from dataclasses import replace
from functools import partial

from aiohttp import web

from simulators.dataverse.batch import Batch
from simulators.dataverse.calls import Call, Reply
from simulators.dataverse.dispatch import Dispatcher
from simulators.dataverse.errors import SQL_TIMEOUT, ServiceError
from simulators.dataverse.faults import Faults, gateway_page
from simulators.dataverse.privileges import permit
from simulators.dataverse.protection import Protection
from simulators.dataverse.scenario.latecomer import add_latecomer
from simulators.dataverse.scenario.retouch import retouch
from simulators.dataverse.store import Store, Writer, new_id
from simulators.dataverse.switches import Switches
from simulators.language import speak
from simulators.spoils import AFTER, BEFORE, Told, instead, spoilt
from simulators.tokens import TokenCheck, TokenRefused

MAX_URL = 32_768
DOP_HINT = "48"
PAGE_OF_LATENCY = 5_000
_ROOT = re.compile(r"^/api/data/v9\.[0-2]")
_ROUTE = re.compile(r"\([^)]*\)")
_log = logging.getLogger("simulators.dataverse")


class Dropped(Exception):
    """The connection is closed without an answer."""


class Service:
    """Takes requests below /api/data/v9.x."""

    def __init__(self, store: Store, dispatcher: Dispatcher, tokens: TokenCheck, switches: Switches) -> None:
        self.store = store
        self.dispatcher = dispatcher
        self.tokens = tokens
        self.switches = switches
        self.protection = Protection(switches)
        self.faults = Faults(switches)
        self.routes: Counter[str] = Counter()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request; a dropped one gets no answer at all."""
        try:
            reply = await self._reply(request)
        except Dropped:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        except Exception:  # noqa: BLE001 - whatever went wrong inside, the service answers in its own form
            _log.exception("%s %s", request.method, request.raw_path[:500])
            reply = Reply(500, ServiceError(500, "0x80040216", "An unexpected error occurred.").body())
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers={"Content-Type": reply.content_type, **reply.headers} if reply.body else reply.headers,
        )

    async def _reply(self, request: web.Request) -> Reply:
        path, _, query = request.raw_path.partition("?")
        root = _ROOT.match(path)
        below = path[root.end() :].strip("/") if root else path
        route = route_name(request)
        self.routes[route] += 1
        server, arrived = self._server(request), time.monotonic()
        try:
            user = await self._admit(request, route)
            check_length(self.tokens.audience + request.raw_path, MAX_URL)
            prefix = self.tokens.audience + (root[0] if root else "")
            call = Call(request.method, below, query, _lower(request), await request.read(), user, prefix)
            reply = await self._within_limits(call, route, server, arrived)
        except ServiceError as error:
            reply = self._refusal(error)
            user = ""
        self._add_headers(reply, user, server)
        return reply

    def _refusal(self, error: ServiceError) -> Reply:
        said = replace(error, message=speak(error.message, self.switches.language))
        return Reply(said.status, said.body(), dict(said.headers))

    async def _admit(self, request: web.Request, route: str) -> str:
        """Return the caller's client id. Raises ServiceError or Dropped."""
        if self.faults.strikes("resetBefore", route):
            raise Dropped
        if self.switches.latencySeconds:
            await asyncio.sleep(self.switches.latencySeconds)
        if self.switches.forbidCaller:
            raise self._refused(TokenRefused(403, "forbidden"))
        if self.faults.strikes("tokenReject", route):
            raise self._refused(TokenRefused(401, "The token was revoked."))
        try:
            return self.tokens.check(request.headers.get("Authorization"), self.switches.tokensRevokedBefore)
        except TokenRefused as refused:
            raise self._refused(refused) from refused

    def _refused(self, refused: TokenRefused) -> ServiceError:
        if refused.status == 403:
            return ServiceError(403, "0x80072560", "The user is not a member of the organization.")
        challenge = (
            "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize, "
            f"resource_id={self.tokens.audience}/"
        )
        return ServiceError(401, "0x8004A001", refused.reason, {"WWW-Authenticate": challenge})

    async def _within_limits(self, call: Call, route: str, server: str, arrived: float) -> Reply:
        self.protection.enter(call.user, server, arrived)
        started = time.monotonic()
        try:
            if self.faults.strikes("throttle", route):
                raise self.protection.throttle(call.user, server)
            if self.faults.strikes("error", route):
                status = self.switches.errorStatus
                return Reply(status, gateway_page(status), content_type="text/html")
            if self.faults.strikes("sqlTimeout", route):
                raise ServiceError(500, SQL_TIMEOUT, "Sql error: Execution Timeout Expired. CRM ErrorCode: -2147204783")
            spoils = self.faults.spoils(route)
            if spoils in BEFORE:
                return _told(instead(spoils, self.switches.spoilStatus))
            reply = await self._work(call, server)
        finally:
            self.protection.leave(call.user, server, time.monotonic() - started)
        if spoils in AFTER and reply.status < 300:
            return _told(spoilt(spoils, self.switches.spoilStatus, reply.body))
        if self.faults.strikes("resetAfterCommit", route):
            raise Dropped
        return reply

    async def _work(self, call: Call, server: str) -> Reply:
        permit(self.dispatcher.schema, self.switches, call)
        if call.method in {"GET", "HEAD"}:
            return await self._read(call)
        if call.path == "$batch":
            return await self.store.write(lambda writer: Batch(partial(self._part, server)).run(writer, call))
        return await self.store.write(lambda writer: self.dispatcher.write(writer, call))

    async def _read(self, call: Call) -> Reply:
        started = time.monotonic()
        reply = await self.store.read(lambda connection: self.dispatcher.read(connection, call))
        if self.switches.extraRowsNext and reply.last and call.path == "msdyn_actuals":
            self.switches.extraRowsNext -= 1
            await self.store.write(lambda writer: add_latecomer(writer, reply.last))
        if self.switches.changedRowsNext and reply.last and call.path == "msdyn_actuals":
            await self.store.write(lambda writer: self._retouch(writer, reply.last))
        if self.switches.pageLatencySeconds:
            await asyncio.sleep(self.switches.pageLatencySeconds * reply.rows / PAGE_OF_LATENCY)
        whole = max(self.switches.readSeconds, self.switches.pageSeconds * reply.rows / PAGE_OF_LATENCY)
        await asyncio.sleep(started + whole - time.monotonic())
        return reply

    def _retouch(self, writer: Writer, key: str) -> None:
        # Two pages may be read concurrently, but a writer is alone, so the switch is checked again here.
        if self.switches.changedRowsNext:
            self.switches.changedRowsNext -= retouch(writer, key)

    def _part(self, server: str, writer: Writer, call: Call) -> Reply:
        """Answer one part of a batch. A server may start throttling in the middle of a batch."""
        if self.faults.strikes("throttle", f"batch {call.method} {call.path}"):
            raise self.protection.throttle(call.user, server)
        try:
            permit(self.dispatcher.schema, self.switches, call)
            return self.dispatcher.write(writer, call)
        except ServiceError as error:
            raise replace(error, message=speak(error.message, self.switches.language)) from error

    def _server(self, request: web.Request) -> str:
        known = request.cookies.get("ARRAffinity", "")
        if known.isdecimal() and int(known) < self.switches.servers:
            return known
        return str(secrets.randbelow(max(1, self.switches.servers)))

    def _add_headers(self, reply: Reply, user: str, server: str) -> None:
        reply.headers.setdefault("OData-Version", "4.0")
        reply.headers |= self.protection.headers(user, server)
        reply.headers["x-ms-dop-hint"] = DOP_HINT
        reply.headers["x-ms-service-request-id"] = new_id()
        reply.headers["Set-Cookie"] = f"ARRAffinity={server};Path=/;HttpOnly"

    def statistics(self) -> dict[str, object]:
        return {
            "total": self.routes.total(),
            "byRoute": dict(self.routes),
            "throttled": self.protection.throttled,
            "whileThrottled": self.protection.while_throttled,
            "inFlight": self.protection.in_flight,
        }


def _told(told: Told) -> Reply:
    return Reply(told.status, told.body, dict(told.headers), content_type=told.kind)


def route_name(request: web.Request) -> str:
    """Return method and path of a request, without the service root and keys."""
    path = request.raw_path.partition("?")[0]
    root = _ROOT.match(path)
    below = path[root.end() :].strip("/") if root else path
    return f"{request.method} {_ROUTE.sub('', below) or '/'}"


def check_length(url: str, limit: int) -> None:
    if len(url) > limit:
        raise ServiceError(414, "0x80060888", f"The request URI is longer than {limit} characters.")


def _lower(request: web.Request) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined

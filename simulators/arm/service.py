"""The requests about one function app: the site itself, the keys of its functions, the keys of its host."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulators.arm.keys import KeyFile
from simulators.tokens import ALGORITHM

AUDIENCE = "https://management.azure.com"
SITE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{site}"
_ACTIONS = {
    "GET": "sites/Read",
    "POST": "sites/functions/listkeys/action",
    "PUT": "sites/functions/keys/write",
    "DELETE": "sites/functions/keys/delete",
}

type Handler = Callable[[web.Request], Awaitable[web.Response]]


class ArmError(Exception):
    """An answer without success, in the form of Azure Resource Manager."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def answer(self) -> web.Response:
        return web.json_response({"error": {"code": self.code, "message": self.message}}, status=self.status)


class Switches(BaseModel):
    """Settings that can be changed while the service runs."""

    model_config = ConfigDict(extra="forbid")

    keyDelaySeconds: float = Field(default=0, ge=0)  # noqa: N815 - seconds until the host takes a changed key
    failNext: int = Field(default=0, ge=0)  # noqa: N815 - the name on the wire
    failMethod: str = ""  # noqa: N815
    redirectTo: str = ""  # noqa: N815 - every request is sent there


@dataclass(frozen=True)
class Site:
    """The function app."""

    resource_id: str
    host_name: str
    functions: frozenset[str]


@dataclass
class Arm:
    """Azure Resource Manager for one function app. `owners` are the people who may use it."""

    site: Site
    keys: KeyFile
    tenant: str
    token_secret: str
    owners: frozenset[str]
    switches: Switches = field(default_factory=Switches)
    requests: list[str] = field(default_factory=list)
    pending: list[Callable[[], None]] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        function, host = f"{SITE}/functions/{{function}}", f"{SITE}/host/default"
        return [
            web.get(SITE, self._guarded(self.show_site)),
            web.post(f"{function}/listkeys", self._guarded(self.list_function_keys)),
            web.put(f"{function}/keys/{{name}}", self._guarded(self.put_key)),
            web.delete(f"{function}/keys/{{name}}", self._guarded(self.delete_key)),
            web.post(f"{host}/listkeys", self._guarded(self.list_host_keys)),
            web.put(f"{host}/functionKeys/{{name}}", self._guarded(self.put_key)),
            web.delete(f"{host}/functionKeys/{{name}}", self._guarded(self.delete_key)),
            web.get("/sim/requests", self.show_requests),
            web.put("/sim/switches", self.set_switches),
        ]

    async def show_site(self, _: web.Request) -> web.Response:
        name = self.site.host_name
        return web.json_response(
            {
                "id": self.site.resource_id,
                "name": self.site.resource_id.rpartition("/")[2],
                "type": "Microsoft.Web/sites",
                "kind": "functionapp,linux",
                "properties": {"state": "Running", "enabled": True, "defaultHostName": name, "hostNames": [name]},
            }
        )

    async def list_function_keys(self, request: web.Request) -> web.Response:
        return web.json_response(self.keys.of_function(self._function(request) or ""))

    async def list_host_keys(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"masterKey": self.keys.master(), "functionKeys": self.keys.of_host(), "systemKeys": {}}
        )

    async def put_key(self, request: web.Request) -> web.Response:
        """Set a key; without a value the service makes one."""
        function, name = self._function(request), request.match_info["name"]
        given = (await _properties(request)).get("value")
        value = str(given) if given else secrets.token_urlsafe(40)
        known = self.keys.of_host() if function is None else self.keys.of_function(function)
        self._later(lambda: self.keys.put(function, name, value))
        body = {
            "id": f"{self.site.resource_id}/{request.path.partition('/sites/')[2].partition('/')[2]}",
            "name": name,
            "type": "Microsoft.Web/sites/functions/keys" if function else "Microsoft.Web/sites/host/functionKeys",
            "properties": {"name": name, "value": value},
        }
        return web.json_response(body, status=200 if name in known else 201)

    async def delete_key(self, request: web.Request) -> web.Response:
        if not self.keys.delete(self._function(request), request.match_info["name"]):
            raise ArmError(404, "NotFound", f"Key {request.match_info['name']} does not exist.")
        return web.Response(status=204)

    async def show_requests(self, _: web.Request) -> web.Response:
        """Method and path of all requests so far."""
        return web.json_response(self.requests)

    async def set_switches(self, request: web.Request) -> web.Response:
        """Turn the given switches, leave the others. Without a delay, pending changes of keys are made at once."""
        try:
            self.switches = Switches.model_validate(self.switches.model_dump() | await request.json())
        except ValidationError as error:
            return web.json_response({"error": str(error)}, status=400)
        if not self.switches.keyDelaySeconds:
            self._make_pending()
        return web.json_response(self.switches.model_dump())

    def _function(self, request: web.Request) -> str | None:
        """The function of a request, or None when it is about the host."""
        function = request.match_info.get("function")
        if function is not None and function not in self.site.functions:
            raise ArmError(404, "NotFound", f"Function '{function}' was not found.")
        return function

    def _later(self, change: Callable[[], None]) -> None:
        if not self.switches.keyDelaySeconds:
            change()
            return
        self.pending.append(change)
        asyncio.get_running_loop().call_later(self.switches.keyDelaySeconds, self._make, change)

    def _make(self, change: Callable[[], None]) -> None:
        if change in self.pending:
            self.pending.remove(change)
            change()

    def _make_pending(self) -> None:
        """Make all delayed changes now: none may come later, when the delay is off."""
        for change in list(self.pending):
            self._make(change)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.Response:
            self.requests.append(f"{request.method} {request.path}")
            try:
                self._admit(request)
                return await handler(request)
            except ArmError as error:
                return error.answer()

        return guarded

    def _admit(self, request: web.Request) -> None:
        if self.switches.redirectTo:
            raise web.HTTPTemporaryRedirect(self.switches.redirectTo + request.path_qs)
        person = self._person(request.headers.get("Authorization", ""))
        if "api-version" not in request.query:
            raise ArmError(
                400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required."
            )
        if person not in self.owners:
            action, scope = f"Microsoft.Web/{_ACTIONS[request.method]}", self.site.resource_id
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{person}' with object id '{person}' does not have authorization to perform action "
                f"'{action}' over scope '{scope}' or the scope is invalid.",
            )
        wanted = "/".join(request.path.split("/")[:9])
        if wanted.lower() != self.site.resource_id.lower():
            raise ArmError(404, "ResourceNotFound", f"The Resource '{request.path}' was not found.")
        if self.switches.failNext and self.switches.failMethod in ("", request.method):
            self.switches.failNext -= 1
            raise ArmError(503, "ServiceUnavailable", "The service is temporarily unavailable.")

    def _person(self, authorization: str) -> str:
        """The object id of the person who asks."""
        if not authorization.startswith("Bearer "):
            raise ArmError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        try:
            claims = jwt.decode(authorization[7:], self.token_secret, algorithms=[ALGORITHM], audience=AUDIENCE)
        except jwt.InvalidTokenError as error:
            reason = f"The access token is invalid: {type(error).__name__}."
            raise ArmError(401, "InvalidAuthenticationToken", reason) from error
        if claims["tid"] != self.tenant:
            raise ArmError(
                401,
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer 'https://sts.windows.net/{claims['tid']}/'. It must match "
                f"the tenant 'https://sts.windows.net/{self.tenant}/' associated with this subscription.",
            )
        return str(claims.get("oid", claims["appid"]))


async def _properties(request: web.Request) -> dict[str, Any]:
    try:
        properties = (await request.json())["properties"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArmError(400, "BadRequest", "The request body must have properties.") from error
    return dict(properties)

"""The pages of the sign-in service, and its control pages under /sim."""

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulators import tokens
from simulators.losses import Losses
from simulators.signin import refusals
from simulators.signin.browser import Grants, id_token
from simulators.signin.clients import Client, CredentialCheck
from simulators.spoils import BEFORE, FORMS, Told, instead, spoilt

DEFAULT_SCOPE = "/.default"
IDENTITY_API = "2019-08-01"
# Entra proposes an early refresh for tokens that live two hours or longer.
EARLY_REFRESH_SECONDS = 7200
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Switches(BaseModel):
    """Settings that can be changed while the service runs."""

    model_config = ConfigDict(extra="forbid")

    tokenLifetimeSeconds: float = 3600  # noqa: N815 - the name on the wire
    failNext: int = Field(default=0, ge=0)  # noqa: N815 - the name on the wire
    latencySeconds: float = Field(default=0, ge=0)  # noqa: N815 - the name on the wire
    # Unusable answers, as in simulators/spoils.py: the next n of either page
    spoilForm: Literal[FORMS] = ""  # type: ignore[valid-type]  # noqa: N815 - the name on the wire
    spoilStatus: int = 200  # noqa: N815 - the name on the wire
    spoilNext: int = Field(default=0, ge=0)  # noqa: N815 - the name on the wire
    # The object id of the person who signs in with a browser
    browserPerson: str = ""  # noqa: N815 - the name on the wire


@dataclass
class SignIn:
    """One tenant's sign-in service. `origin` is its https address, without path."""

    origin: str
    tenant: str
    token_secret: str
    identity_header: str
    clients: Mapping[str, Client]
    switches: Switches
    requests: Counter[str] = field(default_factory=Counter)
    losses: Losses = field(default_factory=lambda: Losses(_route))
    grants: Grants = field(default_factory=Grants)

    def authority_pages(self) -> web.Application:
        """The https side: discovery and tokens."""
        application = web.Application(middlewares=[self.losses.pass_through, self._spoil])
        for version in ("", "/v2.0"):
            application.router.add_get(f"/{{tenant}}{version}/.well-known/openid-configuration", self.discover)
        application.router.add_get("/{tenant}/oauth2/v2.0/authorize", self.ask_person)
        application.router.add_post("/{tenant}/oauth2/v2.0/token", self.give_token)
        return application

    def local_pages(self) -> web.Application:
        """The http side: the managed identity endpoint, and control."""
        application = web.Application(middlewares=[self.losses.pass_through, self._spoil])
        self.losses.add_routes(application.router)
        application.router.add_get("/msi/token", self.give_identity_token)
        application.router.add_post("/sim/tokens", self.give_person_token)
        application.router.add_get("/sim/requests", self.show_requests)
        application.router.add_get("/sim/switches", self.show_switches)
        application.router.add_put("/sim/switches", self.set_switches)
        return application

    async def discover(self, request: web.Request) -> web.Response:
        """The OpenID configuration of the tenant."""
        tenant = request.match_info["tenant"]
        if (failure := await self._begin("GET discovery")) or (failure := self._find_stranger(tenant)):
            return web.json_response(failure.describe(), status=failure.status)
        base = f"{self.origin}/{tenant}"
        return web.json_response(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            }
        )

    async def ask_person(self, request: web.Request) -> web.Response:
        """The page on which a person signs in, as it is after they have."""
        if not self.switches.browserPerson:
            return web.Response(status=400, text="this browser has no person: set the switch browserPerson")
        page = self.grants.ask(request.query, self.switches.browserPerson)
        return web.Response(text=page, content_type="text/html")

    async def give_token(self, request: web.Request) -> web.Response:
        """Client credentials, or what a person has granted, against a token."""
        failure = await self._begin("POST token")
        try:
            if failure := failure or self._find_stranger(request.match_info["tenant"]):
                raise failure
            form = {name: str(value) for name, value in (await request.post()).items()}
            return web.json_response(self._answer_form(form), headers={"Cache-Control": "no-store"})
        except refusals.TokenDenied as denied:
            return web.json_response(denied.describe(), status=denied.status)

    async def give_identity_token(self, request: web.Request) -> web.Response:
        """A token for a managed identity, as App Service and Functions give it."""
        if await self._begin("GET msi/token"):
            return _refuse_identity(500, "An unexpected error occurred while fetching the AAD Token.")
        if not hmac.compare_digest(request.headers.get("X-IDENTITY-HEADER", ""), self.identity_header):
            return _refuse_identity(401, "X-IDENTITY-HEADER is missing or wrong.")
        resource = request.query.get("resource", "").rstrip("/")
        if request.query.get("api-version") != IDENTITY_API or not resource:
            return _refuse_identity(400, f"resource and api-version {IDENTITY_API} are required.")
        identity = self._find_identity(request.query.get("client_id"))
        if identity is None:
            wanted = (
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
            )
            return _refuse_identity(400, wanted)
        expires = int(time.time() + self.switches.tokenLifetimeSeconds)
        token = self._issue(identity, resource)
        return web.json_response(
            {"access_token": token, "expires_on": str(expires), "resource": resource, "token_type": "Bearer"}
        )

    async def give_person_token(self, request: web.Request) -> web.Response:
        """A token for a person who has signed in with a command: {"person": object id, "resource", "tenant"?}. The
        answer is what `az account get-access-token` prints."""
        asked, lifetime = await request.json(), self.switches.tokenLifetimeSeconds
        tenant, expires = str(asked.get("tenant", self.tenant)), datetime.fromtimestamp(time.time() + lifetime)  # noqa: DTZ006 - az prints local time
        token = tokens.issue(
            secret=self.token_secret,
            issuer=f"https://sts.windows.net/{tenant}/",
            tenant=tenant,
            audience=str(asked["resource"]).rstrip("/"),
            client_id=AZURE_CLI,
            lifetime=lifetime,
            person=str(asked["person"]),
        )
        return web.json_response(
            {
                "accessToken": token,
                "expiresOn": expires.strftime("%Y-%m-%d %H:%M:%S.%f"),
                "expires_on": int(expires.timestamp()),
                "subscription": NO_SUBSCRIPTION,
                "tenant": tenant,
                "tokenType": "Bearer",
            }
        )

    async def show_requests(self, _: web.Request) -> web.Response:
        """How many requests of each kind came in, control pages not counted."""
        return web.json_response({"total": self.requests.total(), "byRoute": dict(self.requests)})

    async def show_switches(self, _: web.Request) -> web.Response:
        """The switches as they are."""
        return web.json_response(self.switches.model_dump())

    async def set_switches(self, request: web.Request) -> web.Response:
        """Turn the given switches, leave the others."""
        try:
            given = await request.json()
            self.switches = Switches.model_validate(self.switches.model_dump() | given)
        except ValidationError as error:
            reasons = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            return web.json_response({"error": "; ".join(reasons)}, status=400)
        except (ValueError, TypeError):
            return web.json_response({"error": "the body must be a JSON object of switches"}, status=400)
        return await self.show_switches(request)

    def _answer_form(self, form: Mapping[str, str]) -> dict[str, Any]:
        if form.get("grant_type") in ("authorization_code", "refresh_token"):
            return self._answer_person(form)
        if form.get("grant_type") != "client_credentials":
            raise refusals.deny_grant(form.get("grant_type", ""))
        base = f"{self.origin}/{self.tenant}"
        check = CredentialCheck(self.clients, self.tenant, (f"{base}/oauth2/v2.0/token", f"{base}/v2.0"))
        client_id = check.check(form)
        audience = _read_audience(form.get("scope", ""))
        lifetime = int(self.switches.tokenLifetimeSeconds)
        answer = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime}
        if lifetime >= EARLY_REFRESH_SECONDS:
            answer["refresh_in"] = lifetime // 2
        return {**answer, "access_token": self._issue(client_id, audience)}

    def _answer_person(self, form: Mapping[str, str]) -> dict[str, Any]:
        grant, lifetime = self.grants.redeem(form), self.switches.tokenLifetimeSeconds
        issuer = f"{self.origin}/{self.tenant}/v2.0"
        token = tokens.issue(
            secret=self.token_secret,
            issuer=issuer,
            tenant=self.tenant,
            audience=_read_audience(form.get("scope", "")),
            client_id=grant.client_id,
            lifetime=lifetime,
            person=grant.person,
        )
        return {
            "token_type": "Bearer",
            "expires_in": int(lifetime),
            "scope": form.get("scope", ""),
            "access_token": token,
            "refresh_token": self.grants.refresh_token(grant),
            "id_token": id_token(grant, self.tenant, issuer, self.token_secret, lifetime),
        }

    def _issue(self, client_id: str, audience: str) -> str:
        return tokens.issue(
            secret=self.token_secret,
            issuer=f"{self.origin}/{self.tenant}/v2.0",
            tenant=self.tenant,
            audience=audience,
            client_id=client_id,
            lifetime=self.switches.tokenLifetimeSeconds,
        )

    def _find_identity(self, client_id: str | None) -> str | None:
        kind = "user" if client_id else "system"
        known = (name for name, client in self.clients.items() if client.managedIdentity == kind)
        return next((name for name in known if client_id in (None, name)), None)

    def _find_stranger(self, tenant: str) -> refusals.TokenDenied | None:
        # People may sign in without naming their tenant.
        known = tenant.lower() in (self.tenant.lower(), "organizations")
        return None if known else refusals.deny_tenant(tenant)

    @web.middleware
    async def _spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        form = self.switches.spoilForm
        if request.path.startswith("/sim/") or not form or self.switches.spoilNext <= 0:
            return await handler(request)
        self.switches.spoilNext -= 1
        if form in BEFORE:
            return _told(instead(form, self.switches.spoilStatus))
        answer = await handler(request)
        body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        return _told(spoilt(form, self.switches.spoilStatus, body))

    async def _begin(self, route: str) -> refusals.TokenDenied | None:
        self.requests[route] += 1
        await asyncio.sleep(self.switches.latencySeconds)
        if self.switches.failNext <= 0:
            return None
        self.switches.failNext -= 1
        return refusals.fail_transiently()


def _told(told: Told) -> web.Response:
    return web.Response(body=told.body, status=told.status, content_type=told.kind, headers=told.headers)


def _route(request: web.Request) -> str:
    return f"{request.method} {'discovery' if request.path.endswith('openid-configuration') else 'token'}"


def _read_audience(scope: str) -> str:
    if not scope:
        raise refusals.deny_missing("scope")
    # MSAL may ask for OpenID's own scopes along with the one.
    wanted = [part for part in scope.split() if part not in ("openid", "profile", "offline_access")]
    if len(wanted) != 1 or not wanted[0].endswith(DEFAULT_SCOPE):
        raise refusals.deny_scope(scope)
    return wanted[0].removesuffix(DEFAULT_SCOPE).rstrip("/")


def _refuse_identity(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message}, status=status)

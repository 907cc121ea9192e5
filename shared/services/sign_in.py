"""Signs in to both services: one token provider on top of MSAL.

MSAL is synchronous and does not merge concurrent acquisitions, so it runs in a thread, one acquisition at a time. MSAL
caches tokens and renews a token in its last five minutes. Because a busy event loop starts threads late, a token is
handed out for a minute without asking MSAL.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt
import msal
import requests
from msal.exceptions import MsalError
from requests.adapters import HTTPAdapter

from shared import clock
from shared.configuration.certificate import read_certificate
from shared.errors import SignInFailed
from shared.services.answers import Asked, Reply, came, describe
from shared.settings import Settings

LONGEST_SILENCE = 30.0
"""Seconds until a token request times out. MSAL itself would wait forever, and every other request would wait with
it.
"""
# Seconds during which a valid token is handed out without asking MSAL again.
_UNASKED = 60.0
# MSAL renews a token this many seconds before it expires.
_RENEWED_AHEAD = 300.0
# MSAL validates an authority with Microsoft's public endpoint, which does not know any other host.
_WELL_KNOWN = "https://login.microsoftonline."


class NoAnswer(requests.RequestException):
    """The answer did not come from the sign-in service."""


class _Client(Protocol):
    """The interface that both kinds of MSAL client share."""

    def acquire(self, resource: str, *, fresh: bool) -> dict[str, Any]: ...


class _Confidential:
    """A client secret or a certificate."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _app(self) -> msal.ConfidentialClientApplication:
        settings = self._settings
        authority = settings.authority or ""
        return msal.ConfidentialClientApplication(
            str(settings.client_id),
            client_credential=_credential(settings),
            authority=authority,
            instance_discovery=authority.startswith(_WELL_KNOWN),
            http_client=_session(settings),
        )

    def acquire(self, resource: str, *, fresh: bool) -> dict[str, Any]:
        if fresh:
            self._app.remove_tokens_for_client()
        return dict(self._app.acquire_token_for_client([f"{resource}/.default"]))


class _Managed:
    """The function app's own identity, system-assigned unless SIGN_IN_CLIENT_ID names a user-assigned one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _app(self) -> msal.ManagedIdentityClient:
        client_id = self._settings.client_id
        identity = (
            msal.UserAssignedManagedIdentity(client_id=str(client_id))
            if client_id
            else msal.SystemAssignedManagedIdentity()
        )
        return msal.ManagedIdentityClient(identity, http_client=_session(self._settings))

    def acquire(self, resource: str, *, fresh: bool) -> dict[str, Any]:
        if fresh:
            self.__dict__.pop("_app", None)
        return dict(self._app.acquire_token_for_client(resource=resource))


def _session(settings: Settings) -> requests.Session:
    """The HTTP session of MSAL. It has a timeout, and it accepts only answers in the form of the sign-in service."""
    session = requests.Session()
    patience = min(LONGEST_SILENCE, settings.answer_patience)
    session.request = partial(session.request, timeout=patience)  # type: ignore[method-assign]
    # The same as in MSAL's own session.
    session.mount("https://", HTTPAdapter(max_retries=1))
    session.hooks["response"].append(_check_answer)
    return session


def _check_answer(response: requests.Response, **_: Any) -> None:
    """Discovery, tokens and errors are JSON objects. A page or a cut-off body comes from a gateway. Raises NoAnswer."""
    if response.is_redirect:
        return
    try:
        is_answer = isinstance(response.json(), dict)
    except ValueError:
        is_answer = False
    if not is_answer:
        asked = Asked(str(response.request.method), urlsplit(str(response.url)).path)
        what = describe(Reply(response.status_code, response.headers, response.content))
        raise NoAnswer(came("the sign-in service", asked, response.status_code, what))


def _credential(settings: Settings) -> str | dict[str, str]:
    if settings.sign_in == "clientSecret":
        return settings.client_secret.get_secret_value() if settings.client_secret else ""
    return _certificate_credential(settings.certificate.get_secret_value() if settings.certificate else "")


def _certificate_credential(text: str) -> dict[str, str]:
    """Without a thumbprint MSAL signs with SHA-256; with one it would use SHA-1. Raises SignInFailed."""
    try:
        found = read_certificate(text, clock.now())
    except ValueError as error:
        raise SignInFailed("sign-in", f"SIGN_IN_CERTIFICATE {error}") from error
    return {"private_key": found.private_key, "public_certificate": found.public_certificate}


def credential_ends(settings: Settings, now: datetime) -> datetime | None:
    """When the app's certificate expires. None for a managed identity, which has nothing that expires, and for a client
    secret, which does not tell."""
    if settings.sign_in != "certificate" or settings.certificate is None:
        return None
    return read_certificate(settings.certificate.get_secret_value(), now).ends


@dataclass(frozen=True)
class _Token:
    """A token, the Unix time of its expiry, and the Unix time until which it is handed out without asking MSAL."""

    text: str
    expires_on: int
    handed_out_until: float


class SignIn:
    """Provides bearer tokens. A service is named by its origin."""

    def __init__(self, settings: Settings) -> None:
        self._client: _Client = _Managed(settings) if settings.sign_in == "managedIdentity" else _Confidential(settings)
        # Without the lock, all workers would ask for a token when it expires.
        self._one_at_a_time = asyncio.Lock()
        self._kept: dict[str, _Token] = {}

    async def token(self, resource: str, *, refused: str | None = None) -> str:
        """Return a token for `resource`. `refused` is the token that the service has just answered with 401. It is
        dropped, unless a concurrent caller has replaced it already. Raises SignInFailed."""
        return (await self.token_until(resource, refused=refused))[0]

    async def token_until(self, resource: str, *, refused: str | None = None) -> tuple[str, int]:
        """Like `token`, with the Unix time at which the token expires."""
        async with self._one_at_a_time:
            token = self._kept.get(resource)
            if token is None or token.text == refused or token.handed_out_until < time.time():
                # A refused token is not handed out again, even if no other token can be acquired.
                self._kept.pop(resource, None)
                token = self._kept[resource] = await self._renewed(resource, refused)
        return token.text, token.expires_on

    async def tenant(self, resource: str) -> str:
        """The Entra tenant that issues the app's tokens, as the claim `tid` tells. Raises SignInFailed."""
        try:
            claims = jwt.decode(await self.token(resource), options={"verify_signature": False})
            return str(claims["tid"])
        except (jwt.PyJWTError, KeyError) as error:
            raise SignInFailed("sign-in", "its token does not name a tenant") from error

    async def _renewed(self, resource: str, refused: str | None) -> _Token:
        answer = await self._acquire(resource, fresh=False)
        if refused is not None and answer.get("access_token") == refused:
            answer = await self._acquire(resource, fresh=True)
        if "access_token" not in answer:
            raise _no_token(answer)
        now = time.time()
        expires_on = int(now) + int(answer.get("expires_in", 0))
        return _Token(str(answer["access_token"]), expires_on, min(now + _UNASKED, expires_on - _RENEWED_AHEAD))

    async def _acquire(self, resource: str, *, fresh: bool) -> dict[str, Any]:
        try:
            # MSAL blocks during its HTTP requests.
            return await asyncio.to_thread(self._client.acquire, resource, fresh=fresh)
        except NoAnswer as error:
            raise SignInFailed("sign-in", str(error), passing=True) from error
        except KeyError as error:
            raise SignInFailed("sign-in", f"its configuration came without {error}", passing=True) from error
        except requests.RequestException as error:
            raise SignInFailed("sign-in", f"{type(error).__name__}: {error}", passing=True) from error
        except (MsalError, jwt.PyJWTError, ValueError) as error:
            raise SignInFailed("sign-in", f"{type(error).__name__}: {error}") from error


def _no_token(answer: dict[str, Any]) -> SignInFailed:
    if "error" in answer:
        return SignInFailed("sign-in", f"{answer['error']}: {answer.get('error_description')}")
    return SignInFailed("sign-in", "it answered with neither a token nor an error", passing=True)

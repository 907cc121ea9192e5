"""Signing in to both services: one token provider over MSAL.

MSAL is synchronous and does not fold concurrent acquisitions into one, so it runs off the event loop, one acquisition
at a time. MSAL itself keeps the tokens and renews one that has under five minutes left; but a busy event loop gives a
thread its turn late, so a token is handed out for a while without asking MSAL.
"""

import asyncio
import time
from dataclasses import dataclass
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
"""Seconds after which a token request is given up; MSAL itself would wait for good, and everybody with it."""
_UNASKED = 60.0
"""Seconds for which MSAL is not asked again for a token of good standing."""
_RENEWED_AHEAD = 300.0
"""Seconds before its end from which MSAL renews a token."""
_WELL_KNOWN = "https://login.microsoftonline."


class NoAnswer(requests.RequestException):
    """Whatever answered, it was not the sign-in service."""


class _Client(Protocol):
    """What both kinds of MSAL client look like from here."""

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
    """What MSAL asks with: it gives up in time, and takes an answer only in the form of the sign-in service."""
    session = requests.Session()
    patience = min(LONGEST_SILENCE, settings.answer_patience)
    session.request = partial(session.request, timeout=patience)  # type: ignore[method-assign]
    # As MSAL has it for a session of its own.
    session.mount("https://", HTTPAdapter(max_retries=1))
    session.hooks["response"].append(_see_that_it_answers)
    return session


def _see_that_it_answers(response: requests.Response, **_: Any) -> None:
    """Discovery, tokens and refusals are JSON objects; a page or a cut-off body is of a gateway. Raises NoAnswer."""
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
    """Without a thumbprint MSAL signs with SHA-256; giving one would fall back to SHA-1. Raises SignInFailed."""
    try:
        found = read_certificate(text, clock.now())
    except ValueError as error:
        raise SignInFailed("sign-in", f"SIGN_IN_CERTIFICATE {error}") from error
    return {"private_key": found.private_key, "public_certificate": found.public_certificate}


@dataclass(frozen=True)
class _Token:
    """A token, the Unix time at which it expires, and the one until which it is handed out."""

    text: str
    expires_on: int
    handed_out_until: float


class SignIn:
    """Gives the bearer token of a service; both services are asked for by their origin."""

    def __init__(self, settings: Settings) -> None:
        self._client: _Client = _Managed(settings) if settings.sign_in == "managedIdentity" else _Confidential(settings)
        self._one_at_a_time = asyncio.Lock()
        self._kept: dict[str, _Token] = {}

    async def token(self, resource: str, *, refused: str | None = None) -> str:
        """Return a token for `resource`. `refused` is the token that the service has just answered with 401: it is
        dropped, unless somebody has replaced it meanwhile. Raises SignInFailed."""
        return (await self.token_until(resource, refused=refused))[0]

    async def token_until(self, resource: str, *, refused: str | None = None) -> tuple[str, int]:
        """Return a token and the Unix time at which it expires, as `token` does."""
        async with self._one_at_a_time:
            token = self._kept.get(resource)
            if token is None or token.text == refused or token.handed_out_until < time.time():
                # What was refused is not handed out again, even if there turns out to be no other.
                self._kept.pop(resource, None)
                token = self._kept[resource] = await self._renewed(resource, refused)
        return token.text, token.expires_on

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

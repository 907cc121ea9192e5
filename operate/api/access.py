"""Access control of the operator's endpoints.

With OPERATOR_SIGN_IN=key the host checks a function key before the app is called, and operators state their names. With
appServiceAuthentication the platform authenticates users and passes their identity in a header. It removes this header
from incoming requests, but only while authentication is switched on, which WEBSITE_AUTH_ENABLED tells.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import azure.functions as func

from operate.api.refusals import BadRequest
from relay_contract.endpoints import Access
from shared.settings import Settings
from shared.wiring import configuration

_PRINCIPAL = "x-ms-client-principal"
_NAME_CLAIMS = ("preferred_username", "name")
_OTHER_SITES = {"cross-site", "same-site"}


@dataclass(frozen=True)
class Operator:
    """A user authenticated by App Service."""

    name: str
    roles: frozenset[str]


def auth_level(access: Access) -> func.AuthLevel:
    """The host's access level: function keys, for administrators the master key, or none if the platform authenticates
    users."""
    if access == "everybody" or configuration().settings.operator_sign_in != "key":
        return func.AuthLevel.ANONYMOUS
    return func.AuthLevel.ADMIN if access == "administrator" else func.AuthLevel.FUNCTION


def name_of(req: func.HttpRequest) -> str | None:
    """The operator's name from the platform. None with keys, where the request states it."""
    settings = configuration().settings
    return None if settings.operator_sign_in == "key" else admit(req, settings).name


def check_access(req: func.HttpRequest, access: Access) -> None:
    """Return if the caller may use an endpoint. The host has checked the key, if keys are used. Raises BadRequest."""
    settings = configuration().settings
    if access in ("operator", "administrator") and settings.operator_sign_in != "key":
        operator = admit(req, settings)
        if access == "administrator":
            check_administrator(operator, settings)


def check_administrator(operator: Operator, settings: Settings) -> None:
    """Raise BadRequest (403) for an operator without the role of administrators."""
    # Without the setting there are none: an empty name must not be a role that everyone has.
    if not settings.administrator_role:
        raise BadRequest(403, "noRole", "Set ADMINISTRATOR_ROLE to the app role that lets operators change table maps")
    if settings.administrator_role not in operator.roles:
        text = f"{operator.name} does not have the role {settings.administrator_role}, which changes table maps"
        raise BadRequest(403, "noRole", text)


def admit(req: func.HttpRequest, settings: Settings) -> Operator:
    """The signed-in operator. Raises BadRequest: 401 without a user, 403 without the role or for a page of another
    site."""
    # Without App Service authentication nothing removes the header, and any caller could write one.
    if not settings.authentication_enabled:
        raise BadRequest(403, "authenticationOff", "App Service authentication is not enabled for this app")
    operator = _read_principal(req.headers.get(_PRINCIPAL, ""))
    if operator is None:
        raise BadRequest(401, "notSignedIn", "Sign in first")
    if settings.operator_role not in operator.roles:
        raise BadRequest(403, "noRole", f"{operator.name} does not have the role {settings.operator_role}")
    if req.method != "GET":
        _refuse_other_sites(req)
    return operator


def _refuse_other_sites(req: func.HttpRequest) -> None:
    """A browser sends the sign-in cookie with every request of a foreign page (CSRF). But no page can send JSON to
    another site without a CORS preflight, or forge Sec-Fetch-Site."""
    is_json = req.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    if not is_json or req.headers.get("sec-fetch-site", "") in _OTHER_SITES:
        raise BadRequest(403, "otherSite", "Changes are made with Content-Type: application/json, from this site")


def _read_principal(header: str) -> Operator | None:
    try:
        document = json.loads(base64.b64decode(header, validate=True))
        claims = [(str(claim["typ"]), str(claim["val"])) for claim in document["claims"]]
    except (binascii.Error, ValueError, TypeError, KeyError):
        return None
    names = [*_named(document, "name_typ", claims), *(val for typ in _NAME_CLAIMS for t, val in claims if t == typ)]
    roles = {*_named(document, "role_typ", claims), *(val for typ, val in claims if typ == "roles")}
    # The contract allows an operator 200 characters (relay_contract/requests.py, Name).
    return Operator(names[0][:200], frozenset(roles)) if names else None


def _named(document: dict[str, Any], member: str, claims: list[tuple[str, str]]) -> list[str]:
    """The values of the claims whose type the document names."""
    return [val for typ, val in claims if typ == document.get(member)]

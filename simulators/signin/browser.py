"""Signing in with a browser: the authorization code flow with PKCE, answered by a form that the browser posts back."""

import base64
import hashlib
import html
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from simulators.signin import refusals

_FORM = (
    '<html><body onload="document.forms[0].submit()"><form method="POST" action="{action}">'
    '<input type="hidden" name="code" value="{code}"/><input type="hidden" name="state" value="{state}"/>'
    "</form></body></html>"
)


@dataclass(frozen=True)
class Grant:
    """A person who has signed in for a client: what the code, or the refresh token, stands for."""

    person: str
    client_id: str
    challenge: str = ""
    redirect_uri: str = ""
    nonce: str = ""


@dataclass
class Grants:
    """The codes and refresh tokens that were given out. A code is good once."""

    codes: dict[str, Grant] = field(default_factory=dict)
    refresh_tokens: dict[str, Grant] = field(default_factory=dict)

    def ask(self, query: Mapping[str, str], person: str) -> str:
        """The page after the person has signed in: a form with the code."""
        code = secrets.token_urlsafe(24)
        self.codes[code] = Grant(
            person,
            query["client_id"],
            query.get("code_challenge", ""),
            query["redirect_uri"],
            query.get("nonce", ""),
        )
        escaped = {"action": query["redirect_uri"], "code": code, "state": query.get("state", "")}
        return _FORM.format(**{name: html.escape(text) for name, text in escaped.items()})

    def redeem(self, form: Mapping[str, str]) -> Grant:
        """The grant of a token request. Raises TokenDenied."""
        if form.get("grant_type") == "refresh_token":
            found = self.refresh_tokens.get(form.get("refresh_token", ""))
        else:
            found = self.codes.pop(form.get("code", ""), None)
            if found and (found.challenge, found.redirect_uri) != (_challenge(form), form.get("redirect_uri")):
                found = None
        if found is None or found.client_id != form.get("client_id"):
            raise refusals.deny_grant_value()
        return found

    def refresh_token(self, grant: Grant) -> str:
        """A refresh token for what was granted."""
        token = secrets.token_urlsafe(32)
        self.refresh_tokens[token] = Grant(grant.person, grant.client_id)
        return token


def id_token(grant: Grant, tenant: str, issuer: str, secret: str, lifetime: float) -> str:
    """Who has signed in, as OpenID tells it."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer, "aud": grant.client_id, "sub": grant.person, "oid": grant.person, "tid": tenant, "iat": now,
        "exp": now + int(lifetime), "preferred_username": f"{grant.person}@contoso.example", "nonce": grant.nonce,
    }  # fmt: skip
    return jwt.encode(claims, secret, algorithm="HS256")


def _challenge(form: Mapping[str, str]) -> str:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")

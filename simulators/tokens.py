"""The bearer tokens of the simulated tenant: the sign-in simulator issues them, the two services check them."""

import time
from dataclasses import dataclass

import jwt

ALGORITHM = "HS256"


class TokenRefused(Exception):
    """A request without a usable token.

    `status` is 401 for a missing, malformed, expired or wrong-audience token, and 403 for a good token whose
    application is not registered in the service (Dataverse: application user, Finance: Entra applications page).
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def issue(
    *, secret: str, issuer: str, tenant: str, audience: str, client_id: str, lifetime: float, person: str = ""
) -> str:
    """Return a signed token for one audience, valid from now for `lifetime` seconds (negative: already expired).
    With the object id of a `person` it is one that the application holds for them."""
    now = time.time()
    delegated = {"oid": person, "scp": "user_impersonation"} if person else {}
    claims = {
        "iss": issuer,
        "tid": tenant,
        "aud": audience,
        "appid": client_id,
        "iat": int(now),
        "nbf": int(now) - 300,
        "exp": int(now + lifetime),
        **delegated,
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


@dataclass(frozen=True)
class TokenCheck:
    """Checks the Authorization header of one service.

    `audience` is the service's own origin; `members` are the client ids registered in it (None: everyone is).
    """

    secret: str
    audience: str
    members: frozenset[str] | None = None

    def check(self, authorization: str | None, revoked_before: float = 0.0) -> str:
        """Return the client id of the caller, or the object id of the person it acts for, or raise TokenRefused. Tokens
        issued before the given Unix time are revoked. Tokens carry whole seconds."""
        if authorization is None or not authorization.lower().startswith("bearer "):
            raise TokenRefused(401, "no bearer token")
        client_id = self._client_id(authorization[7:].strip(), revoked_before)
        if self.members is not None and client_id not in self.members:
            raise TokenRefused(403, f"application {client_id} is not registered")
        return client_id

    def check_signature(self, authorization: str | None, revoked_before: float = 0.0) -> None:
        """Like `check` for an application that need not be registered."""
        TokenCheck(self.secret, self.audience).check(authorization, revoked_before)

    def _client_id(self, token: str, revoked_before: float) -> str:
        try:
            claims = jwt.decode(token, self.secret, algorithms=[ALGORITHM], audience=self.audience.rstrip("/"))
            if int(claims["iat"]) + 1 <= revoked_before:
                raise TokenRefused(401, "the token was revoked")
            return str(claims["oid"] if "scp" in claims else claims["appid"])
        except (jwt.InvalidTokenError, KeyError) as error:
            raise TokenRefused(401, f"{type(error).__name__}: {error}") from error

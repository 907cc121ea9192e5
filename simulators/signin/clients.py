"""The applications and identities of the tenant, and the check of their credentials."""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jwt
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate
from pydantic import BaseModel, ConfigDict, RootModel

from simulators.signin import refusals

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Client(BaseModel):
    """One application or managed identity.

    `certificates`: PEM texts or paths. `managedIdentity`: the managed identity endpoint hands out its tokens, "system"
    when none is asked for by id, "user" when it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str | None = None
    certificates: tuple[str, ...] = ()
    managedIdentity: Literal["system", "user"] | None = None  # noqa: N815 - the name in the clients file

    def load_certificates(self) -> list[Certificate]:
        """The registered certificates."""
        texts = [text if "BEGIN" in text else Path(text).read_text() for text in self.certificates]
        return [load_pem_x509_certificate(text.encode()) for text in texts]


class _Clients(RootModel[dict[str, Client]]):
    pass


def read_clients(text: str) -> dict[str, Client]:
    """Read {client id: client} from JSON text, or from the file of that name."""
    content = text if text.lstrip().startswith("{") else Path(text).read_text()
    return _Clients.model_validate(json.loads(content)).root


@dataclass(frozen=True)
class CredentialCheck:
    """Checks the credentials of a token request; `audiences` are what an assertion may be addressed to."""

    clients: Mapping[str, Client]
    tenant: str
    audiences: tuple[str, ...]

    def check(self, form: Mapping[str, str]) -> str:
        """Return the client id that the request proves, or raise TokenDenied."""
        client_id = form.get("client_id", "")
        if not client_id:
            raise refusals.deny_missing("client_id")
        client = self.clients.get(client_id)
        if client is None:
            raise refusals.deny_application(client_id, self.tenant)
        if form.get("client_assertion"):
            self._check_assertion(client_id, client, form)
        elif form.get("client_secret"):
            _check_secret(client_id, client, form["client_secret"])
        else:
            raise refusals.deny_credential_missing()
        return client_id

    def _check_assertion(self, client_id: str, client: Client, form: Mapping[str, str]) -> None:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise refusals.deny_missing("client_assertion_type")
        assertion = form["client_assertion"]
        certificate = _find_certificate(client, assertion)
        claims = self._verify(assertion, certificate)
        if claims["iss"] != client_id or claims["sub"] != client_id:
            raise refusals.deny_assertion_subject()

    def _verify(self, assertion: str, certificate: Certificate) -> dict[str, str]:
        try:
            claims: dict[str, str] = jwt.decode(
                assertion,
                certificate.public_key(),  # type: ignore[arg-type]  # a key that is no RSA key fails as a bad signature
                algorithms=["RS256", "PS256"],
                audience=list(self.audiences),
                options={"require": ["exp", "iss", "sub", "aud"]},
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
            raise refusals.deny_assertion_time() from error
        except jwt.InvalidAudienceError as error:
            raise refusals.deny_assertion_audience() from error
        except (jwt.InvalidTokenError, TypeError) as error:
            raise refusals.deny_certificate(f"Reason - {type(error).__name__}") from error
        return claims


def _check_secret(client_id: str, client: Client, secret: str) -> None:
    if client.secret is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
        raise refusals.deny_secret(client_id)


def _find_certificate(client: Client, assertion: str) -> Certificate:
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.InvalidTokenError as error:
        raise refusals.deny_certificate("Reason - the assertion is no JWT") from error
    # MSAL keeps the base64 padding that the standard removes. Entra accepts both.
    long, short = (str(header.get(name, "")).rstrip("=") for name in ("x5t#S256", "x5t"))
    for certificate in client.load_certificates():
        if long == _thumbprint(certificate, SHA256()):
            return certificate
        if short == _thumbprint(certificate, SHA1()):  # noqa: S303 - the protocol's own thumbprint
            return certificate
    raise refusals.deny_certificate("Reason - The key was not found")


def _thumbprint(certificate: Certificate, algorithm: SHA1 | SHA256) -> str:
    return base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).decode().rstrip("=")

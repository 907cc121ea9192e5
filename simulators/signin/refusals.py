"""Errors of the token endpoint, in Entra's words and form."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4


@dataclass
class TokenDenied(Exception):
    """A token request that Entra refuses: HTTP status, OAuth error, AADSTS number, and the sentence after it."""

    status: int
    error: str
    code: int
    message: str

    def describe(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        trace, correlation, moment = str(uuid4()), str(uuid4()), datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        trail = f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"
        return {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.message} {trail}",
            "error_codes": [self.code],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.code}",
        }


def deny_tenant(tenant: str) -> TokenDenied:
    """The tenant in the address does not exist."""
    return TokenDenied(
        400,
        "invalid_request",
        90002,
        f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.",
    )


def deny_missing(parameter: str) -> TokenDenied:
    """A parameter is not in the body."""
    message = f"The request body must contain the following parameter: '{parameter}'."
    return TokenDenied(400, "invalid_request", 900144, message)


def deny_grant(grant: str) -> TokenDenied:
    """Another grant than client credentials."""
    message = f"The app requested an unsupported grant type '{grant}'."
    return TokenDenied(400, "unsupported_grant_type", 70003, message)


def deny_grant_value() -> TokenDenied:
    """A code or refresh token that was not given out, was used, or is another client's."""
    message = "The provided value for the input parameter 'code' or 'refresh_token' is not valid."
    return TokenDenied(400, "invalid_grant", 70000, message)


def deny_application(client_id: str, tenant: str) -> TokenDenied:
    """No such application."""
    message = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
    return TokenDenied(400, "unauthorized_client", 700016, message)


def deny_secret(client_id: str) -> TokenDenied:
    """The secret is not the application's."""
    message = (
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not "
        f"the client secret ID, for a secret added to app '{client_id}'."
    )
    return TokenDenied(401, "invalid_client", 7000215, message)


def deny_credential_missing() -> TokenDenied:
    """Neither secret nor assertion."""
    message = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
    return TokenDenied(401, "invalid_client", 7000216, message)


def deny_scope(scope: str) -> TokenDenied:
    """A scope that is not RESOURCE/.default, or more than one."""
    message = (
        f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value with "
        "/.default suffixed to the resource identifier (application ID URI)."
    )
    return TokenDenied(400, "invalid_scope", 1002012, message)


def deny_certificate(reason: str) -> TokenDenied:
    """The assertion is not signed by a certificate of the application."""
    message = f"The certificate used to sign the client assertion is not registered on application. [{reason}]"
    return TokenDenied(401, "invalid_client", 700027, message)


def deny_assertion_time() -> TokenDenied:
    """The assertion is expired, or valid only later."""
    message = "Client assertion is not within its valid time range."
    return TokenDenied(401, "invalid_client", 700024, message)


def deny_assertion_audience() -> TokenDenied:
    """The assertion is meant for another service."""
    message = "Client assertion audience claim does not match Realm issuer."
    return TokenDenied(401, "invalid_client", 700023, message)


def deny_assertion_subject() -> TokenDenied:
    """Issuer or subject of the assertion is another application."""
    message = "Client assertion application identifier doesn't match 'client_id' parameter."
    return TokenDenied(401, "invalid_client", 700021, message)


def fail_transiently() -> TokenDenied:
    """A transient error of the service."""
    message = "A transient error has occurred. Please try again."
    return TokenDenied(503, "temporarily_unavailable", 90033, message)

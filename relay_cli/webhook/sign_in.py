"""The administrator's sign-in, by azure-identity: as az or azd is signed in, or in a browser."""

import base64
import json
import logging
import os
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import Any

from relay_cli.problems import Misused, NotAllowed

_SECONDS = 60
_AUTHORITY = "AZURE_AUTHORITY_HOST"
EXTRA = "pip install 'invoice-relay[webhook]'"


class SignIn(StrEnum):
    """The ways to sign in."""

    AZ = "az"
    AZD = "azd"
    BROWSER = "browser"


_CREDENTIALS = {
    SignIn.AZ: "AzureCliCredential",
    SignIn.AZD: "AzureDeveloperCliCredential",
    SignIn.BROWSER: "InteractiveBrowserCredential",
}
_ADVICE = {
    SignIn.AZ: "Sign in with `az login --tenant {tenant}`, then run the command again.",
    SignIn.AZD: "Sign in with `azd auth login --tenant-id {tenant}`, then run the command again.",
    SignIn.BROWSER: "Sign in with an account of the tenant {tenant}.",
}

type Tokens = Callable[[str], str]
"""A token for a resource, such as https://contoso.crm.dynamics.com."""


def sign_in(method: SignIn, tenant: str) -> Tokens:
    """Tokens of the administrator. They are refused here, before they are sent anywhere, unless they are of `tenant`.
    Raises Misused without azure-identity, and NotAllowed."""
    try:
        identity = import_module("azure.identity")
    except ImportError as error:
        raise Misused("An administrator's sign-in needs the package azure-identity.", f"Run `{EXTRA}`.") from error
    # The libraries log why a sign-in failed; the command says it itself.
    for name in ("azure", "msal"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    credential = getattr(identity, _CREDENTIALS[method])(**_options(method))
    advice = _ADVICE[method].format(tenant=tenant)

    @cache
    def token(resource: str) -> str:
        text = _get(credential, method, f"{resource}/.default", advice)
        if (found := tenant_of(text)) != tenant.lower():
            raise NotAllowed(
                f"You are signed in to the tenant {found or 'that the token does not name'}; the app's is {tenant}.",
                advice,
            )
        return text

    return token


def _options(method: SignIn) -> dict[str, Any]:
    if method != SignIn.BROWSER:
        # A cold az takes longer than the library's ten seconds.
        return {"process_timeout": _SECONDS}
    # Microsoft's public sign-in service does not know an authority that is given by its address.
    return {"disable_instance_discovery": True} if _AUTHORITY in os.environ else {}


def tenant_of(token: str) -> str:
    """The Entra tenant that has issued a token, in lower case; empty if the token does not tell. The token is not
    verified: the service that it is for does that."""
    try:
        part = token.split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return str(claims["tid"]).lower()
    except (IndexError, ValueError, KeyError, TypeError):
        return ""


def _get(credential: Any, method: SignIn, scope: str, advice: str) -> str:
    errors = import_module("azure.core.exceptions")
    try:
        return str(credential.get_token(scope).token)
    except errors.ClientAuthenticationError as error:
        reason = str(error.message).strip().splitlines()[0] if str(error.message).strip() else "no reason given"
        raise NotAllowed(f"The sign-in by {method} gave no token: {reason}", advice) from error

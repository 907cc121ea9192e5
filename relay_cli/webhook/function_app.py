"""The function app in Azure: its host name, and the keys of the function that takes the webhook.

Paths and bodies: https://learn.microsoft.com/rest/api/appservice/web-apps (create or update function secret).
"""

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from relay_cli.connection import CONNECT_SECONDS, is_loopback, reason_of
from relay_cli.problems import Misused, Problem, Unreachable
from relay_cli.webhook.service import AGAIN, Gone, Service, origin_of, session_for
from relay_cli.webhook.sign_in import Tokens
from relay_contract.endpoints import CONFIRM_INVOICE

AZURE = "https://management.azure.com"
_CLOUDS = (AZURE, "https://management.usgovcloudapi.net", "https://management.chinacloudapi.cn")
_VERSION = {"api-version": "2024-04-01"}
_RESOURCE = re.compile(
    r"/subscriptions/[\w-]+/resourceGroups/[\w.()-]+/providers/Microsoft\.Web/sites/[\w-]+", re.IGNORECASE
)
_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*(:\d+)?")
_OURS = re.compile(r"dataverse(-\d{14})?")
_PROBE_SECONDS = 60
# The host reads a new key within seconds; how many is not documented.
_PAUSE_SECONDS = 2.0


class WebhookShut(Problem):
    """The key does not open the app's webhook, or what it opens is not the app."""


@dataclass(frozen=True)
class FunctionApp:
    """The function app that the administrator has named."""

    service: Service
    resource: str

    def host_name(self) -> str:
        """The host name that Azure has given it."""
        try:
            site = self.service.call("GET", self.resource, query=_VERSION)
        except Gone as gone:
            raise Misused(f"There is no function app {self.resource}.", "Give its id with --resource.") from gone
        properties = site.get("properties") or {}
        name = str(properties.get("defaultHostName") or "")
        if not _HOST_NAME.fullmatch(name):
            raise Unreachable(f"Azure tells no usable host name of {self.resource}: {name!r}.", AGAIN)
        return name

    def keys(self) -> dict[str, str]:
        """Our keys of the function, by name, the newest last."""
        try:
            listed: dict[str, Any] = self.service.call("POST", f"{self._function}/listkeys", query=_VERSION)
        except Gone as gone:
            raise Unreachable(
                f"The function app has no function {CONFIRM_INVOICE.name}, or has not started yet.",
                "Deploy the app (`azd deploy`) and see that it answers, then run the command again.",
            ) from gone
        return {name: str(listed[name]) for name in sorted(listed) if _OURS.fullmatch(name)}

    def key(self, name: str) -> str:
        """The value of one of our keys. Raises Gone."""
        if (value := self.keys().get(name)) is None:
            raise Gone(f"The key {name} was deleted meanwhile.", AGAIN)
        return value

    def make_key(self, name: str) -> str:
        """Set a new key. Its value is made here and is never shown."""
        value = secrets.token_urlsafe(40)
        body = {"properties": {"name": name, "value": value}}
        self.service.call("PUT", f"{self._function}/keys/{name}", body, query=_VERSION)
        return value

    def delete_key(self, name: str) -> None:
        """Delete a key. It is no error if it is gone already."""
        try:
            self.service.call("DELETE", f"{self._function}/keys/{name}", query=_VERSION)
        except Gone:
            return

    @property
    def _function(self) -> str:
        return f"{self.resource}/functions/{CONFIRM_INVOICE.name}"


def find_app(resource: str, azure: str, tokens: Tokens) -> FunctionApp:
    """The function app of a resource id. Raises Misused for another text, and for an address that is not Azure's."""
    resource = resource.strip().rstrip("/")
    if not _RESOURCE.fullmatch(resource):
        raise Misused(
            f"{resource!r} is not the resource id of a function app.",
            "`az functionapp show -g GROUP -n APP --query id -o tsv` shows it.",
        )
    origin = origin_of(azure, "Azure Resource Manager")
    local = is_loopback(urlsplit(origin).hostname or "")
    if origin not in _CLOUDS and not local:
        raise Misused(f"{azure} is not an address of Azure Resource Manager.", f"It is one of {', '.join(_CLOUDS)}.")
    return FunctionApp(Service("Azure", origin, tokens, audience=AZURE if local else origin), resource)


def name_key(now: datetime, keys: Sequence[str]) -> str:
    """The name of a new key, later than those of `keys` whatever the clock says. It is never used twice, so that an
    event under it proves that this key is used."""
    newest = max((int(name.partition("-")[2] or 0) for name in keys), default=0)
    return f"dataverse-{max(int(f'{now:%Y%m%d%H%M%S}'), newest + 1)}"


def address_on(host_name: str) -> str:
    """The address of the webhook at a host name."""
    scheme = "http" if is_loopback(host_name.partition(":")[0]) else "https"
    return f"{scheme}://{host_name}/api/{CONFIRM_INVOICE.path}"


def probe(url: str, key: str, organization: str) -> None:
    """Call the webhook with the key, in a way that opens no run. Raises WebhookShut unless the app of this
    organization answers within a minute: a new key holds after some seconds."""
    deadline = time.monotonic() + _PROBE_SECONDS
    while (reason := _knock(url, key, organization)) is not None:
        if time.monotonic() > deadline:
            raise WebhookShut(f"The key does not open {url}: {reason}.", f"Nothing was enabled. {AGAIN}")
        time.sleep(_PAUSE_SECONDS)


def _knock(url: str, key: str, organization: str) -> str | None:
    """Why the key does not open the webhook yet; None when it does."""
    text = secrets.token_hex(16)
    body = {
        "OrganizationId": organization,
        "PrimaryEntityName": "none",
        "MessageName": "RelayProbe",
        "RelayProbe": text,
    }
    try:
        answer = session_for(url).post(
            url,
            json=body,
            headers={"x-functions-key": key},
            timeout=(CONNECT_SECONDS, 60),
            allow_redirects=False,
        )
        document = answer.json() if answer.content else {}
    except requests.JSONDecodeError:
        return f"it answered {answer.status_code} and no JSON"
    except requests.RequestException as error:
        return f"it cannot be reached ({reason_of(error)})"
    return _judge(answer.status_code, document if isinstance(document, dict) else {}, text, organization)


def _judge(status: int, document: dict[str, Any], text: str, organization: str) -> str | None:
    error = document.get("error")
    if isinstance(error, dict) and error.get("code") == "otherOrganization":
        raise WebhookShut(
            "The function app serves another organization than the app at RELAY_URL.",
            "Nothing was enabled. Give the resource id of the app at RELAY_URL.",
        )
    if status == 200 and "ignored" in document:
        raise WebhookShut(
            "The function app is of an older release, which does not know the probe.",
            "Nothing was enabled. Deploy the release of this command, then run it again.",
        )
    sound = document.get("probe") == text and str(document.get("organizationId", "")).lower() == organization.lower()
    return None if status == 200 and sound else f"it answered {status}"

"""Asks a deployed app whether it is there, and says what is left to do by hand: the hook after `azd deploy`."""

import os
from typing import Any

from infra.arm import Refused, ask, awaited, manage, outputs, run

SITES = "2024-04-01"
PATIENCE = 300.0
STARTING = (404, 409, 429, 500, 502, 503, 504)
"""What the platform answers while an app starts. The app itself answers 401 until a new key has reached it."""
NO_FUNCTIONS = """\
The app has no functions, because it refused to start or its package is broken. Its log says why, minutes later:
  az monitor app-insights query --ids {component} --analytics-query \
"union traces, exceptions | where timestamp > ago(1h) | where * has 'refused' or * has 'Error' | take 20"
A refused setting is named there: azd env set NAME VALUE, then azd provision. If storage said 403: azd deploy again."""
UNRESOLVED = """\
{name} has no value, because its reference to the vault is in state {status}. Put the secret there if it is not;
if it is, its role may not count yet. Then let the platform look again, and deploy again:
  az keyvault secret set --vault-name {vault} --name {secret} --file FILE
  az rest --method post --url '{site}/config/configreferences/appsettings/refresh?api-version=2024-04-01'
  azd deploy"""
LEFT = """
Left to do by hand; docs/go-live.md has the order and the commands:
  - Dataverse and Finance: let the identity {client} in as an application user with its roles
  - Dataverse: register the webhook on {url}/api/invoices/confirmations, at the cut-over and not before:
               relay webhook register --resource {site} --dataverse https://...
  - operators: export RELAY_URL={url}
               export RELAY_KEY=$(az functionapp keys list --ids {site} --query functionKeys.operator --output tsv)
               relay health"""


def after() -> None:
    """Smoke-test the app. Raises Refused with what is wrong and what to do."""
    url, site, vault = outputs("RELAY_URL", "RELAY_SITE_ID", "RELAY_VAULT")
    refuse_unresolved(site, vault)
    functions = awaited("the app's functions", lambda: _functions(site), _patience(), *STARTING)
    if not functions:
        group = site.partition("/providers/")[0]
        component = f"{group}/providers/Microsoft.Insights/components/{os.environ.get('RELAY_COMPONENT', '')}"
        raise Refused(0, NO_FUNCTIONS.format(component=component))
    print(f"{len(functions)} functions are there")
    print(condition(url, operator_key(site)))
    print(LEFT.format(url=url, site=site, client=signs_in()))


def signs_in() -> str:
    """The client id that Dataverse and Finance see: that of the app registration, if one signs in."""
    is_own = os.environ.get("SIGN_IN_METHOD") in ("certificate", "clientSecret")
    return os.environ.get("SIGN_IN_CLIENT_ID" if is_own else "RELAY_IDENTITY_CLIENT_ID", "")


def refuse_unresolved(site: str, vault: str) -> None:
    """Raise Refused if the platform could not resolve a reference to the vault: the app refuses such a setting."""
    for each in manage("GET", f"{site}/config/configreferences/appsettings", SITES)["value"]:
        name, facts = each["name"].rpartition("/")[2], each["properties"]
        status, secret = facts.get("status") or "Initialized", facts.get("secretName") or "NAME"
        if status not in ("Resolved", "Initialized"):
            raise Refused(0, UNRESOLVED.format(name=name, status=status, vault=vault, secret=secret, site=site))


def operator_key(site: str) -> str:
    """The host key of operators, which is made if it is not there. Raises Refused if the keys cannot be listed."""
    listed = awaited("the app's keys", lambda: _keys(site), _patience(), *STARTING)
    if listed is None:  # making the key without looking would replace one that operators use
        raise Refused(0, "The app's keys cannot be listed, because the app does not start: look at its log stream")
    if "operator" in listed["functionKeys"]:
        return str(listed["functionKeys"]["operator"])
    body = {"properties": {"name": "operator"}}
    return str(manage("PUT", f"{site}/host/default/functionKeys/operator", SITES, body)["properties"]["value"])


def condition(url: str, key: str) -> str:
    """What the app says of itself. Raises Refused if it does not answer."""
    if os.environ.get("OPERATOR_SIGN_IN") == "appServiceAuthentication":
        return f"Operators sign in at {url}/api/page"
    health = awaited("the app's answer", lambda: _health(url, key), _patience(), *STARTING, 0, 401)
    if health is None:
        raise Refused(0, f"The app does not answer at {url}/api/health: look at its log stream, then azd deploy again")
    return "\n  ".join([f"Invoice relay {health['app']} answers", *health["problems"]])


def _functions(site: str) -> Any:
    return manage("GET", f"{site}/functions", SITES)["value"]


def _keys(site: str) -> Any:
    return manage("POST", f"{site}/host/default/listkeys", SITES)


def _health(url: str, key: str) -> Any:
    return ask("GET", f"{url}/api/health", {"x-functions-key": key})


def _patience() -> float:
    return float(os.environ.get("HOOK_PATIENCE_SECONDS", PATIENCE))


if __name__ == "__main__":
    run(after)

"""With App Service authentication the platform identifies the operator. Without the platform no identity is
accepted.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.data.tables import TableClient

from simulators.stack import Stack

ADMINISTRATOR = "Invoice relay administrators"
ROLE = "Relay.Operator"
BODY = {"by": "somebody else", "map": "actuals", "reason": "month end"}


def app_settings(*, enabled: bool) -> dict[str, str]:
    """Settings of an app whose operators sign in with the platform; it talks to no service here."""
    return {
        "DATAVERSE_URL": "http://127.0.0.1:9",
        "DATAVERSE_ORGANIZATION_ID": "0b5a7e7a-0000-4000-8000-000000000001",
        "FINANCE_URL": "http://127.0.0.1:9",
        "SIGN_IN_METHOD": "managedIdentity",
        "OPERATOR_SIGN_IN": "appServiceAuthentication",
        "OPERATOR_ROLE": ROLE,
        "ADMINISTRATOR_ROLE": ADMINISTRATOR,
        "AzureWebJobs.sweep.Disabled": "true",
        "AzureWebJobs.look_for_postings.Disabled": "true",
    } | ({"WEBSITE_AUTH_ENABLED": "True"} if enabled else {})


def principal(*roles: str, name: str = "olga@contoso.com", role_type: str = "roles") -> dict[str, str]:
    """The header that the platform sets for a user with these roles."""
    claims = [{"typ": "preferred_username", "val": name}, *({"typ": role_type, "val": role} for role in roles)]
    document = {"auth_typ": "aad", "name_typ": "preferred_username", "role_typ": role_type, "claims": claims}
    return {"X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(document).encode()).decode()}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The app behind a platform that has authentication switched on."""
    run_dir = Path(tmp_path_factory.mktemp("door"))
    with Stack(run_dir, app_settings=app_settings(enabled=True), services=()) as running:
        yield running


def ask(stack: Stack, method: str, path: str, **options: Any) -> requests.Response:
    """Ask the app something as the platform would pass it on."""
    return requests.request(method, f"{stack.host_urls[0]}/api/{path}", timeout=60, **options)


def test_nobody_and_a_key_are_asked_to_sign_in(stack: Stack) -> None:
    assert ask(stack, "GET", "sign-in").json()["signIn"] == "appServiceAuthentication"
    for headers in ({}, {"x-functions-key": stack.master_key}, {"X-MS-CLIENT-PRINCIPAL": "bm8="}):
        answer = ask(stack, "GET", "runs", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "notSignedIn")


def test_somebody_without_the_role_is_refused_by_name(stack: Stack) -> None:
    answer = ask(stack, "GET", "runs", headers=principal("Reader"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "noRole")
    assert "olga@contoso.com" in answer.json()["error"]["message"]


@pytest.mark.parametrize("role_type", ["roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"])
def test_the_role_opens_the_endpoints_and_the_platforms_name_is_told(stack: Stack, role_type: str) -> None:
    headers = principal("Reader", ROLE, role_type=role_type)
    assert ask(stack, "GET", "runs", headers=headers).status_code == 200
    assert ask(stack, "GET", "operator", headers=headers).json() == {"name": "olga@contoso.com"}


def test_the_audit_names_who_is_signed_in_whatever_the_body_says(stack: Stack) -> None:
    answer = ask(stack, "POST", "pauses", headers=principal(ROLE), json=BODY)
    assert [pause["by"] for pause in answer.json()["paused"]] == ["olga@contoso.com"]
    table = TableClient.from_connection_string(stack.azurite.connection_string(), "audit")
    [entry] = table.query_entities("action eq 'pause'")
    assert entry["by"] == "olga@contoso.com"
    unsigned = {name: value for name, value in BODY.items() if name != "by"}
    assert ask(stack, "POST", "pauses", headers=principal(ROLE), json=unsigned).status_code == 200


def test_changing_maps_takes_a_role_of_its_own(stack: Stack) -> None:
    body = {"digest": "shipped"}
    for roles, status in (((ROLE,), 403), ((ADMINISTRATOR,), 403), ((ROLE, ADMINISTRATOR), 200)):
        answer = ask(stack, "POST", "maps/actuals/activations", headers=principal(*roles), json=body)
        assert answer.status_code == status, answer.text
    assert ask(stack, "GET", "maps", headers=principal(ROLE)).status_code == 200
    history = ask(stack, "GET", "maps/actuals/history", headers=principal(ROLE)).json()
    assert [each["by"] for each in history["activations"]] == ["olga@contoso.com"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "application/json", "Sec-Fetch-Site": "same-site"},
        {},
    ],
)
def test_a_page_of_another_site_changes_nothing(stack: Stack, headers: dict[str, str]) -> None:
    answer = ask(stack, "POST", "resumes", headers={**principal(ROLE), **headers}, data=json.dumps({"by": "x"}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "otherSite")


def test_a_forged_header_opens_nothing_where_the_platform_does_not_authenticate(tmp_path: Path) -> None:
    with Stack(tmp_path, app_settings=app_settings(enabled=False), services=()) as stack:
        answer = ask(stack, "GET", "runs", headers=principal(ROLE))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "authenticationOff")
        assert ask(stack, "POST", "pauses", headers=principal(ROLE), json=BODY).status_code == 403
        assert ask(stack, "GET", "page").status_code == 200

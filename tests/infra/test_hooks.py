"""The hooks of azd against a stand-in of Azure: whatever may be wrong after a deployment gets its own sentence."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from simulators.processes import PROJECT

SITE = "/subscriptions/s/resourceGroups/rg-sandbox/providers/Microsoft.Web/sites/func-1"
HEALTH = {"app": "0.4.0", "healthy": False, "problems": ["The newest sweep is 2 hours old"]}


class Azure(BaseHTTPRequestHandler):
    """Resource Manager and the app in one: answers by the end of the path, one after the other; the last one stays.
    The status 0 ends the connection without an answer."""

    answers: ClassVar[dict[str, list[tuple[int, Any]]]] = {}
    asked: ClassVar[list[tuple[str, str, Any]]] = []

    def answer(self) -> None:
        """Answer any request."""
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = self.path.partition("?")[0]
        self.asked.append((self.command, path, body))
        name = next((each for each in self.answers if path.endswith(each)), "")
        waiting = self.answers.get(name, [(404, None)])
        status, content = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def azure() -> Iterator[type[Azure]]:
    """A stand-in where a deployment has succeeded."""
    Azure.asked.clear()
    Azure.answers = {
        "/roleAssignments": [(200, roles_of(timedelta(hours=1)))],
        "/configreferences/appsettings": [(200, {"value": []})],
        "/functions": [
            (503, None),
            (200, {"value": []}),
            (200, {"value": [{"name": "sweep"}, {"name": "confirm_invoice"}]}),
        ],
        "/host/default/listkeys": [(200, {"masterKey": "m", "functionKeys": {"default": "d"}})],
        "/functionKeys/operator": [(201, {"properties": {"name": "operator", "value": "k3y"}})],
        "/api/health": [(503, None), (200, HEALTH)],
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Azure)
    Azure.origin = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Azure
    server.shutdown()


def roles_of(age: timedelta) -> dict[str, Any]:
    """Two role assignments, the younger one of that age, in the form of Resource Manager: seven decimals."""
    ages = (timedelta(days=9), age)
    times = [f"{datetime.now(UTC) - each:%Y-%m-%dT%H:%M:%S.%f}0Z" for each in ages]
    return {"value": [{"properties": {"createdOn": time}} for time in times]}


@pytest.fixture
def hook(azure: Any, tmp_path: Path) -> Any:
    """Run a hook as azd does."""
    azd = tmp_path / "azd"
    azd.write_text('#!/bin/sh\n[ "$*" = "auth token --output json" ] && echo \'{"token": "t"}\'\n')
    azd.chmod(0o755)
    given = {
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}", "ARM_ENDPOINT": azure.origin,
        "HOOK_PAUSE_SECONDS": "0.05", "HOOK_PATIENCE_SECONDS": "0.3", "SETTLE_SECONDS": "1",
        "AZURE_SUBSCRIPTION_ID": "s", "AZURE_RESOURCE_GROUP": "rg-sandbox", "RELAY_IDENTITY_PRINCIPAL_ID": "p",
        "RELAY_IDENTITY_CLIENT_ID": "c1", "RELAY_URL": azure.origin, "RELAY_SITE_ID": SITE, "RELAY_VAULT": "kv-1",
        "RELAY_COMPONENT": "appi-1",
    }  # fmt: skip

    def run(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own hooks
            [str(PROJECT / "infra" / f"{name}.sh")],
            env=given | environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


def test_old_roles_are_not_waited_for(hook: Any) -> None:
    ended = hook("settle", SETTLE_SECONDS="600")
    assert ended.returncode == 0, ended.stderr
    assert "waiting" not in ended.stdout


def test_new_roles_are_waited_for_and_said(hook: Any, azure: Any) -> None:
    azure.answers["/roleAssignments"] = [(200, roles_of(timedelta()))]
    ended = hook("settle")
    assert ended.returncode == 0, ended.stderr
    assert "waiting for 2 roles to count, " in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith("run azd deploy again.")


def test_an_identity_without_a_role_is_named(hook: Any, azure: Any) -> None:
    azure.answers["/roleAssignments"] = [(200, {"value": []})]
    ended = hook("settle")
    assert (ended.returncode, ended.stderr) == (
        1,
        "The app's identity has no role, so the app could not start: run azd provision again\n",
    )


def test_what_provision_did_not_say_is_named(hook: Any) -> None:
    ended = hook("settle", RELAY_IDENTITY_PRINCIPAL_ID="")
    assert ended.returncode == 1
    assert ended.stderr.startswith("RELAY_IDENTITY_PRINCIPAL_ID is not known: it is an output of infra/main.bicep")


def test_an_app_registration_is_named_where_one_signs_in(hook: Any) -> None:
    ended = hook("after", SIGN_IN_METHOD="certificate", SIGN_IN_CLIENT_ID="c2")
    assert "identity c2" in ended.stdout


def test_a_deployed_app_is_asked_and_the_rest_is_said(hook: Any, azure: Any) -> None:
    ended = hook("after")
    assert ended.returncode == 0, ended.stderr
    assert "2 functions are there" in ended.stdout
    assert "Invoice relay 0.4.0 answers\n  The newest sweep is 2 hours old" in ended.stdout
    assert "identity c1" in ended.stdout
    assert f"{azure.origin}/api/invoices/confirmations" in ended.stdout
    assert "k3y" not in ended.stdout


def test_the_key_of_operators_is_made_once(hook: Any, azure: Any) -> None:
    hook("after")
    azure.answers["/host/default/listkeys"] = [(200, {"functionKeys": {"operator": "k3y"}})]
    hook("after")
    assert [path for method, path, _ in azure.asked if method == "PUT"] == [
        f"{SITE}/host/default/functionKeys/operator"
    ]


def test_a_key_that_operators_use_is_not_replaced_unseen(hook: Any, azure: Any) -> None:
    azure.answers["/host/default/listkeys"] = [(502, None)]
    ended = hook("after")
    assert ended.returncode == 1
    assert ended.stderr.startswith("The app's keys cannot be listed")
    assert "PUT" not in {method for method, _, _ in azure.asked}


def test_an_unresolved_reference_to_the_vault_is_named(hook: Any, azure: Any) -> None:
    facts = {"status": "SecretNotFound", "secretName": "sign-in-client-secret"}
    azure.answers["/configreferences/appsettings"] = [
        (200, {"value": [{"name": "SIGN_IN_CLIENT_SECRET", "properties": facts}]})
    ]
    ended = hook("after")
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "SIGN_IN_CLIENT_SECRET has no value, because its reference to the vault is in state Se"
    )
    assert "az keyvault secret set --vault-name kv-1 --name sign-in-client-secret" in ended.stderr


def test_an_app_without_functions_is_named(hook: Any, azure: Any) -> None:
    azure.answers["/functions"] = [(200, {"value": []})]
    ended = hook("after")
    assert ended.returncode == 1
    assert ended.stderr.startswith("The app has no functions, because it refused to start or its package is broken.")
    assert "/resourceGroups/rg-sandbox/providers/Microsoft.Insights/components/appi-1 " in ended.stderr


def test_an_app_that_restarts_in_the_middle_of_a_request_is_asked_again(hook: Any, azure: Any) -> None:
    azure.answers["/api/health"] = [(0, None), (200, HEALTH)]
    ended = hook("after")
    assert ended.returncode == 0, ended.stderr
    assert "Invoice relay 0.4.0 answers" in ended.stdout


def test_an_app_that_does_not_answer_is_named(hook: Any, azure: Any) -> None:
    azure.answers["/api/health"] = [(503, None)]
    ended = hook("after")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"The app does not answer at {azure.origin}/api/health")


def test_a_person_who_is_not_signed_in_is_told(hook: Any, tmp_path: Path) -> None:
    (tmp_path / "azd").write_text("#!/bin/sh\necho 'not logged in' >&2; exit 1\n")
    ended = hook("settle")
    assert (ended.returncode, ended.stderr) == (
        1,
        "azd has no token: not logged in; sign in with azd auth login\n",
    )

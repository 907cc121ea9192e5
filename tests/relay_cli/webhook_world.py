"""What `relay webhook` works on: simulated Dataverse, Azure and sign-in, the app as far as a webhook reaches it, and an
administrator's `az`. The command runs in this process; `az` is an executable on the PATH.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests

from confirm_invoice.deliveries import KEY_NAME
from confirm_invoice.webhook import BadConfirmation, Probe, read_event
from devhost.keys import KeyFile
from relay_cli.cli import main
from relay_contract.requests import WebhookNote
from relay_contract.webhook import Delivery, Ignored, Probed, WebhookFacts, WebhookNoted
from simulators.processes import Server
from simulators.signin.az import write_commands
from simulators.stack import ADMINISTRATOR, CLIENT_ID, SITE_ID, TENANT
from simulators.tokens import issue
from tests.relay_cli.app import KEY
from tests.relay_cli.command import Ended

SECRET = "a secret of the simulated tenant only, nothing else"
GUEST = "90e57000-0000-4000-8000-000000000001"
ROOT = "/api/data/v9.2/"
ENDPOINTS, STEPS, IMAGES = "serviceendpoints", "sdkmessageprocessingsteps", "sdkmessageprocessingstepimages"
WAIT = 20.0


@dataclass
class WebhookApp:
    """The app, as far as a webhook and its registration reach it. Keys are checked by the host's own file."""

    keys: Path
    organization: str = ""
    tenant: str = TENANT
    host_name: str = ""
    is_old: bool = False
    delivered: dict[str, str] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    url: str = ""
    # What happens when the command asks for the n-th time.
    at_question: tuple[int, Callable[[], None]] | None = None

    def answer(self, route: str, key: str, name: str, body: bytes) -> tuple[int, Any]:
        """Status and document of an answer."""
        if route == "POST /api/invoices/confirmations":
            return self._event(key, name, body)
        if key != KEY:
            return 401, None
        if route == "POST /api/webhook/notes":
            self.notes.append(WebhookNote.model_validate_json(body, by_alias=True, by_name=False).document())
            return 200, WebhookNoted(noted=True).document()
        if route == "GET /api/webhook":
            self._count_question()
        facts = WebhookFacts(
            organization_id=self.organization,
            tenant_id=self.tenant,
            host_name=self.host_name,
            deliveries=[Delivery.model_validate({"key": name, "at": at}) for name, at in self.delivered.items()],
        )
        return (200, facts.document()) if route == "GET /api/webhook" else (404, None)

    def _count_question(self) -> None:
        if self.at_question:
            number, act = self.at_question
            self.at_question = (number - 1, act) if number > 1 else None
            if number == 1:
                act()

    def _event(self, key: str, name: str, body: bytes) -> tuple[int, Any]:
        if not KeyFile(self.keys).open_function("confirm_invoice", key):
            return 401, None
        try:
            notice = read_event(body, UUID(self.organization))
        except BadConfirmation as error:
            return error.status, {"error": {"code": error.code, "message": error.text}}
        if isinstance(notice, Probe) and not self.is_old:
            return 200, Probed(probe=notice.text, organization_id=self.organization).document()
        if name:
            self.delivered[name] = "2026-11-20T00:00:00Z"
        return 200, Ignored(ignored="not needed here").document()


def _handler(app: WebhookApp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            app.received.append(self.requestline.encode() + str(self.headers).encode() + body)
            key, name = self.headers.get("x-functions-key", ""), self.headers.get(KEY_NAME, "")
            status, document = app.answer(f"{self.command} {self.path}", key, name, body)
            content = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = _serve  # noqa: N815 - the name that http.server calls
        do_POST = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server has
            """Say nothing."""

    return Handler


@dataclass
class World:
    """All parties. `relay` runs the command as the administrator."""

    app: WebhookApp
    dataverse: Server
    arm: Server
    signin: Server
    path: str
    capture: pytest.CaptureFixture[str] | None = None

    def environment(self, person: str = ADMINISTRATOR, **env: str) -> dict[str, str]:
        """The variables of the command."""
        return {
            "RELAY_URL": self.app.url, "RELAY_KEY": KEY, "RELAY_RESOURCE": SITE_ID, "RELAY_AZURE": self.arm.url,
            "RELAY_DATAVERSE": self.dataverse.url, "AZ_SIGNIN": self.signin.url, "AZ_PERSON": person,
            "PATH": f"{self.path}:/usr/bin:/bin", **env,
        }  # fmt: skip

    def relay(self, *arguments: str, person: str = ADMINISTRATOR, **env: str) -> Ended:
        """Run `relay webhook`; --yes is given unless it only shows."""
        given = self.environment(person, **env)
        consent = [] if arguments[0] == "show" or "--dry-run" in arguments else ["--yes"]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["relay", "webhook", *arguments, *consent])
            code = main()
        assert self.capture
        out, err = self.capture.readouterr()
        return Ended(code, out, err)

    def keys(self) -> dict[str, str]:
        """The keys of the webhook's function."""
        found: dict[str, str] = json.loads(self.app.keys.read_text()).get("functions", {}).get("confirm_invoice", {})
        return found

    def rows(self, entity_set: str) -> list[dict[str, Any]]:
        """All rows of a set."""
        rows: list[dict[str, Any]] = self.api("GET", entity_set).json()["value"]
        return rows

    def api(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Use Dataverse's Web API as the administrator."""
        token = issue(
            secret=SECRET, issuer="", tenant=TENANT, audience=self.dataverse.url, client_id="az", lifetime=60,
            person=ADMINISTRATOR,
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {token}", "Prefer": "return=representation"}
        answer = requests.request(method, self.dataverse.url + ROOT + path, json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        return answer

    def switch(self, server: Server, **switches: Any) -> None:
        """Set switches of a simulator."""
        requests.put(f"{server.url}/sim/switches", json=switches, timeout=20).raise_for_status()

    def lose(self, server: Server, **plan: list[str]) -> None:
        """Lose good answers by their kind."""
        requests.put(f"{server.url}/sim/losses", json=plan, timeout=20).raise_for_status()

    def written(self) -> list[str]:
        """The writes that Dataverse was asked for since `clear`, without keys of rows: "VERB set"."""
        asked = requests.get(f"{self.dataverse.url}/sim/asked", timeout=20).json()
        calls = (each.partition("?")[0].partition("(")[0].split(" ") for each in asked)
        return [f"{verb} {path.rpartition('/')[2]}" for verb, path in calls if verb != "GET"]

    def kinds(self, server: Server) -> set[str]:
        """The kinds of good answers since the last plan."""
        return set(requests.get(f"{server.url}/sim/losses", timeout=20).json()["seen"])

    def confirm(self) -> None:
        """Confirm an invoice; returns when its events are delivered."""
        sim = f"{self.dataverse.url}/sim"
        made = requests.post(f"{sim}/invoices", json={"lines": 1}, timeout=20).json()
        requests.post(f"{sim}/invoices/{made['invoiceId']}/confirm", timeout=20).raise_for_status()
        while requests.get(f"{sim}/webhooks", timeout=20).json()["pending"]:
            pass

    def is_registered_once(self) -> bool:
        """Whether there is one of each, enabled, and its key opens the webhook."""
        [step], endpoints, images = self.rows(STEPS), self.rows(ENDPOINTS), self.rows(IMAGES)
        before = len(self.app.received)
        self.confirm()
        return (len(endpoints), len(images), step["statecode"]) == (1, 1, 0) and len(self.app.received) == before + 1

    def clear(self) -> None:
        """Nothing is registered, no key but the operator's is set, nothing is noted or switched."""
        self.switch(self.arm, keyDelaySeconds=0, failNext=0, failMethod="", redirectTo="")
        for entity_set in (STEPS, ENDPOINTS):
            for row in self.rows(entity_set):
                self.api("DELETE", f"{entity_set}({row[f'{entity_set[:-1]}id']})")
        self.app.keys.write_text(json.dumps({"masterKey": "m", "functionKeys": {"operator": KEY}}))
        self.app.tenant, self.app.host_name, self.app.is_old = TENANT, "", False
        self.app.organization = str(self.dataverse.facts["organizationId"])
        for noted in (self.app.delivered, self.app.notes, self.app.received):
            noted.clear()
        self.app.at_question = None
        requests.delete(f"{self.dataverse.url}/sim/asked", timeout=20).raise_for_status()
        for server in (self.dataverse, self.arm):
            self.lose(server)


@contextmanager
def world(run_dir: Path) -> Iterator[World]:
    """Start all parties."""
    keys = run_dir / "keys.json"
    keys.write_text(json.dumps({"masterKey": "m", "functionKeys": {"operator": KEY}}))
    write_commands(run_dir)
    app = WebhookApp(keys)
    with ExitStack() as stack:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(app))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        host = f"127.0.0.1:{server.server_address[1]}"
        app.url = f"http://{host}"
        secret, people = ["--token-secret", SECRET], ["--administrators", ADMINISTRATOR]
        site = ["--tenant", TENANT, "--site", SITE_ID, "--host-name", host, "--keys", str(keys)]
        members = [*people, "--clients", CLIENT_ID, "--people", GUEST]
        owners = ["--administrators", f"{ADMINISTRATOR},{GUEST}"]
        started = {
            name: Server(name, f"simulators.{name}", [*secret, *arguments], run_dir=run_dir)
            for name, arguments in (
                ("dataverse", members),
                ("arm", [*site, *owners]),
                ("signin", ["--tenant", TENANT, "--clients", "{}"]),
            )
        }
        for each in started.values():
            each.start()
            stack.callback(each.stop)
        for each in started.values():
            each.await_ready()
        yield World(app, started["dataverse"], started["arm"], started["signin"], str(run_dir))

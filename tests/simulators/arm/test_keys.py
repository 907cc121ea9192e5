"""The keys of a function app by Azure Resource Manager, and the host that lets callers in by them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from devhost.keys import KeyFile
from simulators import tokens
from simulators.arm.service import AUDIENCE
from simulators.processes import Server

SECRET = "a secret of the simulated tenant only, nothing else"
SITE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/relay"
VERSION = {"api-version": "2024-04-01"}


@dataclass(frozen=True)
class Owner:
    """A caller of Azure Resource Manager, by default one who may."""

    url: str
    person: str = "owner"
    tenant: str = "t"
    audience: str = AUDIENCE

    def call(self, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
        token = tokens.issue(
            secret=SECRET,
            issuer="idp",
            tenant=self.tenant,
            audience=self.audience,
            client_id="az",
            lifetime=60,
            person=self.person,
        )
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(
            method, f"{self.url}{SITE}{path}", json=body, params=query or VERSION, headers=headers, timeout=10
        )

    def error(self, method: str, path: str, **query: str) -> tuple[int, str]:
        answer = self.call(method, path, {"properties": {}}, **query)
        return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(tmp_path_factory.mktemp("arm")) / "keys.json"
    path.write_text(json.dumps({"masterKey": "m", "functionKeys": {"operator": "o"}}))
    return path


@pytest.fixture(scope="module")
def arm(keys: Path) -> Iterator[Server]:
    arguments = ["--token-secret", SECRET, "--tenant", "t", "--site", SITE, "--host-name", "h", "--keys", str(keys)]
    server = Server("arm", "simulators.arm", [*arguments, "--administrators", "owner"], run_dir=keys.parent)
    server.start()
    server.await_ready()
    yield server
    assert server.stop() == 0, server.tail()


@pytest.fixture
def owner(arm: Server) -> Owner:
    return Owner(arm.url)


def test_a_rotated_key_opens_and_a_deleted_one_no_longer(owner: Owner, keys: Path) -> None:
    host, where = KeyFile(keys), "/functions/confirm_invoice"
    first = owner.call("PUT", f"{where}/keys/dataverse", {"properties": {"name": "dataverse"}})
    assert first.status_code == 201
    old = first.json()["properties"]["value"]
    assert host.open_function("confirm_invoice", old)
    assert not host.open_function("accept_posting", old)

    second = owner.call("PUT", f"{where}/keys/dataverse-2", {"properties": {"name": "dataverse-2", "value": "v2"}})
    assert (second.status_code, second.json()["properties"]["value"]) == (201, "v2")
    assert owner.call("POST", f"{where}/listkeys").json() == {"dataverse": old, "dataverse-2": "v2"}
    assert host.open_function("confirm_invoice", old)
    assert host.open_function("confirm_invoice", "v2")

    assert owner.call("DELETE", f"{where}/keys/dataverse").status_code == 204
    assert owner.error("DELETE", f"{where}/keys/dataverse") == (404, "NotFound")
    assert not host.open_function("confirm_invoice", old)
    again = owner.call("PUT", f"{where}/keys/dataverse-2", {"properties": {"name": "dataverse-2", "value": "v3"}})
    assert again.status_code == 200
    assert not host.open_function("confirm_invoice", "v2")


def test_host_keys_open_every_function(owner: Owner, keys: Path) -> None:
    host, where = KeyFile(keys), "/host/default/functionKeys/kim"
    made = owner.call("PUT", where, {"properties": {"name": "kim", "value": "k"}})
    assert made.status_code == 201
    assert host.open_function("accept_posting", "k")
    listed = owner.call("POST", "/host/default/listkeys").json()
    assert listed == {"masterKey": "m", "functionKeys": {"operator": "o", "kim": "k"}, "systemKeys": {}}
    assert owner.call("DELETE", where).status_code == 204
    assert not host.open_function("accept_posting", "k")


def test_a_delayed_key_comes_when_the_delay_is_switched_off_and_not_later(owner: Owner, keys: Path) -> None:
    host, where = KeyFile(keys), "/host/default/functionKeys/late"
    _switch(owner, keyDelaySeconds=3600)
    assert owner.call("PUT", where, {"properties": {"name": "late", "value": "l"}}).status_code == 201
    assert not host.open_function("accept_posting", "l")
    _switch(owner, keyDelaySeconds=0)
    assert host.open_function("accept_posting", "l")
    assert owner.call("DELETE", where).status_code == 204


def _switch(owner: Owner, **switches: float) -> None:
    requests.put(f"{owner.url}/sim/switches", json=switches, timeout=10).raise_for_status()


def test_the_site_tells_its_host_name(owner: Owner) -> None:
    site = owner.call("GET", "").json()
    assert (site["id"], site["properties"]["defaultHostName"]) == (SITE, "h")


def test_what_is_refused(owner: Owner) -> None:
    assert owner.error("GET", "", version="1") == (400, "MissingApiVersionParameter")
    assert owner.error("GET", "-other") == (404, "ResourceNotFound")
    assert owner.error("POST", "/functions/none/listkeys") == (404, "NotFound")
    assert Owner(owner.url, person="guest").error("GET", "") == (403, "AuthorizationFailed")
    assert Owner(owner.url, tenant="x").error("GET", "") == (401, "InvalidAuthenticationTokenTenant")
    assert Owner(owner.url, audience="https://graph.microsoft.com").error("GET", "") == (
        401,
        "InvalidAuthenticationToken",
    )
    assert requests.get(owner.url + SITE, params=VERSION, timeout=10).status_code == 401


def test_a_file_of_keys_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"masterKey": "m"}))
    host = KeyFile(path)
    path.write_text("{")
    assert host.open_admin("m")
    path.unlink()
    assert host.open_admin("m")

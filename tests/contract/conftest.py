"""The tenant's sign-in service, the table of the gates, a scripted service, and the app between them."""

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from azure.data.tables.aio import TableClient

from shared.services.sign_in import SignIn
from simulators.azurite import Azurite
from simulators.processes import Server as Process
from simulators.tokens import issue
from tests.contract.calls import Call, get, post
from tests.contract.certificates import make_elliptic, make_rsa
from tests.contract.server import Server, serving
from tests.contract.wiring import App, settings, wired

TENANT = "72f988bf-0000-4000-8000-000000000042"
APPLICATION = "11111111-0000-4000-8000-000000000042"
SYSTEM_IDENTITY = "22222222-0000-4000-8000-000000000042"
USER_IDENTITY = "33333333-0000-4000-8000-000000000042"


@dataclass(frozen=True)
class Tenant:
    """The sign-in service and what is registered in it."""

    process: Process
    token_secret: str
    secret: str
    key: str
    certificate: str
    elliptic: tuple[str, str]

    def switch(self, **switches: float | str) -> None:
        """Turn switches of the sign-in service."""
        requests.put(f"{self.process.url}/sim/switches", json=switches, timeout=5).raise_for_status()

    def count(self, route: str) -> int:
        """How many requests of a route it has had."""
        counts = requests.get(f"{self.process.url}/sim/requests", timeout=5).json()["byRoute"]
        return int(counts.get(route, 0))

    def issue(self, audience: str, *, client_id: str = APPLICATION, lifetime: float = 600) -> str:
        """A token of this tenant."""
        return issue(
            secret=self.token_secret,
            issuer=f"https://localhost/{TENANT}/v2.0",
            tenant=TENANT,
            audience=audience,
            client_id=client_id,
            lifetime=lifetime,
        )

    def sign_in(self, **changes: str) -> SignIn:
        """The app's sign-in, by client secret unless `changes` say otherwise."""
        authority = str(self.process.facts["authority"])
        standard = {
            "SIGN_IN_AUTHORITY": authority,
            "SIGN_IN_CLIENT_ID": APPLICATION,
            "SIGN_IN_CLIENT_SECRET": self.secret,
        }
        return SignIn(settings(**{**standard, **changes}))


@pytest.fixture(scope="package")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """A tenant with one application, by secret and by certificate, and two managed identities."""
    token_secret, secret, (key, certificate), elliptic = (
        secrets.token_hex(32),
        secrets.token_hex(24),
        make_rsa(),
        make_elliptic(),
    )
    clients = {
        APPLICATION: {"secret": secret, "certificates": [certificate, elliptic[1]]},
        SYSTEM_IDENTITY: {"managedIdentity": "system"},
        USER_IDENTITY: {"managedIdentity": "user"},
    }
    arguments = ["--token-secret", token_secret, "--tenant", TENANT, "--clients", json.dumps(clients)]
    run_dir = Path(tmp_path_factory.mktemp("contract"))
    process = Process("signin", "simulators.signin", arguments, run_dir=run_dir)
    process.start()
    try:
        process.await_ready()
        with pytest.MonkeyPatch.context() as patch:
            # What requests, and with it MSAL, trusts.
            patch.setenv("REQUESTS_CA_BUNDLE", process.facts["ca"])
            yield Tenant(process, token_secret, secret, key, certificate, elliptic)
    finally:
        process.stop()


@pytest.fixture(scope="package")
def signin(tenant: Tenant) -> SignIn:
    """One sign-in for the tests that are not about it."""
    return tenant.sign_in()


@pytest.fixture
async def table(azurite: Azurite) -> AsyncIterator[TableClient]:
    """An empty table for gates."""
    async with TableClient.from_connection_string(azurite.connection_string(), f"gates{uuid4().hex[:12]}") as client:
        await client.create_table()
        yield client
        await client.delete_table()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """The service, as scripted."""
    async with serving() as running:
        yield running


@pytest.fixture
async def elsewhere() -> AsyncIterator[Server]:
    """A server that must not be asked for anything."""
    async with serving() as running:
        yield running
        assert not running.connections


@pytest.fixture
async def app(server: Server, signin: SignIn, table: TableClient) -> AsyncIterator[App]:
    """One process of the app, with both services at the scripted server."""
    async with wired(server.url, signin, table) as process:
        yield process


@pytest.fixture(params=[get, post], ids=["GET", "POST"])
def call(request: pytest.FixtureRequest) -> Call:
    action: Call = request.param
    return action

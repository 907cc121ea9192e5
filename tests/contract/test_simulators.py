"""The simulated services check credentials like the real ones. Otherwise the app's tests would prove nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from azure.data.tables.aio import TableClient

from shared.errors import SignInFailed
from simulators.azurite import FINANCE_ACCOUNT, Azurite
from simulators.processes import Server as Process
from tests.contract.conftest import APPLICATION, SYSTEM_IDENTITY, Tenant
from tests.contract.wiring import App, wired

STRANGER = "99999999-0000-4000-8000-000000000042"


@dataclass(frozen=True)
class Door:
    """A service, and a request that every admitted caller may make."""

    url: str
    method: str
    path: str
    body: dict[str, str] | None = None

    async def knock(self, authorization: str | None) -> aiohttp.ClientResponse:
        """Make the request."""
        headers = {} if authorization is None else {"Authorization": authorization}
        async with (
            aiohttp.ClientSession() as session,
            session.request(self.method, self.url + self.path, json=self.body, headers=headers) as response,
        ):
            await response.read()
            return response


@pytest.fixture(scope="module")
def services(tenant: Tenant, azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Door]]:
    """Both services, in which only the application is registered."""
    run_dir = Path(tmp_path_factory.mktemp("services"))
    common = ["--token-secret", tenant.token_secret, "--clients", APPLICATION]
    storage = ["--storage", azurite.connection_string(FINANCE_ACCOUNT)]
    dataverse = Process("dataverse", "simulators.dataverse", common, run_dir=run_dir)
    finance = Process("finance", "simulators.finance", [*common, *storage], run_dir=run_dir)
    started = (dataverse, finance)
    for process in started:
        process.start()
    try:
        for process in started:
            process.await_ready()
        action = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.GetAzureWriteUrl"
        yield {
            "Dataverse": Door(dataverse.url, "GET", "/api/data/v9.2/invoices?$select=name"),
            "Finance": Door(finance.url, "GET", "/data/ProjActualsImports?$select=Amount&cross-company=true"),
            "Finance's actions": Door(finance.url, "POST", action, {"uniqueFileName": "x.zip"}),
        }
    finally:
        for process in started:
            process.stop()


@pytest.fixture(params=["Dataverse", "Finance", "Finance's actions"])
def door(request: pytest.FixtureRequest, services: dict[str, Door]) -> Door:
    return services[request.param]


async def test_a_good_token_is_let_in(tenant: Tenant, door: Door) -> None:
    assert (await door.knock(f"Bearer {tenant.issue(door.url)}")).status == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer not.a.token", "Basic dXNlcjpwYXNz"],
    ids=["none", "empty", "no token", "an empty token", "no JWT", "another scheme"],
)
async def test_a_missing_token_is_a_401(door: Door, authorization: str | None) -> None:
    assert (await door.knock(authorization)).status == 401


async def test_an_expired_token_is_a_401(tenant: Tenant, door: Door) -> None:
    assert (await door.knock(f"Bearer {tenant.issue(door.url, lifetime=-1)}")).status == 401


@pytest.mark.parametrize("audience", ["https://graph.microsoft.com", "http://127.0.0.1:1", "{url}/api", "{url}.evil"])
async def test_a_token_for_another_audience_is_a_401(tenant: Tenant, door: Door, audience: str) -> None:
    assert (await door.knock(f"Bearer {tenant.issue(audience.format(url=door.url))}")).status == 401


async def test_a_token_that_somebody_else_signed_is_a_401(tenant: Tenant, door: Door) -> None:
    header, payload, signature = tenant.issue(door.url).split(".")
    forged = f"{header}.{payload}.{signature[::-1]}"
    assert (await door.knock(f"Bearer {forged}")).status == 401
    # The header says that no algorithm is needed.
    assert (await door.knock(f"Bearer eyJhbGciOiJub25lIn0.{payload}.")).status == 401


async def test_dataverse_says_where_to_sign_in(services: dict[str, Door]) -> None:
    response = await services["Dataverse"].knock(None)
    assert response.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


@pytest.mark.parametrize("client_id", [STRANGER, SYSTEM_IDENTITY])
async def test_a_good_token_of_an_unregistered_application_is_a_403(tenant: Tenant, door: Door, client_id: str) -> None:
    assert (await door.knock(f"Bearer {tenant.issue(door.url, client_id=client_id)}")).status == 403


async def read_something(app: App, name: str) -> None:
    pages = (
        app.dataverse.pages("invoices", {"$select": "name"}, size=10)
        if name == "Dataverse"
        else app.finance.pages("ProjActualsImports", {"$select": "Amount"})
    )
    assert [row async for rows in pages for row in rows] == []


@pytest.mark.parametrize("name", ["Dataverse", "Finance"])
async def test_the_app_signs_in_and_reads(
    tenant: Tenant, services: dict[str, Door], table: TableClient, name: str
) -> None:
    async with wired(services[name].url, tenant.sign_in(), table) as app:
        await read_something(app, name)


@pytest.mark.parametrize("name", ["Dataverse", "Finance"])
async def test_the_app_as_an_unregistered_identity_is_told_that_it_is_not_let_in(
    tenant: Tenant, services: dict[str, Door], table: TableClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", tenant.process.facts["msi"])
    monkeypatch.setenv("IDENTITY_HEADER", tenant.process.facts["identityHeader"])
    signin = tenant.sign_in(SIGN_IN_METHOD="managedIdentity", SIGN_IN_CLIENT_ID="")
    async with wired(services[name].url, signin, table) as app:
        with pytest.raises(SignInFailed, match="403"):
            await read_something(app, name)

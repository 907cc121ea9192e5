"""The app's sign-in against the tenant's service: what it proves itself by, how often it asks, what failures say."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from azure.data.tables.aio import TableClient

from shared.errors import SignInFailed
from tests.contract.certificates import make_rsa
from tests.contract.conftest import APPLICATION, SYSTEM_IDENTITY, USER_IDENTITY, Tenant
from tests.contract.server import Manner, Reply, Server, said
from tests.contract.wiring import wired

RESOURCE = "https://contoso.crm4.dynamics.com"
OTHER = "https://contoso.operations.dynamics.com"


@pytest.fixture(autouse=True)
def calm(tenant: Tenant) -> Iterator[None]:
    """The sign-in service is as usual again after each test."""
    yield
    tenant.switch(tokenLifetimeSeconds=3600, failNext=0, latencySeconds=0, spoilNext=0)


@pytest.fixture
def identity(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The managed identity endpoint, as Functions names it."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", tenant.process.facts["msi"])
    monkeypatch.setenv("IDENTITY_HEADER", tenant.process.facts["identityHeader"])


def claims(tenant: Tenant, token: str, audience: str = RESOURCE) -> dict[str, object]:
    read: dict[str, object] = jwt.decode(token, tenant.token_secret, algorithms=["HS256"], audience=audience)
    return read


async def test_a_client_secret_gives_a_token_for_the_service(tenant: Tenant) -> None:
    token = await tenant.sign_in().token(RESOURCE)
    assert claims(tenant, token)["appid"] == APPLICATION


def pem_forms(tenant: Tenant) -> dict[str, str]:
    _, strange = make_rsa("an authority of the chain")
    return {
        "key first": tenant.key + tenant.certificate,
        "certificate first": tenant.certificate + tenant.key,
        "with attributes between": f"Bag Attributes\n{tenant.key}subject=CN=relay\n{tenant.certificate}",
        "with its chain": tenant.key + tenant.certificate + strange,
        "in Windows lines": (tenant.key + tenant.certificate).replace("\n", "\r\n"),
        "in one line with escapes": (tenant.key + tenant.certificate).replace("\n", "\\n"),
    }


@pytest.mark.parametrize(
    "form",
    [
        "key first",
        "certificate first",
        "with attributes between",
        "with its chain",
        "in Windows lines",
        "in one line with escapes",
    ],
)
async def test_a_certificate_in_one_pem_text_gives_a_token(tenant: Tenant, form: str) -> None:
    signin = tenant.sign_in(SIGN_IN_METHOD="certificate", SIGN_IN_CERTIFICATE=pem_forms(tenant)[form])
    assert claims(tenant, await signin.token(RESOURCE))["appid"] == APPLICATION


async def test_a_certificate_that_is_not_registered_fails_with_entras_words(tenant: Tenant) -> None:
    key, certificate = make_rsa()
    signin = tenant.sign_in(SIGN_IN_METHOD="certificate", SIGN_IN_CERTIFICATE=key + certificate)
    with pytest.raises(SignInFailed, match="AADSTS700027"):
        await signin.token(RESOURCE)


def wrong_pems(tenant: Tenant) -> dict[str, str]:
    return {
        "no key": tenant.certificate,
        "no certificate": tenant.key,
        "no PEM": "MIIC...",
        "an encrypted key": tenant.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY") + tenant.certificate,
    }


@pytest.mark.parametrize("form", ["no key", "no certificate", "no PEM", "an encrypted key"])
async def test_a_pem_text_that_lacks_something_is_refused_by_the_name_of_its_setting(tenant: Tenant, form: str) -> None:
    signin = tenant.sign_in(SIGN_IN_METHOD="certificate", SIGN_IN_CERTIFICATE=wrong_pems(tenant)[form])
    with pytest.raises(SignInFailed, match="SIGN_IN_CERTIFICATE must hold a certificate and its private key"):
        await signin.token(RESOURCE)


def unusable_pems(tenant: Tenant) -> dict[str, str]:
    return {
        "an elliptic key": "".join(tenant.elliptic),
        "a damaged key": tenant.key.replace(tenant.key[60:90], "A" * 30) + tenant.certificate,
        "a damaged certificate": tenant.key + tenant.certificate.replace(tenant.certificate[60:90], "A" * 30),
    }


@pytest.mark.parametrize("form", ["an elliptic key", "a damaged key", "a damaged certificate"])
async def test_a_certificate_that_cannot_be_used_is_a_failed_sign_in(tenant: Tenant, form: str) -> None:
    signin = tenant.sign_in(SIGN_IN_METHOD="certificate", SIGN_IN_CERTIFICATE=unusable_pems(tenant)[form])
    with pytest.raises(SignInFailed) as caught:
        await signin.token(RESOURCE)
    assert tenant.key[60:90] not in str(caught.value)


@pytest.mark.usefixtures("identity")
@pytest.mark.parametrize("client_id", ["", USER_IDENTITY], ids=["system", "user"])
async def test_a_managed_identity_gives_a_token(tenant: Tenant, client_id: str) -> None:
    signin = tenant.sign_in(SIGN_IN_METHOD="managedIdentity", SIGN_IN_CLIENT_ID=client_id)
    assert claims(tenant, await signin.token(RESOURCE))["appid"] == client_id or SYSTEM_IDENTITY


@pytest.mark.usefixtures("identity")
async def test_a_managed_identity_is_asked_once_and_again_after_a_refusal(tenant: Tenant) -> None:
    signin = tenant.sign_in(SIGN_IN_METHOD="managedIdentity", SIGN_IN_CLIENT_ID="")
    before = tenant.count("GET msi/token")
    tokens = await asyncio.gather(*(signin.token(RESOURCE) for _ in range(20)))
    assert len(set(tokens)) == 1
    assert tenant.count("GET msi/token") == before + 1
    await signin.token(RESOURCE, refused=tokens[0])
    assert tenant.count("GET msi/token") == before + 2


@pytest.mark.usefixtures("identity")
async def test_an_unknown_managed_identity_is_a_failed_sign_in(tenant: Tenant) -> None:
    signin = tenant.sign_in(SIGN_IN_METHOD="managedIdentity", SIGN_IN_CLIENT_ID=APPLICATION)
    with pytest.raises(SignInFailed, match="No User Assigned or Delegated Managed Identity found"):
        await signin.token(RESOURCE)


async def test_a_managed_identity_where_there_is_none_is_a_failed_sign_in(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    signin = tenant.sign_in(SIGN_IN_METHOD="managedIdentity", SIGN_IN_CLIENT_ID="")
    with pytest.raises(SignInFailed):
        await signin.token(RESOURCE)


async def test_callers_on_a_cold_cache_cause_one_token_request(tenant: Tenant) -> None:
    tenant.switch(latencySeconds=0.05)
    signin = tenant.sign_in()
    before = tenant.count("POST token")
    tokens = await asyncio.gather(*(signin.token(RESOURCE) for _ in range(20)))
    assert len(set(tokens)) == 1
    assert tenant.count("POST token") == before + 1


async def test_each_service_gets_a_token_of_its_own(tenant: Tenant) -> None:
    signin = tenant.sign_in()
    tokens = await asyncio.gather(signin.token(RESOURCE), signin.token(OTHER))
    assert claims(tenant, tokens[0], RESOURCE)["aud"] == RESOURCE
    assert claims(tenant, tokens[1], OTHER)["aud"] == OTHER


async def test_callers_whose_token_was_refused_cause_one_token_request(tenant: Tenant) -> None:
    signin = tenant.sign_in()
    refused = await signin.token(RESOURCE)
    # Tokens of the same second would be the same text.
    tenant.switch(tokenLifetimeSeconds=7000)
    before = tenant.count("POST token")
    tokens = await asyncio.gather(*(signin.token(RESOURCE, refused=refused) for _ in range(20)))
    assert set(tokens) == {await signin.token(RESOURCE)}
    assert refused not in tokens
    assert tenant.count("POST token") == before + 1


@pytest.mark.parametrize(("lifetime", "requests"), [(200, 3), (3600, 1)], ids=["nearly over", "fresh"])
async def test_a_token_is_renewed_when_it_has_under_five_minutes_left(
    tenant: Tenant, lifetime: int, requests: int
) -> None:
    tenant.switch(tokenLifetimeSeconds=lifetime)
    signin = tenant.sign_in()
    before = tenant.count("POST token")
    for _ in range(3):
        await signin.token(RESOURCE)
    assert tenant.count("POST token") == before + requests


def test_a_token_of_good_standing_waits_for_no_thread(tenant: Tenant) -> None:
    let_go = threading.Event()

    async def ask_while_all_threads_are_busy() -> None:
        signin = tenant.sign_in()
        only_thread = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(only_thread)
        token = await signin.token(RESOURCE)
        only_thread.submit(let_go.wait)
        try:
            assert await asyncio.wait_for(signin.token(RESOURCE), 5) == token
        finally:
            let_go.set()

    asyncio.run(ask_while_all_threads_are_busy())


async def test_a_refused_token_is_not_handed_out_again_while_there_is_no_other(tenant: Tenant) -> None:
    signin = tenant.sign_in()
    refused = await signin.token(RESOURCE)
    tenant.switch(failNext=9)
    for told in (refused, None):
        with pytest.raises(SignInFailed):
            await signin.token(RESOURCE, refused=told)


async def test_the_end_of_a_token_is_told(tenant: Tenant) -> None:
    _, until = await tenant.sign_in().token_until(RESOURCE)
    assert abs(until - time.time() - 3600) < 30


async def test_a_wrong_secret_fails_with_entras_words_and_without_the_secret(tenant: Tenant) -> None:
    signin = tenant.sign_in(SIGN_IN_CLIENT_SECRET="not-the-secret-4711")
    with pytest.raises(SignInFailed, match="AADSTS7000215: Invalid client secret provided") as caught:
        await signin.token(RESOURCE)
    assert "4711" not in str(caught.value)
    assert caught.value.service == "sign-in"


async def test_an_unknown_application_fails_with_entras_words(tenant: Tenant) -> None:
    with pytest.raises(SignInFailed, match="AADSTS700016"):
        await tenant.sign_in(SIGN_IN_CLIENT_ID="99999999-0000-4000-8000-000000000042").token(RESOURCE)


async def test_an_unknown_tenant_is_a_failed_sign_in(tenant: Tenant) -> None:
    authority = str(tenant.process.facts["authority"]).rpartition("/")[0] + "/99999999-0000-4000-8000-000000000042"
    with pytest.raises(SignInFailed) as caught:
        await tenant.sign_in(SIGN_IN_AUTHORITY=authority).token(RESOURCE)
    assert not caught.value.passing


async def test_a_sign_in_service_that_is_away_is_a_failed_sign_in(tenant: Tenant) -> None:
    with pytest.raises(SignInFailed, match="Connection"):
        await tenant.sign_in(SIGN_IN_AUTHORITY="https://localhost:9/tenant").token(RESOURCE)


async def test_a_passing_failure_of_the_discovery_is_not_remembered(tenant: Tenant) -> None:
    signin = tenant.sign_in()
    tenant.switch(failNext=1)
    with pytest.raises(SignInFailed):
        await signin.token(RESOURCE)
    assert claims(tenant, await signin.token(RESOURCE))["appid"] == APPLICATION


async def test_a_passing_failure_of_the_token_endpoint_is_a_failed_sign_in(tenant: Tenant) -> None:
    signin = tenant.sign_in()
    await signin.token(OTHER)
    tenant.switch(failNext=1)
    with pytest.raises(SignInFailed, match="503"):
        await signin.token(RESOURCE)


@pytest.mark.parametrize("at", ["discovery", "token", "identity"])
@pytest.mark.parametrize(
    ("form", "status", "told"),
    [
        ("page", 200, "200 with an HTML page"),
        ("page", 400, "400 with an HTML page"),
        ("page", 503, "503"),
        ("empty", 200, "200 with an empty body"),
        ("cut", 200, "200 with JSON in another form, or cut off"),
    ],
)
@pytest.mark.usefixtures("identity")
async def test_whatever_is_no_answer_of_the_sign_in_service_passes(
    tenant: Tenant, at: str, form: str, status: int, told: str
) -> None:
    method = {"SIGN_IN_METHOD": "managedIdentity", "SIGN_IN_CLIENT_ID": ""} if at == "identity" else {}
    signin = tenant.sign_in(**method)
    if at == "token":
        await signin.token(OTHER)
    tenant.switch(spoilForm=form, spoilStatus=status, spoilNext=1)
    with pytest.raises(SignInFailed, match=told) as caught:
        await signin.token(RESOURCE)
    assert caught.value.passing
    assert claims(tenant, await signin.token(RESOURCE))["appid"]


async def test_a_json_object_of_another_kind_passes(tenant: Tenant) -> None:
    tenant.switch(spoilForm="shape", spoilNext=1)
    signin = tenant.sign_in()
    for told in ("configuration came without 'authorization_endpoint'", "neither a token nor an error"):
        with pytest.raises(SignInFailed, match=told) as caught:
            await signin.token(RESOURCE)
        assert caught.value.passing
        await signin.token(OTHER)
        tenant.switch(spoilForm="shape", spoilNext=1)


@pytest.fixture
def silent(server: Server) -> Server:
    """A sign-in service that accepts connections and says nothing."""
    server.rule = lambda _: Reply(manner=Manner.SILENT)
    return server


async def test_a_managed_identity_endpoint_that_stays_silent_is_given_up(
    tenant: Tenant, silent: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a time limit one lost answer would hold the lock, and with it every worker, for good.
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{silent.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    monkeypatch.setattr("shared.services.sign_in.LONGEST_SILENCE", 0.3)
    signin = tenant.sign_in(SIGN_IN_METHOD="managedIdentity", SIGN_IN_CLIENT_ID="")
    async with asyncio.timeout(10):
        with pytest.raises(SignInFailed, match=r"[Tt]ime"):
            await signin.token(RESOURCE)


async def test_an_authority_that_stays_silent_is_given_up(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant.switch(latencySeconds=3)
    monkeypatch.setattr("shared.services.sign_in.LONGEST_SILENCE", 0.3)
    async with asyncio.timeout(10):
        with pytest.raises(SignInFailed, match=r"[Tt]ime"):
            await tenant.sign_in().token(RESOURCE)


async def test_no_request_is_sent_without_a_token(tenant: Tenant, server: Server, table: TableClient) -> None:
    server.script(said({}))
    async with wired(server.url, tenant.sign_in(SIGN_IN_CLIENT_SECRET="wrong"), table) as app:
        with pytest.raises(SignInFailed):
            await app.source.get(app.source.url("/api/data/v9.2/invoices"))
    assert server.received == []

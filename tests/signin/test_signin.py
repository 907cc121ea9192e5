"""Signing in against the simulator with the real msal library."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from simulators import tokens
from simulators.processes import Server

TENANT = "72f988bf-0000-4000-8000-2d7cd011db47"
APP = "11111111-0000-4000-8000-000000000001"
SYSTEM = "11111111-0000-4000-8000-000000000002"
USER = "11111111-0000-4000-8000-000000000003"
SCOPE = "http://127.0.0.1:4711/.default"
SECRET = "token-secret-of-the-tests-32-bytes"


def make_certificate() -> tuple[str, str]:
    """A private key and its self-signed certificate, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


KEY, CERTIFICATE = make_certificate()
CLIENTS = {
    APP: {"secret": "right", "certificates": [CERTIFICATE]},
    SYSTEM: {"managedIdentity": "system"},
    USER: {"managedIdentity": "user"},
}


@pytest.fixture(scope="module")
def signin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    arguments = ["--port", "0", "--token-secret", SECRET, "--tenant", TENANT, "--clients", json.dumps(CLIENTS)]
    server = Server("signin", "simulators.signin", arguments, run_dir=Path(tmp_path_factory.mktemp("signin")))
    server.start()
    try:
        server.await_ready()
        yield server
    finally:
        assert server.stop() == 0


@pytest.fixture(autouse=True)
def calm(signin: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A machine that sets this variable overrides every verify= of requests, and with it msal's.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", signin.facts["ca"])
    yield
    set_switches(signin, tokenLifetimeSeconds=3600, failNext=0, latencySeconds=0, spoilNext=0)


def set_switches(signin: Server, **switches: float | str) -> requests.Response:
    return requests.put(f"{signin.url}/sim/switches", json=switches, timeout=5)


def sign_in(signin: Server, credential: object, **changes: Any) -> dict[str, Any]:
    """One client credentials request through a fresh msal application: msal caches failures, too."""
    application = msal.ConfidentialClientApplication(
        changes.get("client_id", APP),
        client_credential=credential,
        authority=changes.get("authority", signin.facts["authority"]),
        instance_discovery=False,
        verify=signin.facts["ca"],
    )
    answer: dict[str, Any] = application.acquire_token_for_client([changes.get("scope", SCOPE)])
    return answer


def read_claims(answer: dict[str, Any]) -> dict[str, Any]:
    assert "access_token" in answer, answer
    claims: dict[str, Any] = jwt.decode(
        answer["access_token"], SECRET, algorithms=["HS256"], audience="http://127.0.0.1:4711"
    )
    return claims


def test_a_secret_gives_a_token_that_the_services_accept(signin: Server) -> None:
    answer = sign_in(signin, "right")
    claims = read_claims(answer)
    assert (claims["appid"], claims["tid"], claims["aud"]) == (APP, TENANT, "http://127.0.0.1:4711")
    assert claims["iss"] == f"{signin.facts['authority']}/v2.0"
    check = tokens.TokenCheck(SECRET, "http://127.0.0.1:4711", frozenset({APP}))
    assert check.check(f"Bearer {answer['access_token']}") == APP


def test_a_certificate_gives_a_token(signin: Server) -> None:
    credential = {"private_key": KEY, "public_certificate": CERTIFICATE}
    assert read_claims(sign_in(signin, credential))["appid"] == APP


def test_a_certificate_by_sha1_thumbprint_gives_a_token(signin: Server) -> None:
    thumbprint = x509.load_pem_x509_certificate(CERTIFICATE.encode()).fingerprint(hashes.SHA1()).hex()  # noqa: S303
    assert read_claims(sign_in(signin, {"private_key": KEY, "thumbprint": thumbprint}))["appid"] == APP


def test_oidc_authority_works_too(signin: Server) -> None:
    application = msal.ConfidentialClientApplication(
        APP, client_credential="right", oidc_authority=signin.facts["authority"], verify=signin.facts["ca"]
    )
    assert "access_token" in application.acquire_token_for_client([SCOPE])


def test_the_ca_bundle_variable_alone_makes_msal_trust_the_simulator(
    signin: Server,
) -> None:
    application = msal.ConfidentialClientApplication(
        APP, client_credential="right", authority=signin.facts["authority"], instance_discovery=False
    )
    assert "access_token" in application.acquire_token_for_client([SCOPE])


@pytest.mark.parametrize(
    ("credential", "changes", "error", "code"),
    [
        ("wrong", {}, "invalid_client", 7000215),
        ("right", {"client_id": "nobody"}, "unauthorized_client", 700016),
        ("right", {"scope": "http://127.0.0.1:4711/read"}, "invalid_scope", 1002012),
        (
            dict(zip(("private_key", "public_certificate"), make_certificate(), strict=True)),
            {},
            "invalid_client",
            700027,
        ),
    ],
    ids=["wrong secret", "unknown application", "scope without .default", "unregistered certificate"],
)
def test_refusals_are_entras(
    signin: Server, credential: object, changes: dict[str, str], error: str, code: int
) -> None:
    answer = sign_in(signin, credential, **changes)
    assert answer["error"] == error
    assert answer["error_codes"] == [code]
    assert answer["error_description"].startswith(f"AADSTS{code}: ")


def test_a_wrong_secret_is_a_401_and_a_wrong_tenant_a_400(signin: Server) -> None:
    form = {"grant_type": "client_credentials", "client_id": APP, "client_secret": "wrong", "scope": SCOPE}
    token = f"{signin.facts['authority']}/oauth2/v2.0/token"
    assert requests.post(token, data=form, verify=signin.facts["ca"], timeout=5).status_code == 401
    elsewhere = token.replace(TENANT, "no-such-tenant")
    refused = requests.post(elsewhere, data=form | {"client_secret": "right"}, verify=signin.facts["ca"], timeout=5)
    assert (refused.status_code, refused.json()["error_codes"]) == (400, [90002])
    with pytest.raises(ValueError, match="authority"):
        sign_in(signin, "right", authority=signin.facts["authority"].replace(TENANT, "no-such-tenant"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": 1}, 700024),
        ({"aud": "https://elsewhere.example"}, 700023),
        ({"sub": USER}, 700021),
    ],
)
def test_an_assertion_must_be_current_and_ours(signin: Server, changes: dict[str, Any], code: int) -> None:
    token = f"{signin.facts['authority']}/oauth2/v2.0/token"
    claims = {"iss": APP, "sub": APP, "aud": token, "exp": int(time.time()) + 600} | changes
    certificate = x509.load_pem_x509_certificate(CERTIFICATE.encode())
    thumbprint = jwt.utils.base64url_encode(certificate.fingerprint(hashes.SHA256())).decode()
    form = {
        "grant_type": "client_credentials",
        "client_id": APP,
        "scope": SCOPE,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, KEY, "RS256", headers={"x5t#S256": thumbprint}),
    }
    answer = requests.post(token, data=form, verify=signin.facts["ca"], timeout=5)
    assert (answer.status_code, answer.json()["error_codes"]) == (401, [code])


def acquire_for_identity(
    signin: Server, monkeypatch: pytest.MonkeyPatch, identity: object, header: str | None = None
) -> dict[str, Any]:
    monkeypatch.setenv("IDENTITY_ENDPOINT", signin.facts["msi"])
    monkeypatch.setenv("IDENTITY_HEADER", header or signin.facts["identityHeader"])
    client = msal.ManagedIdentityClient(identity, http_client=requests.Session())
    answer: dict[str, Any] = client.acquire_token_for_client(resource="http://127.0.0.1:4711")
    return answer


@pytest.mark.parametrize(
    ("identity", "appid"),
    [
        (msal.SystemAssignedManagedIdentity(), SYSTEM),
        (msal.UserAssignedManagedIdentity(client_id=USER), USER),
    ],
    ids=["system", "user"],
)
def test_a_managed_identity_gets_a_token(
    signin: Server, monkeypatch: pytest.MonkeyPatch, identity: object, appid: str
) -> None:
    assert read_claims(acquire_for_identity(signin, monkeypatch, identity))["appid"] == appid


def test_an_identity_that_is_not_there_gets_none(signin: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = msal.UserAssignedManagedIdentity(client_id=APP)
    assert "error" in acquire_for_identity(signin, monkeypatch, stranger)


def test_the_identity_endpoint_refuses_a_wrong_header(signin: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = acquire_for_identity(signin, monkeypatch, msal.SystemAssignedManagedIdentity(), header="guess")
    assert "access_token" not in answer


def test_switches_turn_lifetime_and_failures(signin: Server) -> None:
    assert set_switches(signin, tokenLifetimeSeconds=7).json()["tokenLifetimeSeconds"] == 7
    assert sign_in(signin, "right")["expires_in"] == 7
    # The application reads the configuration first.
    set_switches(signin, failNext=1)
    with pytest.raises(msal.exceptions.MsalServiceError, match="503"):
        sign_in(signin, "right")
    assert "access_token" in sign_in(signin, "right")


def test_an_unknown_switch_is_refused_by_name(signin: Server) -> None:
    refused = set_switches(signin, speed=3)
    assert refused.status_code == 400
    assert "speed" in refused.json()["error"]
    refused = set_switches(signin, spoilForm="poem")
    assert refused.status_code == 400
    assert "spoilForm" in refused.json()["error"]


def test_a_page_instead_of_a_token_comes_as_often_as_it_is_asked_for(signin: Server) -> None:
    set_switches(signin, spoilForm="page", spoilStatus=404, spoilNext=1)
    address = f"{signin.facts['authority']}/v2.0/.well-known/openid-configuration"
    answers = [requests.get(address, timeout=5, verify=signin.facts["ca"]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [404, 200]
    assert answers[0].headers["Content-Type"].startswith("text/html")


def test_requests_are_counted_by_kind(signin: Server) -> None:
    def count() -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(f"{signin.url}/sim/requests", timeout=5).json()
        return answer

    before = count()
    sign_in(signin, "right")
    after = count()
    assert after["total"] == before["total"] + 2
    assert after["byRoute"]["POST token"] == before["byRoute"]["POST token"] + 1


def test_a_person_who_signed_in_with_a_command_gets_a_token_of_their_own(signin: Server) -> None:
    asked = {"person": "5e7", "resource": "https://management.azure.com"}
    given = requests.post(f"{signin.url}/sim/tokens", json=asked, timeout=10).json()
    claims = tokens.TokenCheck(SECRET, "https://management.azure.com", frozenset({"5e7"}))
    assert claims.check(f"Bearer {given['accessToken']}") == "5e7"
    assert (given["tenant"], given["tokenType"]) == (TENANT, "Bearer")
    assert given["expires_on"] > time.time() + 3000

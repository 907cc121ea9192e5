"""Common ways of writing a setting are accepted. Invalid values are all refused together, by name and with the
reason.
"""

import base64
import sys
import textwrap
import zoneinfo
from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from shared import clock
from shared.configuration.certificate import read_certificate
from shared.jobs.job import load_job
from shared.settings import Settings, SettingsRefused, read_settings, read_settings_at_start
from tests.contract.certificates import make_elliptic, make_rsa
from tests.unit.test_settings import GOOD

ID = GOOD["SIGN_IN_CLIENT_ID"]
AUTHORITY = f"https://login.microsoftonline.com/{ID}"
CONNECTION = "DefaultEndpointsProtocol=https;AccountName=contoso;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
WITHOUT_STORAGE = {name: text for name, text in GOOD.items() if name != "AzureWebJobsStorage"}
ADDRESSES = {
    f"AzureWebJobsStorage__{service}ServiceUri": f"https://contoso.{service}.core.usgovcloudapi.net"
    for service in ("blob", "queue", "table")
}
KEY, CERTIFICATE = make_rsa()
_, AUTHORITYS = make_rsa("an authority of the chain")


def refusal(changes: dict[str, str], of: dict[str, str] = GOOD) -> dict[str, str]:
    """What is said about settings that are good but for `changes`."""
    with pytest.raises(SettingsRefused) as refused:
        read_settings_at_start(of | changes)
    for name, reason in refused.value.problems.items():
        assert f"  {name}: {reason}" in str(refused.value)
    return refused.value.problems


LANES = [f"FINANCE_LANES_{name.upper()}" for name in load_job().maps]


@pytest.mark.parametrize("alias", sorted({str(field.alias) for field in Settings.model_fields.values()} | set(LANES)))
@pytest.mark.parametrize(
    "reference",
    [
        "@Microsoft.KeyVault(VaultName=v;SecretName=s)",
        ' "@microsoft.keyvault(SecretUri=https://v.vault.azure.net/secrets/s/)"\n',
        "@Microsoft.AppConfiguration(Endpoint=https://c.azconfig.io; Key=k)",
    ],
)
def test_a_reference_that_was_not_resolved_is_refused_in_every_setting(alias: str, reference: str) -> None:
    problems = refusal({alias: reference})
    assert problems.keys() == {alias}
    assert "could not resolve it" in problems[alias]


def test_a_reference_within_a_connection_string_is_refused() -> None:
    text = CONNECTION.replace("c2VjcmV0", "@Microsoft.KeyVault(VaultName=v;SecretName=s)")
    assert "could not resolve" in refusal({"AzureWebJobsStorage": text})["AzureWebJobsStorage"]


@pytest.mark.parametrize("around", ["  {} \n", "\ufeff{}\r\n", '"{}"', " '{}'\t", "\u200b{}\u00a0", "“{}”"])
def test_what_is_around_a_value_is_no_part_of_it(around: str) -> None:
    plain = GOOD | {
        "FINANCE_LANES_ACTUALS": "3",
        "DATAVERSE_TIME_ZONE": "Europe/Berlin",
        "OPERATOR_ROLE": "Invoice relay",
    }
    assert read_settings({name: around.format(text) for name, text in plain.items()}) == read_settings(plain)


def test_blanks_alone_count_as_missing() -> None:
    assert refusal({"FINANCE_URL": ' "" \n'}) == {"FINANCE_URL": "is missing"}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SIGN_IN_CLIENT_SECRET", "abc def", "blank in the middle"),
        ("SIGN_IN_CLIENT_SECRET", "abc\ndef", "a line break in the middle"),
        ("SIGN_IN_CLIENT_SECRET", "abc\u200bdef", "U+200B"),
        ("SIGN_IN_CLIENT_SECRET", ID, "not its value"),
        ("DATAVERSE_URL", "https://contoso\n.crm.dynamics.com", "line break"),
        ("DATAVERSE_URL", "https://con toso.crm.dynamics.com", "is not a host name"),
        ("DATAVERSE_URL", "https://<org>.crm.dynamics.com", "is not a host name"),
        ("DATAVERSE_URL", "https://contoso.crm.dynamics.com:port", "ort"),
        ("DATAVERSE_URL", "https://contoso.operations.dynamics.com", "may have changed places"),
        ("DATAVERSE_URL", "https://contoso.sandbox.operations.eu.dynamics.com", "may have changed places"),
        ("DATAVERSE_URL", "https://contosoaos.cloudax.dynamics.com", "may have changed places"),
        ("FINANCE_URL", "https://contoso.crm4.dynamics.com", "may have changed places"),
        ("FINANCE_URL", "https://contoso.api.crm.dynamics.com", "may have changed places"),
        ("FINANCE_URL", "https://contoso.crm.microsoftdynamics.us", "may have changed places"),
        ("FINANCE_URL", "https://contoso.crm.dynamics.cn", "may have changed places"),
        ("FINANCE_URL", "https://finance.contoso.com/?cmp=USMF", "service root alone"),
        ("SIGN_IN_AUTHORITY", "https://login.microsoftonline.com/common", "names 'common'"),
        ("SIGN_IN_AUTHORITY", "https://login.microsoftonline.com/organizations/v2.0", "names 'organizations'"),
        ("SIGN_IN_AUTHORITY", "https://login.microsoftonline.us/Consumers", "names 'Consumers'"),
        ("SIGN_IN_AUTHORITY", "https://login.microsoftonline.com/v2.0", "neither a tenant id"),
        ("SIGN_IN_AUTHORITY", "https://login.microsoftonline.com/<tenant id>", "neither a tenant id"),
        ("SIGN_IN_AUTHORITY", f"http://login.microsoftonline.com/{ID}", "must be https"),
        ("SIGN_IN_AUTHORITY", f"https://login.microsoftonline.com/{'0' * 8}-0000-0000-0000-{'0' * 12}", "placeholder"),
        ("SIGN_IN_CLIENT_ID", "00000000-0000-0000-0000-000000000000", "placeholder"),
        ("DATAVERSE_ORGANIZATION_ID", "00000000-0000-0000-0000-000000000000", "placeholder"),
        ("AzureWebJobsStorage__clientId", "00000000-0000-0000-0000-000000000000", "placeholder"),
        ("AzureWebJobsStorage__credential", "clientsecret", "must be managedidentity"),
        ("DATAVERSE_TIME_ZONE", "Europe", "IANA"),
        ("DATAVERSE_TIME_ZONE", "W. Europe Standard Time", "no Windows name"),
        ("DATAVERSE_TIME_ZONE", "../../etc/passwd", "IANA"),
        ("DATAVERSE_TIME_ZONE", "localtime", "IANA"),
        ("DATAVERSE_TIME_ZONE", "Factory", "IANA"),
        ("DATAVERSE_TIME_ZONE", "right/Europe/Berlin", "IANA"),
        ("FINANCE_UPLOAD_HOSTS", "https://contoso.blob.core.windows.net", "is not a host"),
        ("FINANCE_UPLOAD_HOSTS", "*", "is not a host"),
        ("FINANCE_UPLOAD_HOSTS", "*.net", "is not a host"),
        ("FINANCE_UPLOAD_HOSTS", "a.blob.core.windows.net,,", "is not a host"),
        ("ANSWER_PATIENCE_SECONDS", "inf", "finite"),
        ("SWEEP_STALLED_AFTER_SECONDS", "1e12", "less than or equal"),
        ("SWEEP_START", "2026-12-01T00:00:00", "timezone"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_by_name_and_alone(name: str, value: str, reason: str) -> None:
    problems = refusal({name: value})
    assert problems.keys() == {name}
    assert reason in problems[name]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("UseDevelopmentStorage=yes", "UseDevelopmentStorage=true"),
        ("UseDevelopmentStorage", "UseDevelopmentStorage=true"),
        ("UseDevelopmentStorage=true;AccountName=contoso", "UseDevelopmentStorage=true"),
        ("UseDevStorage=true", "'UseDevStorage' is not known"),
        ("contoso", "is not a connection string"),
        ("AccountName=contoso", "lacks AccountKey"),
        ("AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net", "lacks AccountName"),
        ("AccountName=contoso;AccountKey=", "lacks AccountKey"),
        (CONNECTION.replace("c2VjcmV0", "c2VjcmV"), "cut off"),
        (CONNECTION.replace("=https", "=http"), "https only"),
        ("BlobEndpoint=https://contoso.blob.core.windows.net;SharedAccessSignature=sv=1&sig=x", "QueueEndpoint"),
        (f"{CONNECTION};BlobEndpoint=http://contoso.blob.core.windows.net", "not https"),
        (f"{CONNECTION};BlobEndpoint=contoso", "not a URL"),
    ],
)
def test_a_connection_string_that_leads_nowhere_is_refused_without_its_key(text: str, reason: str) -> None:
    problems = refusal({"AzureWebJobsStorage": text})
    assert problems.keys() == {"AzureWebJobsStorage"}
    assert reason in problems["AzureWebJobsStorage"]
    assert "c2Vj" not in problems["AzureWebJobsStorage"]


@pytest.mark.parametrize(
    "text", [CONNECTION, f"{CONNECTION};", CONNECTION.replace(";", " ; "), "usedevelopmentstorage=True;"]
)
def test_a_connection_string_is_understood_in_the_spellings_that_the_host_understands(text: str) -> None:
    found = read_settings(GOOD | {"AzureWebJobsStorage": text}).storage
    assert found
    assert found.get_secret_value() in {CONNECTION, "UseDevelopmentStorage=true"}


def test_the_three_addresses_of_an_account_replace_its_name() -> None:
    identity = {"AzureWebJobsStorage__credential": "managedIdentity", "AzureWebJobsStorage__clientId": ID}
    found = read_settings(WITHOUT_STORAGE | ADDRESSES | identity)
    assert found.storage_tables == "https://contoso.table.core.usgovcloudapi.net"
    assert str(found.storage_client_id) == ID
    read_settings(WITHOUT_STORAGE | ADDRESSES | {"AzureWebJobsStorage__accountName": "contoso"})


@pytest.mark.parametrize("left_out", sorted(ADDRESSES))
def test_the_addresses_of_an_account_belong_together(left_out: str) -> None:
    some = {name: address for name, address in ADDRESSES.items() if name != left_out}
    problems = refusal(some, WITHOUT_STORAGE)
    assert problems.keys() == {left_out}
    assert "belong together" in problems[left_out]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("AzureWebJobsStorage__tableServiceUri", "http://contoso.table.core.windows.net", "https"),
        ("AzureWebJobsStorage__tableServiceUri", "https://contoso.queue.core.windows.net", "queue service"),
        ("AzureWebJobsStorage__blobServiceUri", "https://contoso.dfs.core.windows.net", "dfs service"),
        ("AzureWebJobsStorage__blobServiceUri", "https://contoso.blob.core.windows.net/landed", "alone"),
        ("AzureWebJobsStorage__queueServiceUri", "https://contoso.queue.core.windows.net?sv=1&sig=x", "alone"),
    ],
)
def test_an_address_that_is_not_the_services_own_is_refused(name: str, value: str, reason: str) -> None:
    assert reason in refusal(ADDRESSES | {name: value}, WITHOUT_STORAGE)[name]


@pytest.mark.parametrize(
    "beside",
    [
        {"AzureWebJobsStorage__accountName": "fabrikam", **ADDRESSES},
        {"AzureWebJobsStorage": CONNECTION, "AzureWebJobsStorage__accountName": "fabrikam"},
        {"AzureWebJobsStorage": CONNECTION.replace("=contoso", "=fabrikam"), **ADDRESSES},
        {**ADDRESSES, "AzureWebJobsStorage__tableServiceUri": "https://fabrikam.table.core.usgovcloudapi.net"},
    ],
)
def test_two_accounts_at_once_are_refused(beside: dict[str, str]) -> None:
    reason = refusal(beside, WITHOUT_STORAGE)["AzureWebJobsStorage"]
    assert "contoso, fabrikam" in reason


@pytest.mark.parametrize("given", [{}, {"AzureWebJobsStorage__accountName": "contoso"}, ADDRESSES])
def test_storage_is_needed_one_way_or_another(given: dict[str, str]) -> None:
    if given:
        assert read_settings(WITHOUT_STORAGE | given).storage is None
    else:
        assert refusal(given, WITHOUT_STORAGE).keys() == {"AzureWebJobsStorage"}


@pytest.mark.parametrize(
    "end",
    [
        "/",
        "/v2.0",
        "/v2.0/",
        "/oauth2/token",
        "/oauth2/v2.0/token",
        "/oauth2/v2.0/authorize?client_id=x",
        "/v2.0/.well-known/openid-configuration",
    ],
)
def test_every_endpoint_of_a_tenant_names_its_authority(end: str) -> None:
    assert read_settings(GOOD | {"SIGN_IN_AUTHORITY": AUTHORITY + end}).authority == AUTHORITY


@pytest.mark.parametrize("host", ["login.microsoftonline.us", "login.partner.microsoftonline.cn", "adfs.contoso.com"])
def test_the_authority_of_another_cloud_is_kept(host: str) -> None:
    given = f"https://{host}/contoso.onmicrosoft.com"
    assert read_settings(GOOD | {"SIGN_IN_AUTHORITY": given}).authority == given


@pytest.mark.parametrize(
    "given",
    ["https://Contoso.CRM.dynamics.com", "HTTPS://contoso.crm.dynamics.com:443/", "https://contoso.crm.dynamics.com//"],
)
def test_an_origin_has_one_form(given: str) -> None:
    assert read_settings(GOOD | {"DATAVERSE_URL": given}).dataverse_url == "https://contoso.crm.dynamics.com"


def test_one_address_for_both_services_is_refused() -> None:
    same = {"DATAVERSE_URL": "https://erp.contoso.com", "FINANCE_URL": "https://ERP.contoso.com:443/"}
    assert "same as DATAVERSE_URL" in refusal(same)["FINANCE_URL"]


def test_a_lease_that_is_over_before_the_next_look_is_refused() -> None:
    reason = refusal({"FINANCE_SHIPMENT_LEASE_SECONDS": "30"})["FINANCE_SHIPMENT_LEASE_SECONDS"]
    assert "is 30, but must be more than FINANCE_POLL_LONGEST_SECONDS (30)" in reason


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = {
        "DATAVERSE_URL": "https://contoso.operations.dynamics.com",
        "DATAVERSE_TIME_ZONE": "Berlin",
        "FINANCE_LANES_ACTUALS": "0",
        "FINANCE_SHIPMENT_LEASE_SECONDS": "10",
        "SIGN_IN_METHOD": "certificate",
        "SIGN_IN_CERTIFICATE": "MIIC...",
        "SIGN_IN_AUTHORITY": "@Microsoft.KeyVault(VaultName=v;SecretName=s)",
        "SIGN_IN_CLIENT_ID": "",
        "OPERATOR_SIGN_IN": "appServiceAuthentication",
        "AzureWebJobsStorage": "AccountName=contoso",
        "DATAVERSE_ORGANIZATION_ID": "",
    }
    problems = refusal(wrong)
    assert problems.keys() == wrong.keys() - {"SIGN_IN_CLIENT_ID"}
    assert problems["SIGN_IN_METHOD"] == "certificate also needs SIGN_IN_CLIENT_ID"
    assert problems["DATAVERSE_ORGANIZATION_ID"] == "is missing"


def test_a_default_goes_through_the_same_check(no_time_zones: None) -> None:
    del no_time_zones
    assert "DATAVERSE_TIME_ZONE" not in GOOD
    assert "no time zone database here; deploy the package tzdata" in refusal({})["DATAVERSE_TIME_ZONE"]


@pytest.fixture
def no_time_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An image without a time zone database, as Functions may have it."""
    for module in ("tzdata", "tzdata.zoneinfo", "tzdata.zoneinfo.Europe"):
        monkeypatch.setitem(sys.modules, module, None)
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


def test_without_a_database_of_the_system_the_deployed_one_is_enough() -> None:
    zoneinfo.reset_tzpath(to=[])
    try:
        zoneinfo.ZoneInfo.clear_cache()
        assert read_settings(GOOD | {"DATAVERSE_TIME_ZONE": "europe/berlin"}).time_zone == "Europe/Berlin"
    finally:
        zoneinfo.reset_tzpath()


def pfx(password: str = "", *, chain: bool = False) -> str:
    encryption: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    key, certificate = load_pem_private_key(KEY.encode(), None), x509.load_pem_x509_certificate(CERTIFICATE.encode())
    others = [x509.load_pem_x509_certificate(AUTHORITYS.encode())] if chain else None
    raw = pkcs12.serialize_key_and_certificates(b"relay", key, certificate, others, encryption)  # type: ignore[arg-type]
    return base64.b64encode(raw).decode()


def pkcs1() -> str:
    key = load_pem_private_key(KEY.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def encrypted() -> str:
    key = load_pem_private_key(KEY.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")).decode()


CERTIFICATES = {
    "PEM": KEY + CERTIFICATE,
    "the chain before the leaf": KEY + AUTHORITYS + CERTIFICATE,
    "the chain before everything": AUTHORITYS + CERTIFICATE + KEY,
    "line breaks as text": (KEY + CERTIFICATE).replace("\n", "\\n"),
    "Windows line breaks as text": (KEY + CERTIFICATE).replace("\n", "\\r\\n"),
    "line breaks as blanks": (KEY + CERTIFICATE).replace("\n", " "),
    "no line breaks": (KEY + CERTIFICATE).replace("\n", ""),
    "PKCS#1": pkcs1() + CERTIFICATE,
    "a byte order mark and quotes": f'\ufeff"{KEY}{CERTIFICATE}"\n',
    "PFX": pfx(),
    "PFX with its chain": pfx(chain=True),
    "PFX in lines": "\r\n".join(textwrap.wrap(pfx(), 76)),
    "PEM in base64": base64.b64encode((KEY + CERTIFICATE).encode()).decode(),
}
WRONG_CERTIFICATES = {
    "a certificate of another key": (KEY + AUTHORITYS, "no certificate in it belongs to its private key"),
    "no key": (CERTIFICATE, "no private key"),
    "no certificate": (KEY, "no certificate"),
    "PKCS#1, encrypted": (encrypted() + CERTIFICATE, "encrypted"),
    "PKCS#8, encrypted": (KEY.replace("PRIVATE", "ENCRYPTED PRIVATE") + CERTIFICATE, "encrypted"),
    "an elliptic key": ("".join(make_elliptic()), "not an RSA key"),
    "a damaged key": (KEY.replace(KEY[60:90], "A" * 30) + CERTIFICATE, "its private key is damaged"),
    "a key that is cut off": (CERTIFICATE + KEY[:400], "no private key"),
    "two keys": (KEY + make_rsa()[0] + CERTIFICATE, "2 private keys"),
    "a PFX with a password": (pfx("s3cret"), "password"),
    "a thumbprint": ("A1" * 20, "neither"),
    "an address": ("https://v.vault.azure.net/secrets/s", "neither"),
}
BY_CERTIFICATE = {name: text for name, text in GOOD.items() if name != "SIGN_IN_CLIENT_SECRET"} | {
    "SIGN_IN_METHOD": "certificate"
}


@pytest.mark.parametrize("form", CERTIFICATES)
def test_a_certificate_is_understood_in_every_form_in_which_it_is_kept(form: str) -> None:
    settings = read_settings_at_start(BY_CERTIFICATE | {"SIGN_IN_CERTIFICATE": CERTIFICATES[form]})
    assert settings.certificate
    found = read_certificate(settings.certificate.get_secret_value(), clock.now())
    assert found.public_certificate == CERTIFICATE
    assert found.private_key == KEY


@pytest.mark.parametrize("form", WRONG_CERTIFICATES)
def test_a_certificate_that_cannot_sign_in_is_refused_at_start_without_its_key(form: str) -> None:
    text, reason = WRONG_CERTIFICATES[form]
    problems = refusal({"SIGN_IN_CERTIFICATE": text}, BY_CERTIFICATE)
    assert problems.keys() == {"SIGN_IN_CERTIFICATE"}
    assert reason in problems["SIGN_IN_CERTIFICATE"]
    assert KEY[60:90] not in problems["SIGN_IN_CERTIFICATE"]


@pytest.mark.parametrize(("ahead", "words"), [(2, "expired on"), (-1, "is not valid before"), (0.5, None)])
def test_a_certificate_says_when_it_is_good(ahead: float, words: str | None) -> None:
    now = clock.now() + timedelta(days=ahead)
    reason = read_certificate(KEY + CERTIFICATE, now).untimely(now)
    assert reason is None if words is None else words in str(reason)


def test_an_expired_certificate_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    later = clock.now() + timedelta(days=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    reason = refusal({"SIGN_IN_CERTIFICATE": pfx()}, BY_CERTIFICATE)["SIGN_IN_CERTIFICATE"]
    assert reason.startswith("expired on 20")


def test_a_certificate_that_nothing_needs_is_not_looked_at() -> None:
    assert read_settings_at_start(GOOD | {"SIGN_IN_CERTIFICATE": "MIIC..."}).sign_in == "clientSecret"

"""A missing or malformed setting is refused by its name, with what it must be."""

import pytest

from shared.settings import SettingsRefused, read_settings

GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "DATAVERSE_URL": "https://contoso.crm.dynamics.com",
    "DATAVERSE_ORGANIZATION_ID": "7f3c8a4e-2f57-4b0e-9f5f-0d6a4b0f6a11",
    "FINANCE_URL": "https://contoso.operations.dynamics.com/",
    "SIGN_IN_AUTHORITY": "https://login.microsoftonline.com/7f3c8a4e-2f57-4b0e-9f5f-0d6a4b0f6a11",
    "SIGN_IN_CLIENT_ID": "7f3c8a4e-2f57-4b0e-9f5f-0d6a4b0f6a11",
    "SIGN_IN_CLIENT_SECRET": "s3cret",
}


def test_good_settings_are_read_and_origins_are_normalised() -> None:
    settings = read_settings(GOOD)
    assert settings.finance_url == "https://contoso.operations.dynamics.com"
    assert settings.page_rows == 5000


@pytest.mark.parametrize("name", ["DATAVERSE_URL", "DATAVERSE_ORGANIZATION_ID", "FINANCE_URL"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_setting_is_named(name: str, value: str | None) -> None:
    given = {key: text for key, text in GOOD.items() if key != name} | ({} if value is None else {name: value})
    with pytest.raises(SettingsRefused, match=f"{name}: is missing"):
        read_settings(given)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DATAVERSE_URL", "contoso.crm.dynamics.com", "must be a URL"),
        ("DATAVERSE_URL", "http://contoso.crm.dynamics.com", "must be https"),
        ("DATAVERSE_URL", "https://me@contoso.crm.dynamics.com", "service root alone"),
        ("FINANCE_URL", "https://contoso.operations.dynamics.com/data", "service root alone"),
        ("DATAVERSE_ORGANIZATION_ID", "contoso", "UUID"),
        ("DATAVERSE_TIME_ZONE", "Berlin", "IANA"),
        ("INVOICE_CONFIRMED_STATUSES", "Confirmed", "whole numbers with commas"),
        ("INVOICE_CONFIRMED_STATUSES", "192350002,,192350003", "whole numbers with commas"),
        ("INVOICE_CONFIRMED_STATUSES", "192350003", "must hold 192350002 (Confirmed)"),
        ("INVOICE_CONFIRMED_STATUSES", "192350001, 192350002", "or 192350001 (In Review)"),
        ("DATAVERSE_PAGE_ROWS", "5001", "less than or equal to 5000"),
        ("DATAVERSE_PAGE_ROWS", "many", "integer"),
        ("FINANCE_LANES_ACTUALS", "0", "greater than or equal to 1"),
        ("SIGN_IN_METHOD", "password", "clientSecret"),
        ("SIGN_IN_AUTHORITY", "https://login.microsoftonline.com", "tenant"),
    ],
)
def test_a_malformed_setting_is_named_with_the_reason(name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        read_settings(GOOD | {name: value})
    assert f"{name}: " in str(refused.value)
    assert reason in str(refused.value)


def test_each_way_of_signing_in_says_what_it_needs() -> None:
    without = {key: text for key, text in GOOD.items() if not key.startswith("SIGN_IN")}
    with pytest.raises(SettingsRefused, match="SIGN_IN_AUTHORITY, SIGN_IN_CLIENT_ID, SIGN_IN_CLIENT_SECRET"):
        read_settings(without)
    with pytest.raises(SettingsRefused, match="SIGN_IN_CERTIFICATE"):
        read_settings(GOOD | {"SIGN_IN_METHOD": "certificate"})
    assert read_settings(without | {"SIGN_IN_METHOD": "managedIdentity"}).client_id is None


def test_a_secret_does_not_show_itself() -> None:
    assert "s3cret" not in repr(read_settings(GOOD))


def test_storage_is_needed_one_way_or_the_other() -> None:
    without = {key: text for key, text in GOOD.items() if key != "AzureWebJobsStorage"}
    with pytest.raises(SettingsRefused, match="AzureWebJobsStorage"):
        read_settings(without)
    assert read_settings(without | {"AzureWebJobsStorage__accountName": "contosorelay"}).storage is None

"""The app settings, read once at start from the environment and refused by name when they are wrong."""

import os
from collections.abc import Mapping
from functools import cached_property
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from shared.maps.days import ZONES_SETTING, Zones
from shared.stages import Stage


class SettingsRefused(Exception):
    """One or more app settings are missing or malformed; the text names each and says what it must be."""


def is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine; only then may a URL be plain http."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL such as https://contoso.crm.dynamics.com")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https (plain http is accepted for this machine only)")
    if parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be the service root alone: no user, path or query")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("must be an IANA time zone such as Europe/Berlin") from error
    return value


def _time_zones(value: str) -> str:
    return ",".join(_time_zone(name.strip()) for name in value.split(",") if name.strip())


def _authority(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or not parts.path.strip("/"):
        raise ValueError("must be https://login.microsoftonline.com/<tenant id>")
    return value.rstrip("/")


Origin = Annotated[str, AfterValidator(_origin)]
Lanes = Annotated[int, Field(ge=1, le=16)]
Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseModel):
    """Every app setting. The environment names are the aliases; README.md explains each to the person who deploys."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    storage: SecretStr | None = Field(None, alias="AzureWebJobsStorage")
    storage_account: str | None = Field(None, alias="AzureWebJobsStorage__accountName", pattern=r"^[a-z0-9]{3,24}$")

    storage_client_id: UUID | None = Field(None, alias="AzureWebJobsStorage__clientId")

    dataverse_url: Origin = Field(alias="DATAVERSE_URL")
    organization_id: UUID = Field(alias="DATAVERSE_ORGANIZATION_ID")
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field("UTC", alias="DATAVERSE_TIME_ZONE")
    people_zones: Annotated[str, AfterValidator(_time_zones)] = Field("", alias=ZONES_SETTING)
    page_rows: int = Field(5000, alias="DATAVERSE_PAGE_ROWS", ge=1, le=5000)
    dataverse_concurrency: int = Field(8, alias="DATAVERSE_CONCURRENCY", ge=1, le=52)

    finance_url: Origin = Field(alias="FINANCE_URL")
    finance_upload_hosts: str = Field("*.blob.core.windows.net", alias="FINANCE_UPLOAD_HOSTS", min_length=1)
    finance_project: str = Field("InvoiceRelay", alias="FINANCE_DATA_PROJECT", pattern=r"^[A-Za-z0-9_-]{1,34}$")
    finance_concurrency: int = Field(8, alias="FINANCE_CONCURRENCY", ge=1, le=52)
    shipment_rows: int = Field(100_000, alias="FINANCE_SHIPMENT_ROWS", ge=1, le=500_000)
    lanes_invoices: Lanes = Field(1, alias="FINANCE_LANES_INVOICES")
    lanes_actuals: Lanes = Field(4, alias="FINANCE_LANES_ACTUALS")
    lanes_transactionconnections: Lanes = Field(2, alias="FINANCE_LANES_TRANSACTIONCONNECTIONS")
    shipment_lease: Seconds = Field(300.0, alias="FINANCE_SHIPMENT_LEASE_SECONDS")
    poll_longest: Seconds = Field(30.0, alias="FINANCE_POLL_LONGEST_SECONDS")

    sign_in: Literal["clientSecret", "certificate", "managedIdentity"] = Field("clientSecret", alias="SIGN_IN_METHOD")
    authority: Annotated[str, AfterValidator(_authority)] | None = Field(None, alias="SIGN_IN_AUTHORITY")
    client_id: UUID | None = Field(None, alias="SIGN_IN_CLIENT_ID")
    client_secret: SecretStr | None = Field(None, alias="SIGN_IN_CLIENT_SECRET")
    certificate: SecretStr | None = Field(None, alias="SIGN_IN_CERTIFICATE")

    webhook_max_bytes: int = Field(512 * 1024, alias="WEBHOOK_MAX_BYTES", ge=1024, le=8 * 1024 * 1024)
    completeness_patience: Seconds = Field(3600.0, alias="COMPLETENESS_PATIENCE_SECONDS")
    look_back_days: int = Field(60, alias="SWEEP_LOOK_BACK_DAYS", ge=1, le=3650)
    sweep_start: AwareDatetime | None = Field(None, alias="SWEEP_START")
    stalled_after: Seconds = Field(900.0, alias="SWEEP_STALLED_AFTER_SECONDS")
    orphaned_after: Seconds = Field(3600.0, alias="SWEEP_ORPHANED_AFTER_SECONDS")
    answer_patience: Seconds = Field(120.0, alias="ANSWER_PATIENCE_SECONDS")
    throttle_longest: Seconds = Field(3600.0, alias="THROTTLE_LONGEST_WAIT_SECONDS")
    throttle_in_place: float = Field(60.0, alias="THROTTLE_WAIT_IN_PLACE_SECONDS", ge=0, le=300)

    operator_sign_in: Literal["key", "appServiceAuthentication"] = Field("key", alias="OPERATOR_SIGN_IN")
    operator_role: str = Field("", alias="OPERATOR_ROLE", max_length=200)
    authentication_enabled: bool = Field(default=False, alias="WEBSITE_AUTH_ENABLED")

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if not self.storage and not self.storage_account:
            raise ValueError("AzureWebJobsStorage (or AzureWebJobsStorage__accountName) is missing")
        if self.operator_sign_in == "appServiceAuthentication" and not self.operator_role:
            raise ValueError("OPERATOR_SIGN_IN=appServiceAuthentication also needs OPERATOR_ROLE")
        needed = {
            "clientSecret": {"SIGN_IN_AUTHORITY": self.authority, "SIGN_IN_CLIENT_ID": self.client_id,
                             "SIGN_IN_CLIENT_SECRET": self.client_secret},
            "certificate": {"SIGN_IN_AUTHORITY": self.authority, "SIGN_IN_CLIENT_ID": self.client_id,
                            "SIGN_IN_CERTIFICATE": self.certificate},
            "managedIdentity": {},
        }[self.sign_in]  # fmt: skip
        if missing := [name for name, value in needed.items() if not value]:
            raise ValueError(f"SIGN_IN_METHOD={self.sign_in} also needs {', '.join(missing)}")
        return self

    @cached_property
    def zone(self) -> Zones:
        """The time zone in which Dataverse means its local midnights, and those of other people who choose days."""
        return Zones(ZoneInfo(self.time_zone), tuple(map(ZoneInfo, filter(None, self.people_zones.split(",")))))

    def lanes(self, stage: Stage) -> int:
        """How many imports of one map may run at once: one data project each."""
        return {
            Stage.INVOICES: self.lanes_invoices,
            Stage.ACTUALS: self.lanes_actuals,
            Stage.CONNECTIONS: self.lanes_transactionconnections,
        }[stage]


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings, an empty one counting as missing. Raises SettingsRefused."""
    given = {name: value for name, value in environment.items() if value}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        lines = [_explain(problem["loc"], problem["msg"]) for problem in error.errors()]
        raise SettingsRefused("App settings refused:\n" + "\n".join(f"  {line}" for line in lines)) from None


def _explain(where: tuple[int | str, ...], message: str) -> str:
    reason = message.removeprefix("Value error, ")
    return f"{where[0]}: {'is missing' if reason == 'Field required' else reason}" if where else reason

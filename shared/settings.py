"""The app settings, read once at start from the environment and refused by name when they are wrong."""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
)

from shared import clock
from shared.configuration.addresses import authority as read_authority
from shared.configuration.addresses import (
    dataverse_origin,
    finance_origin,
    former_owners,
    is_loopback,
    real_id,
    upload_hosts,
)
from shared.configuration.certificate import read_certificate
from shared.configuration.statuses import CONFIRMED_AND_PAID, confirmed_statuses, statuses
from shared.configuration.storage_account import (
    account_at,
    account_of,
    blob_address,
    connection_string,
    managed_identity,
    queue_address,
    table_address,
)
from shared.configuration.texts import broken, secret, stripped, unresolved
from shared.configuration.time_zones import ZONES_SETTING, Zones, zone_name


class SettingsRefused(Exception):
    """App settings are missing or invalid. The text names each of them and says what it must be."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        lines = [f"  {name}: {reason}" for name, reason in problems.items()]
        super().__init__("App settings refused:\n" + "\n".join(lines))
        self.problems = dict(problems)


def _connection_string(value: SecretStr) -> SecretStr:
    return SecretStr(connection_string(value.get_secret_value()))


def _time_zones(value: str) -> str:
    return ",".join(zone_name(name.strip()) for name in value.split(",") if name.strip())


def _secret(value: SecretStr) -> SecretStr:
    return SecretStr(secret(value.get_secret_value()))


def _later_looks(value: str) -> str:
    try:
        seconds = [float(text) for text in value.split(",")]
    except ValueError as error:
        raise ValueError("must be seconds after completion, such as 3600,86400, or 0 for no later look") from error
    if any(not 0 <= each <= _LONGEST_LOOK for each in seconds) or seconds != sorted(seconds):
        raise ValueError("must be seconds from 0 to 31536000 in rising order, such as 3600,86400")
    return value


Lanes = Annotated[int, Field(ge=1, le=16)]
Id = Annotated[UUID, AfterValidator(real_id)]
Seconds = Annotated[float, Field(gt=0, le=31 * 24 * 3600, allow_inf_nan=False)]
"""A wait is the delay of a queue message. None of them needs to be longer than a month."""
Statuses = Annotated[frozenset[int], BeforeValidator(statuses), AfterValidator(confirmed_statuses)]
_LONGEST_LOOK = 365 * 86400


class Settings(BaseModel):
    """Every app setting. The aliases are the names in the environment; docs/settings.md explains each of them."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, validate_default=True)

    storage: Annotated[SecretStr, AfterValidator(_connection_string)] | None = Field(None, alias="AzureWebJobsStorage")
    storage_account: str | None = Field(None, alias="AzureWebJobsStorage__accountName", pattern=r"^[a-z0-9]{3,24}$")
    storage_blobs: Annotated[str, AfterValidator(blob_address)] | None = Field(
        None, alias="AzureWebJobsStorage__blobServiceUri"
    )
    storage_queues: Annotated[str, AfterValidator(queue_address)] | None = Field(
        None, alias="AzureWebJobsStorage__queueServiceUri"
    )
    storage_tables: Annotated[str, AfterValidator(table_address)] | None = Field(
        None, alias="AzureWebJobsStorage__tableServiceUri"
    )
    storage_credential: Annotated[str, AfterValidator(managed_identity)] | None = Field(
        None, alias="AzureWebJobsStorage__credential"
    )
    storage_client_id: Id | None = Field(None, alias="AzureWebJobsStorage__clientId")
    taken_over_from: Annotated[str, AfterValidator(former_owners)] = Field("", alias="STORAGE_TAKEN_OVER_FROM")

    dataverse_url: Annotated[str, AfterValidator(dataverse_origin)] = Field(alias="DATAVERSE_URL")
    organization_id: Id = Field(alias="DATAVERSE_ORGANIZATION_ID")
    time_zone: Annotated[str, AfterValidator(zone_name)] = Field("UTC", alias="DATAVERSE_TIME_ZONE")
    people_zones: Annotated[str, AfterValidator(_time_zones)] = Field("", alias=ZONES_SETTING)
    page_rows: int = Field(5000, alias="DATAVERSE_PAGE_ROWS", ge=1, le=5000)
    dataverse_concurrency: int = Field(8, alias="DATAVERSE_CONCURRENCY", ge=1, le=52)

    finance_url: Annotated[str, AfterValidator(finance_origin)] = Field(alias="FINANCE_URL")
    finance_upload_hosts: Annotated[str, AfterValidator(upload_hosts)] = Field(
        "*.blob.core.windows.net", alias="FINANCE_UPLOAD_HOSTS"
    )
    finance_project: str = Field("InvoiceRelay", alias="FINANCE_DATA_PROJECT", pattern=r"^[A-Za-z0-9_-]{1,34}$")
    finance_concurrency: int = Field(8, alias="FINANCE_CONCURRENCY", ge=1, le=52)
    shipment_rows: int = Field(100_000, alias="FINANCE_SHIPMENT_ROWS", ge=1, le=500_000)
    lanes: dict[str, Lanes] = Field(default_factory=dict, alias="FINANCE_LANES_<MAP>")
    shipment_lease: Seconds = Field(300.0, alias="FINANCE_SHIPMENT_LEASE_SECONDS")
    doubtful_start: Seconds = Field(180.0, alias="FINANCE_DOUBTFUL_START_SECONDS")
    slow_import: Seconds = Field(60.0, alias="FINANCE_SLOW_IMPORT_SECONDS")
    poll_longest: Seconds = Field(30.0, alias="FINANCE_POLL_LONGEST_SECONDS")

    sign_in: Literal["clientSecret", "certificate", "managedIdentity"] = Field("clientSecret", alias="SIGN_IN_METHOD")
    authority: Annotated[str, AfterValidator(read_authority)] | None = Field(None, alias="SIGN_IN_AUTHORITY")
    client_id: Id | None = Field(None, alias="SIGN_IN_CLIENT_ID")
    client_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(None, alias="SIGN_IN_CLIENT_SECRET")
    certificate: SecretStr | None = Field(None, alias="SIGN_IN_CERTIFICATE")

    confirmed_statuses: Statuses = Field(CONFIRMED_AND_PAID, alias="INVOICE_CONFIRMED_STATUSES")
    number_column: Literal["msdyn_invoicenumber", "invoicenumber"] | None = Field(None, alias="INVOICE_NUMBER_COLUMN")
    webhook_max_bytes: int = Field(512 * 1024, alias="WEBHOOK_MAX_BYTES", ge=1024, le=8 * 1024 * 1024)
    verify_all_rows: int = Field(5000, alias="VERIFY_ALL_ROWS_UP_TO", ge=0, le=100_000)
    verify_sample_rows: int = Field(500, alias="VERIFY_SAMPLE_ROWS", ge=1, le=10_000)
    completeness_patience: Seconds = Field(3600.0, alias="COMPLETENESS_PATIENCE_SECONDS")
    late_patience: Seconds = Field(30.0, alias="LATE_ROWS_PATIENCE_SECONDS")
    later_looks: Annotated[str, AfterValidator(_later_looks)] = Field("3600,86400", alias="LATER_LOOKS_SECONDS")
    look_back_days: int = Field(60, alias="SWEEP_LOOK_BACK_DAYS", ge=1, le=3650)
    sweep_start: AwareDatetime | None = Field(None, alias="SWEEP_START")
    stalled_after: Seconds = Field(900.0, alias="SWEEP_STALLED_AFTER_SECONDS")
    orphaned_after: Seconds = Field(3600.0, alias="SWEEP_ORPHANED_AFTER_SECONDS")
    answer_patience: Seconds = Field(120.0, alias="ANSWER_PATIENCE_SECONDS")
    throttle_longest: Seconds = Field(3600.0, alias="THROTTLE_LONGEST_WAIT_SECONDS")
    throttle_in_place: float = Field(60.0, alias="THROTTLE_WAIT_IN_PLACE_SECONDS", ge=0, le=300)

    operator_sign_in: Literal["key", "appServiceAuthentication"] = Field("key", alias="OPERATOR_SIGN_IN")
    operator_role: str = Field("", alias="OPERATOR_ROLE", max_length=200)
    administrator_role: str = Field("", alias="ADMINISTRATOR_ROLE", max_length=200)
    authentication_enabled: bool = Field(default=False, alias="WEBSITE_AUTH_ENABLED")
    host_name: str = Field(default="", alias="WEBSITE_HOSTNAME")

    @cached_property
    def zone(self) -> Zones:
        """The time zone of Dataverse's local midnights for the app user, and the zones of other users who choose
        dates."""
        return Zones(ZoneInfo(self.time_zone), tuple(map(ZoneInfo, filter(None, self.people_zones.split(",")))))

    @cached_property
    def looks_after(self) -> tuple[timedelta, ...]:
        """How long after its completion a run is checked again."""
        return tuple(timedelta(seconds=float(text)) for text in self.later_looks.split(",") if float(text))


_BY_ALIAS = {str(field.alias): name for name, field in Settings.model_fields.items()}
_OF_MANY_LINES = {"SIGN_IN_CERTIFICATE"}
_LANES = "FINANCE_LANES_"
_LANES_OF_A_MAP: TypeAdapter[int] = TypeAdapter(Lanes)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. An empty value counts as missing. Raises SettingsRefused, which names every problem at
    once."""
    names = [*_BY_ALIAS, *(name for name in environment if name.startswith(_LANES))]
    given = {name: text for name in names if (text := stripped(environment.get(name, "")))}
    problems = dict(_unreadable(given))
    readable: dict[str, Any] = {name: text for name, text in given.items() if name not in problems}
    readable[f"{_LANES}<MAP>"] = _read_lanes(readable, problems)
    try:
        settings = Settings.model_validate(readable)
    except ValidationError as error:
        for each in error.errors():
            problems.setdefault(_alias(str(each["loc"][0])), _reason(each["msg"]))
        settings = _sound_part(readable, problems)
    for name, reason in _contradictions(settings, problems):
        problems.setdefault(name, reason)
    if problems:
        raise SettingsRefused(problems)
    return settings


def _read_lanes(readable: dict[str, Any], problems: dict[str, str]) -> dict[str, int]:
    """Take the lanes of each map out of what is `readable`. Invalid ones are added to the `problems`."""
    lanes: dict[str, int] = {}
    for name in [name for name in readable if name.startswith(_LANES)]:
        try:
            lanes[name.removeprefix(_LANES).lower()] = _LANES_OF_A_MAP.validate_python(readable.pop(name))
        except ValidationError as error:
            problems[name] = _reason(error.errors()[0]["msg"])
    return lanes


def read_settings_at_start(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings and check the certificate, so that an unusable or expired one is reported at start and not
    by the first invoice. Raises SettingsRefused."""
    text = stripped(environment.get("SIGN_IN_CERTIFICATE", ""))
    signs = stripped(environment.get("SIGN_IN_METHOD", "")) == "certificate" and text and not unresolved(text)
    wrong = {"SIGN_IN_CERTIFICATE": reason} if signs and (reason := _unusable(text)) else {}
    try:
        settings = read_settings(environment)
    except SettingsRefused as refused:
        raise SettingsRefused(refused.problems | wrong) from None
    if wrong:
        raise SettingsRefused(wrong)
    return settings


def _unusable(certificate: str) -> str | None:
    now = clock.now()
    try:
        return read_certificate(certificate, now).untimely(now)
    except ValueError as error:
        return str(error)


def _unreadable(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in given.items():
        if reason := unresolved(text) or (broken(text) if name not in _OF_MANY_LINES else None):
            yield name, reason


def _alias(name: str) -> str:
    """The setting's name in the environment. Errors of default values name the field instead."""
    return name if name in _BY_ALIAS else str(Settings.model_fields[name].alias)


def _reason(message: str) -> str:
    return "is missing" if message == "Field required" else message.removeprefix("Value error, ")


def _sound_part(given: Mapping[str, str], problems: Mapping[str, str]) -> Settings:
    """The settings that are valid. Missing and invalid ones are left out."""
    values: dict[str, Any] = {_BY_ALIAS[name]: None for name in problems if name in _BY_ALIAS}
    for name in given.keys() - problems.keys():
        field = Settings.model_fields[_BY_ALIAS[name]]
        values[_BY_ALIAS[name]] = TypeAdapter(field.rebuild_annotation()).validate_python(given[name])
    return Settings.model_construct(**values)


def _contradictions(settings: Settings, problems: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Settings that are valid each but contradict each other. A setting with an earlier problem is not reported
    again."""
    yield from _lacking_sign_in(settings, problems)
    yield from _lacking_storage(settings, problems)
    yield from _quarrelling(settings)


def _lacking_sign_in(settings: Settings, problems: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    needed = {
        "clientSecret": {"SIGN_IN_AUTHORITY": settings.authority, "SIGN_IN_CLIENT_ID": settings.client_id,
                         "SIGN_IN_CLIENT_SECRET": settings.client_secret},
        "certificate": {"SIGN_IN_AUTHORITY": settings.authority, "SIGN_IN_CLIENT_ID": settings.client_id,
                        "SIGN_IN_CERTIFICATE": settings.certificate},
    }.get(settings.sign_in, {})  # fmt: skip
    if missing := [name for name, value in needed.items() if not value and name not in problems]:
        yield "SIGN_IN_METHOD", f"{settings.sign_in} also needs {', '.join(missing)}"
    if settings.operator_sign_in == "appServiceAuthentication" and settings.operator_role == "":
        yield "OPERATOR_SIGN_IN", "appServiceAuthentication also needs OPERATOR_ROLE"


def _lacking_storage(settings: Settings, problems: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    addresses = {
        "AzureWebJobsStorage__blobServiceUri": settings.storage_blobs,
        "AzureWebJobsStorage__queueServiceUri": settings.storage_queues,
        "AzureWebJobsStorage__tableServiceUri": settings.storage_tables,
    }
    given = [address for address in addresses.values() if address]
    ways = {"AzureWebJobsStorage", "AzureWebJobsStorage__accountName", *addresses}
    if not settings.storage and not settings.storage_account and not given and not ways & problems.keys():
        yield "AzureWebJobsStorage", "is missing (it, or AzureWebJobsStorage__accountName, or the three addresses)"
    for name, address in addresses.items():
        if given and not address:
            yield name, "is missing: the addresses of an account's blobs, queues and tables belong together"
    text = settings.storage.get_secret_value() if settings.storage else ""
    named = {account_of(text), settings.storage_account or "", *map(account_at, given)}
    if len(named - {""}) > 1:
        yield (
            "AzureWebJobsStorage",
            f"and the settings beside it name several accounts: {', '.join(sorted(named - {''}))}",
        )


def _quarrelling(settings: Settings) -> Iterator[tuple[str, str]]:
    finance, lease, poll = settings.finance_url, settings.shipment_lease, settings.poll_longest
    if finance and finance == settings.dataverse_url and not is_loopback(urlsplit(finance).hostname or ""):
        yield "FINANCE_URL", "is the same as DATAVERSE_URL; Dataverse and Finance are two services with an address each"
    if lease and poll and lease <= poll:
        reason = "between two looks at an import its lease would run out, and another process would take it over"
        limit = f"is {lease:g}, but must be more than FINANCE_POLL_LONGEST_SECONDS ({poll:g})"
        yield "FINANCE_SHIPMENT_LEASE_SECONDS", f"{limit}: {reason}"

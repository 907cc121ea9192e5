"""Bodies and queries of the operators' requests."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

_FIRST_YEAR, _LAST_YEAR = 1900, 2999


def _instant(value: datetime) -> datetime:
    """An instant with a time zone, in a year that storage keys and OData filters can express."""
    if value.tzinfo is None:
        raise ValueError("give the time zone, such as 2026-11-20T00:00:00Z")
    if not _FIRST_YEAR < value.year < _LAST_YEAR:
        raise ValueError(f"give a year between {_FIRST_YEAR} and {_LAST_YEAR}")
    return value.astimezone(UTC)


Since = Annotated[datetime, AfterValidator(_instant)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Asked(BaseModel):
    """A JSON object that is sent to the app. Unknown members are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="forbid",
        defer_build=True,
    )

    def document(self) -> dict[str, Any]:
        """The JSON document, with all members."""
        return self.model_dump(mode="json", by_alias=True)


class Change(Asked):
    """A change by an operator. `by` is the operator's name, unless the app knows it from the sign-in."""

    by: Name


class Selection(Asked):
    """Selects rejected rows by at least one of: invoice, group, keys, date. Several conditions must all hold."""

    invoice_id: UUID | None = None
    map: str | None = None
    group: str | None = Field(None, pattern=r"^[0-9a-f]{10}$")
    keys: tuple[str, ...] | None = None
    since: Since | None = None

    @model_validator(mode="after")
    def _names_something(self) -> "Selection":
        if not (self.invoice_id or self.group or self.keys or self.since):
            raise ValueError("name an invoiceId, a group, keys or a since date")
        return self


class ReplayRequest(Selection):
    """Send the selected rows again. With `dryRun`, only report them."""

    dry_run: bool = False
    by: Name


class DismissRequest(Selection):
    """Dismiss the selected rejected rows. With `dryRun`, only report them."""

    dry_run: bool = False
    by: Name
    reason: Reason


class PauseRequest(Change):
    """Pause a map, or everything."""

    map: str | None = None
    reason: Reason


class ResumeRequest(Change):
    """Resume a map, or everything."""

    map: str | None = None


class Period(Asked):
    """The actuals to search: those created in the period, optionally of one invoice. Actuals younger than
    `graceHours` may still be in transit and are left out."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    grace_hours: float = Field(1.0, ge=0, le=8760)
    invoice_id: UUID | None = None


class OutOfSyncRequest(Period):
    """Search for actuals that are out of sync. `sync` names the kinds that are also sent or written back."""

    sync: tuple[Literal["missing", "not written back"], ...] = ()
    by: Name

    @property
    def period(self) -> Period:
        """The period alone."""
        return Period(**{name: getattr(self, name) for name in Period.model_fields})


class WriteBackRequest(Change):
    """Write one invoice back."""

    invoice_id: UUID


class WebhookNote(Change):
    """What an administrator does, or has done, to the registration of the webhook, for the audit. `what` are its steps,
    without any key."""

    act: Literal["register", "rotate", "remove"]
    phase: Literal["begun", "done", "failed"]
    dataverse: Name
    azure_resource: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    what: tuple[Annotated[str, StringConstraints(max_length=500)], ...] = Field((), max_length=30)


class SweepRequest(Change):
    """Sweep now."""


class DoctorRequest(Change):
    """Have the doctor make all checks, or those named in `only`, each by its name or its area."""

    only: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=100)] = ()


class ReconcileRequest(Change):
    """Compare one invoice, named by id or number, or all confirmed ones of a period. With `fix`, rows that are
    missing or different in Finance are sent again."""

    invoice_id: UUID | None = None
    invoice_number: Name | None = None
    since: Since | None = None
    until: Since | None = None
    fix: bool = False

    @model_validator(mode="after")
    def _one_or_a_period(self) -> "ReconcileRequest":
        if sum(value is not None for value in (self.invoice_id, self.invoice_number, self.since)) != 1:
            raise ValueError("name an invoiceId or an invoiceNumber, or a period by since (and until)")
        return self


class RunsQuery(Asked):
    """Selects runs. `search` is a part of the invoice's number or id, of the customer, project or company.
    `continuation` comes from the page before."""

    # The query may also hold the key, as `code`, which is the Functions host's.
    model_config = ConfigDict(extra="ignore")

    state: tuple[str, ...] = ()
    since: Since | None = None
    until: Since | None = None
    search: Annotated[str, Field(max_length=200)] = ""
    top: Annotated[int, Field(ge=1, le=500)] = 50
    # Narrow, because it becomes a key in a query of storage.
    continuation: Annotated[str, Field(pattern=r"^[0-9a-f|-]*$")] = ""


class ErrorsQuery(Asked):
    """Rejected rows of one invoice only."""

    model_config = ConfigDict(extra="ignore")

    invoice_id: UUID | None = None


type _Content = dict[str, Any]


class MapCheckRequest(Asked):
    """Check a map file against the tenant. Nothing is stored."""

    content: _Content


class MapTranslationRequest(Asked):
    """Translate a dual-write map: the content of `msdyn_mapping` if it is given, otherwise the map that runs in the
    tenant."""

    mapping: _Content | None = None


class MapPushRequest(Change):
    """Store a map file, inactive."""

    content: _Content


class MapActivationRequest(Change):
    """Put a map file into use: one by (the beginning of) its digest, or `shipped`. `insteadOf` is the digest that is in
    use, or empty for the shipped map; if another one is, nothing is changed. A file that was never in use is checked
    against the tenant first; `unproven` accepts what could not be seen."""

    digest: str = Field(pattern=r"^(shipped|[0-9a-f]{6,32})$")
    instead_of: str | None = Field(None, pattern=r"^([0-9a-f]{32})?$")
    unproven: bool = False

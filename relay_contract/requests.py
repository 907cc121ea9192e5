"""The bodies and queries of the operators' requests."""

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
    """With a time zone, in years that storage keys and OData filters can express."""
    if value.tzinfo is None:
        raise ValueError("give the time zone, such as 2026-11-20T00:00:00Z")
    if not _FIRST_YEAR < value.year < _LAST_YEAR:
        raise ValueError(f"give a year between {_FIRST_YEAR} and {_LAST_YEAR}")
    return value.astimezone(UTC)


Since = Annotated[datetime, AfterValidator(_instant)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Asked(BaseModel):
    """A JSON object that is sent to the app; a member that is not known is refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="forbid",
        defer_build=True,
    )

    def document(self) -> dict[str, Any]:
        """As it is sent, with every member."""
        return self.model_dump(mode="json", by_alias=True)


class Change(Asked):
    """Something that an operator has done; `by` is who asks, where the app does not know it better."""

    by: Name


class Selection(Asked):
    """Rejected rows: at least one of an invoice, a group, keys or a date; together they narrow down."""

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
    """Send again what the selection means; with `dryRun` only say what that is."""

    dry_run: bool = False
    by: Name


class DismissRequest(Selection):
    """Count the selected rejected rows as dealt with; with `dryRun` only say which they are."""

    dry_run: bool = False
    by: Name
    reason: Reason


class PauseRequest(Change):
    """Hold up a map, or everything."""

    map: str | None = None
    reason: Reason


class ResumeRequest(Change):
    """Let a map, or everything, go on."""

    map: str | None = None


class Period(Asked):
    """Which actuals are looked at: those created in the period, of one invoice if that is named; those younger than
    `graceHours` are only on their way."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    grace_hours: float = Field(1.0, ge=0, le=8760)
    invoice_id: UUID | None = None


class OutOfSyncRequest(Period):
    """Look for actuals that are out of sync; `sync` names the kinds that are sent or written back."""

    sync: tuple[Literal["missing", "not written back"], ...] = ()
    by: Name

    @property
    def period(self) -> Period:
        """Which actuals are meant."""
        return Period(**{name: getattr(self, name) for name in Period.model_fields})


class WriteBackRequest(Change):
    """Write one invoice back."""

    invoice_id: UUID


class SweepRequest(Change):
    """Sweep now."""


class ReconcileRequest(Change):
    """Compare one invoice, named by its id or its number, or all confirmed in a period; with `fix` send again what is
    missing in Finance or different there."""

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
    """Which runs are listed, and how many. `search` is part of an invoice's number or id, of a customer, project or
    company; `continuation` is that of the page before."""

    model_config = ConfigDict(extra="ignore")

    state: tuple[str, ...] = ()
    since: Since | None = None
    until: Since | None = None
    search: Annotated[str, Field(max_length=200)] = ""
    top: Annotated[int, Field(ge=1, le=500)] = 50
    continuation: Annotated[str, Field(pattern=r"^[0-9a-f|-]*$")] = ""


class ErrorsQuery(Asked):
    """Rejected rows of one invoice only."""

    model_config = ConfigDict(extra="ignore")

    invoice_id: UUID | None = None

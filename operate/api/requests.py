"""The bodies of the operator's requests."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from operate.instants import Instant
from operate.reconcile.out_of_sync_actuals import Period
from operate.repair.selection import Selection

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Name


class ReplayRequest(Selection):
    """Send again what the selection means."""

    dryRun: bool = False  # noqa: N815 - the names on the wire
    by: Name


class DismissRequest(Selection):
    """Count the selected rejected rows as dealt with."""

    dryRun: bool = False  # noqa: N815 - the names on the wire
    by: Name
    reason: Reason


class PauseRequest(_Request):
    """Hold up a map, or everything."""

    map: str | None = None
    reason: Reason


class ResumeRequest(_Request):
    """Let a map, or everything, go on."""

    map: str | None = None


class OutOfSyncRequest(Period):
    """Look for actuals that are out of sync; `sync` names the kinds that are sent or written back."""

    sync: tuple[Literal["missing", "not written back"], ...] = ()
    by: Name

    @property
    def period(self) -> Period:
        """Which actuals are meant."""
        return Period(**{name: getattr(self, name) for name in Period.model_fields})


class WriteBackRequest(_Request):
    """Write one invoice back."""

    invoiceId: UUID  # noqa: N815 - the name on the wire


class SweepRequest(_Request):
    """Sweep now."""


class ReconcileRequest(_Request):
    """Compare one invoice, named by its id or its number, or all confirmed in a period."""

    invoiceId: UUID | None = None  # noqa: N815 - the names on the wire
    invoiceNumber: Name | None = None  # noqa: N815
    since: Instant | None = None
    until: Instant | None = None
    fix: bool = False

    @model_validator(mode="after")
    def _one_or_a_period(self) -> "ReconcileRequest":
        if sum(value is not None for value in (self.invoiceId, self.invoiceNumber, self.since)) != 1:
            raise ValueError("name an invoiceId or an invoiceNumber, or a period by since (and until)")
        return self


class RunsQuery(BaseModel):
    """The query of a list of runs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    since: Instant | None = None
    until: Instant | None = None
    search: Annotated[str, Field(max_length=200)] = ""
    top: Annotated[int, Field(ge=1, le=500)] = 50
    continuation: Annotated[str, Field(pattern=r"^[0-9a-f|-]*$")] = ""

"""The messages on the queues. They are small and versioned, and contain no row of any subject.

    load     read one page of one subject, land it, put its parts on the dock (many at once)
    ship     lease a lane, take the ready parts of one map, start one import  (one per lane)
    settle   poll that import, book its result, start the next stage of its runs
    verify   compare what Dataverse holds with what Finance holds, and complete the run
    writeBack   write the accounting detail of posted rows to Dataverse; look finds what was posted
    reconcile   compare an invoice row by row for an operator; examine looks for actuals that are out of sync
    lookUp      check whether invoices from a webhook were confirmed, and start those that were
    diagnose    have the doctor make the checks of one run

The Functions host hides queue metadata behind top-level JSON properties of the same name, so no field may be called id,
dequeueCount, insertionTime, expirationTime, nextVisibleTime, popReceipt or queueTrigger.
"""

import json
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from relay_contract.version import VERSION as RELEASE
from shared.errors import NewerVersion, NotOurMessage
from shared.storage.names import JOBS, OPERATIONS, WRITE_BACK

VERSION: Literal[1] = 1
"""The version of the message format of the first releases, which most kinds have. A release that adds a kind or a field
sends it with a higher version, and with its own release as `by`. After a roll-back, an earlier release then leaves the
message on its queue.
"""
_MOST_VERSIONS, _LONGEST_VERSION = 999, 40


MOST_READINGS, MOST_PAGES = 9_999, 999_999
"""The ledger's keys have this many digits for them."""

SUBJECT_ON_THE_WIRE = "invoiceId"
"""What the subject of a run is called in messages. Earlier releases know no other subjects than invoices."""
_Subject = Annotated[UUID, Field(validation_alias=SUBJECT_ON_THE_WIRE, serialization_alias=SUBJECT_ON_THE_WIRE)]


def new_ticket() -> str:
    """A new, unique name for a shipment or a ship message."""
    return uuid4().hex


class _Message(BaseModel):
    """`attempt` counts how often the message was delayed, and sets the next delay."""

    # An unknown field means an unknown sender or a later version, and must not be ignored.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_by_name=True, serialize_by_alias=True)

    v: Literal[1] = VERSION
    attempt: int = Field(0, ge=0)


class _StageMessage(_Message):
    """`job` is named for the steps that are pure data; the others have a queue of their own."""

    stage: str
    job: str = Field("", pattern=r"^([a-z][a-z0-9]{0,39})?$", exclude_if=lambda job: not job)

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return JOBS if self.job else self.stage


class Load(_StageMessage):
    """Read page `page` of one subject in its reading number `generation`."""

    kind: Literal["load"] = "load"
    subject: _Subject
    generation: int = Field(1, ge=1, le=MOST_READINGS)
    page: int = Field(0, ge=0, le=MOST_PAGES)


class Ship(_StageMessage):
    """Send what is ready. `ticket` becomes the shipment's name, so a second delivery finds the shipment of the
    first."""

    kind: Literal["ship"] = "ship"
    ticket: str = Field(default_factory=new_ticket, pattern=r"^[0-9a-f]{32}$")


class Settle(_StageMessage):
    """Poll the import of one shipment. `look` numbers the polls. A duplicate of an earlier poll is dropped;
    otherwise every duplicate would queue its own next poll while the import lasts. None means the current poll."""

    kind: Literal["settle"] = "settle"
    ticket: str = Field(pattern=r"^[0-9a-f]{32}$")
    look: int | None = Field(None, ge=0)


class Verify(_StageMessage):
    """Compare source and target of one subject."""

    kind: Literal["verify"] = "verify"
    subject: _Subject
    generation: int = Field(1, ge=1, le=MOST_READINGS)


class Reconcile(_Message):
    """Compare one invoice row by row for job `job`, and send missing rows again if `fix` is set."""

    kind: Literal["reconcile"] = "reconcile"
    job: str = Field(pattern=r"^[0-9a-f]{32}$")
    subject: _Subject
    fix: bool = False

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return OPERATIONS


class WriteBack(_Message):
    """Write a page of posted rows of an invoice back to Dataverse. The progress of a pass is in the ledger: page
    `page` of pass `ticket` is written if it is the next one. Without a ticket a new pass begins. `skip` is ignored;
    in the first release it counted the rows of earlier pages."""

    kind: Literal["writeBack"] = "writeBack"
    subject: _Subject
    skip: int = Field(0, ge=0, le=2_000 * MOST_PAGES)
    # Omitted when empty: after a roll-back, the first release does not know these fields.
    ticket: str = Field("", pattern=r"^([0-9a-f]{32})?$", exclude_if=lambda ticket: not ticket)
    page: int = Field(0, ge=0, le=MOST_PAGES, exclude_if=lambda page: not page)

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return WRITE_BACK


class Look(_Message):
    """Find the completed runs that Finance has posted."""

    kind: Literal["look"] = "look"

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return WRITE_BACK


class Examine(_Message):
    """Examine page `page` of the actuals in the out-of-sync search `job`."""

    kind: Literal["examine"] = "examine"
    job: str = Field(pattern=r"^[0-9a-f]{32}$")
    page: int = Field(0, ge=0, le=MOST_PAGES)

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return OPERATIONS


class Diagnose(_Message):
    """Make the checks of the doctor's run `job`."""

    # An earlier release, after a roll-back, leaves it on the queue for the release that wrote it.
    v: Literal[2] = 2  # type: ignore[assignment]
    by: str = Field(RELEASE, max_length=_LONGEST_VERSION)
    kind: Literal["diagnose"] = "diagnose"
    job: str = Field(pattern=r"^[0-9a-f]{32}$")

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return OPERATIONS


class LookUp(_Message):
    """Start those of these invoices that were confirmed and have no run. Without invoices: those changed since
    `since`."""

    kind: Literal["lookUp"] = "lookUp"
    invoices: tuple[UUID, ...] = Field((), max_length=1000)
    since: AwareDatetime | None = None

    @model_validator(mode="after")
    def _names_something(self) -> "LookUp":
        if not self.invoices and self.since is None:
            raise ValueError("names neither invoices nor a time")
        return self

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return OPERATIONS


type Message = Load | Ship | Settle | Verify | Reconcile | Examine | Diagnose | LookUp | WriteBack | Look
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def parse(body: bytes, queue: str) -> Message:
    """Parse a message of `queue`. Raises NotOurMessage, naming the field and the reason, and NewerVersion for a
    message of a later version of the app."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotOurMessage(f"not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise NotOurMessage("not a JSON object")
    version = raw.get("v")
    is_later = type(version) is int and VERSION < version <= _MOST_VERSIONS
    if not is_later and (type(version) is not int or version != VERSION):
        raise NotOurMessage(f"v: message version {version!r}, this app reads version {VERSION}", _subject_in(raw))
    try:
        message = _ADAPTER.validate_python(raw)
    except ValidationError as error:
        if is_later:
            writer = str(raw.get("by", ""))[:_LONGEST_VERSION]
            raise NewerVersion(f"a message of form {version} on queue {queue}", writer) from error
        problem = error.errors()[0]
        where = ".".join(str(step) for step in problem["loc"]) or "message"
        raise NotOurMessage(f"{where}: {problem['msg']}", _subject_in(raw)) from error
    if message.queue != queue:
        raise NotOurMessage(f"stage: {message.queue} does not belong on queue {queue}", _subject_in(raw))
    return message


def step_of(message: Message) -> str:
    """The step that the message is about, or its queue: the name under which its work is paused."""
    return message.stage if isinstance(message, _StageMessage) else message.queue


def reader_of(message: Message) -> str:
    """The name under which the answers of this message's reader are kept, or "" if they are not kept."""
    if isinstance(message, Load):
        return f"{message.subject}/answers/{message.stage}.{message.generation}.{message.page}"
    if isinstance(message, Verify):
        return f"{message.subject}/answers/verify.{message.generation}"
    if isinstance(message, Reconcile):
        return f"{message.subject}/answers/{message.job}"
    return f"{UUID(message.job)}/answers/{message.page}" if isinstance(message, Examine) else ""


def _subject_in(raw: dict[str, Any]) -> str | None:
    try:
        return str(UUID(str(raw[SUBJECT_ON_THE_WIRE])))
    except (KeyError, ValueError):
        return None

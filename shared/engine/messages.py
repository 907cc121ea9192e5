"""The messages on the queues: small, versioned, without a row of any invoice in them.

    load     read one page of one invoice, land it, mark its parts ready     (many at once)
    ship     lease a lane, take the ready parts of one map, start one import (one per lane)
    settle   look at that import, book what came of it, hand the invoices on
    verify   compare what Dataverse says with what Finance holds, and complete the run
    writeBack   bring the accounting detail of posted rows to Dataverse; look finds what was posted
    reconcile   compare an invoice row by row, because an operator asks; examine looks for actuals out of sync
    lookUp      look whether invoices of which Dataverse told something were confirmed, and start those that were

The Functions host hides queue metadata behind top-level JSON properties of the same name, so no field may be called
id, dequeueCount, insertionTime, expirationTime, nextVisibleTime, popReceipt or queueTrigger.
"""

import json
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from shared.errors import NewerVersion, NotOurMessage
from shared.stages import Stage
from shared.storage.names import OPERATIONS, WRITE_BACK

VERSION: Literal[1] = 1
"""The form of the messages. A release that adds a kind or a field sends it under a higher one, and its own version as
`by`: an earlier release, after a roll-back, then leaves it on its queue instead of giving it up."""
_MOST_VERSIONS, _LONGEST_VERSION = 999, 40


MOST_READINGS, MOST_PAGES = 9_999, 999_999
"""As many digits as the ledger's keys have for them."""


def new_ticket() -> str:
    """Name a shipment or a ship message so that it is met only once."""
    return uuid4().hex


class _Message(BaseModel):
    """`attempt` counts the looks at this piece of work that had to be put off, and so sets the next delay."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    v: Literal[1] = VERSION
    attempt: int = Field(0, ge=0)


class _StageMessage(_Message):
    stage: Stage

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return str(self.stage)


class Load(_StageMessage):
    """Read page `page` of one invoice in its reading number `generation`."""

    kind: Literal["load"] = "load"
    invoiceId: UUID  # noqa: N815 - the name on the wire
    generation: int = Field(1, ge=1, le=MOST_READINGS)
    page: int = Field(0, ge=0, le=MOST_PAGES)


class Ship(_StageMessage):
    """Send what is ready. `ticket` becomes the shipment's name, so a second delivery finds the first one's shipment."""

    kind: Literal["ship"] = "ship"
    ticket: str = Field(default_factory=new_ticket, pattern=r"^[0-9a-f]{32}$")


class Settle(_StageMessage):
    """Look at the import of one shipment. `look` numbers the looks: a copy of an earlier one's message is let go, or
    copies would beget copies for as long as the import lasts. Without a number it is the present one."""

    kind: Literal["settle"] = "settle"
    ticket: str = Field(pattern=r"^[0-9a-f]{32}$")
    look: int | None = Field(None, ge=0)


class Verify(_StageMessage):
    """Compare source and target of one invoice."""

    kind: Literal["verify"] = "verify"
    invoiceId: UUID  # noqa: N815 - the name on the wire
    generation: int = Field(1, ge=1, le=MOST_READINGS)


class Reconcile(_Message):
    """Compare one invoice row by row for job `job`, and send again what is missing if `fix` says so."""

    kind: Literal["reconcile"] = "reconcile"
    job: str = Field(pattern=r"^[0-9a-f]{32}$")
    invoiceId: UUID  # noqa: N815 - the name on the wire
    fix: bool = False

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return OPERATIONS


class WriteBack(_Message):
    """Write a page of posted rows of an invoice back to Dataverse. How far a pass is stands in the ledger: page `page`
    of the pass `ticket` is written if that is its next one. Without a ticket a new pass begins, whatever `skip` says,
    which counted the rows of the pages before in the first release."""

    kind: Literal["writeBack"] = "writeBack"
    invoiceId: UUID  # noqa: N815 - the name on the wire
    skip: int = Field(0, ge=0, le=2_000 * MOST_PAGES)
    # Left out where they say nothing: the first release, after a roll-back, knows no such fields.
    ticket: str = Field("", pattern=r"^([0-9a-f]{32})?$", exclude_if=lambda ticket: not ticket)
    page: int = Field(0, ge=0, le=MOST_PAGES, exclude_if=lambda page: not page)

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return WRITE_BACK


class Look(_Message):
    """See which completed runs Finance has posted meanwhile."""

    kind: Literal["look"] = "look"

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return WRITE_BACK


class Examine(_Message):
    """Examine page `page` of the actuals that search `job` for what is out of sync is about."""

    kind: Literal["examine"] = "examine"
    job: str = Field(pattern=r"^[0-9a-f]{32}$")
    page: int = Field(0, ge=0, le=MOST_PAGES)

    @property
    def queue(self) -> str:
        """The queue that the message belongs on."""
        return OPERATIONS


class LookUp(_Message):
    """Start those of these invoices that were confirmed and have no run; without any, those changed since `since`."""

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


type Message = Load | Ship | Settle | Verify | Reconcile | Examine | LookUp | WriteBack | Look
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def parse(body: bytes, queue: str) -> Message:
    """Read a message of `queue`. Raises NotOurMessage, naming the field and the reason, and NewerVersion for what a
    later version of the app has sent."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotOurMessage(f"not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise NotOurMessage("not a JSON object")
    version = raw.get("v")
    if type(version) is int and VERSION < version <= _MOST_VERSIONS:
        raise NewerVersion(f"a message of form {version} on queue {queue}", str(raw.get("by", ""))[:_LONGEST_VERSION])
    if type(version) is not int or version != VERSION:
        raise NotOurMessage(f"v: message version {version!r}, this app reads version {VERSION}", _invoice_id(raw))
    try:
        message = _ADAPTER.validate_python(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(step) for step in problem["loc"]) or "message"
        raise NotOurMessage(f"{where}: {problem['msg']}", _invoice_id(raw)) from error
    if message.queue != queue:
        raise NotOurMessage(f"stage: {message.queue} does not belong on queue {queue}", _invoice_id(raw))
    return message


def reader_of(message: Message) -> str:
    """The name under which answers to whoever reads for this message are kept; nothing where none are."""
    if isinstance(message, Load):
        return f"{message.invoiceId}/answers/{message.stage}.{message.generation}.{message.page}"
    if isinstance(message, Verify):
        return f"{message.invoiceId}/answers/verify.{message.generation}"
    if isinstance(message, Reconcile):
        return f"{message.invoiceId}/answers/{message.job}"
    return f"{UUID(message.job)}/answers/{message.page}" if isinstance(message, Examine) else ""


def _invoice_id(raw: dict[str, Any]) -> str | None:
    try:
        return str(UUID(str(raw["invoiceId"])))
    except (KeyError, ValueError):
        return None

"""The run of one invoice and what it consists of: the values that the ledger keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, TypedDict
from urllib.parse import quote
from uuid import UUID

from shared.ledger.history import Step
from shared.ledger.progress import Progress
from shared.totals import Totals

_END_OF_TIME = datetime(3000, 1, 1, tzinfo=UTC)


class State(StrEnum):
    """Where a run stands, in the words that people see."""

    ACCEPTED = "accepted"
    SYNCING_HEADER = "syncing header"
    SYNCING_ACTUALS = "syncing actuals"
    LINKING = "linking"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    NEEDS_ATTENTION = "needs attention"
    FAILED = "failed"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        """Nothing moves this run by itself any more."""
        return self in {State.COMPLETED, State.NEEDS_ATTENTION, State.FAILED, State.REJECTED}


def edge(instant: datetime) -> str:
    """Where the runs begin that were accepted before an instant, in the order of the list: the newest first."""
    return f"{int((_END_OF_TIME - instant).total_seconds() * 1000):016}"


def known_state(text: object) -> State:
    """The state of a run that a later version has written, to be shown: one that this version does not know is shown as
    one that needs a look."""
    try:
        return State(str(text))
    except ValueError:
        return State.NEEDS_ATTENTION


BEFORE_ACTUALS = frozenset({State.ACCEPTED, State.SYNCING_HEADER})
"""The states in which Finance does not have the header yet."""

type Posting = Literal["not posted", "posted", "written back", "refused", "failed"]
"""What became of a completed run in Finance: posted, its accounting detail written back or refused by Dataverse, or
the write-back stopped for an error."""


@dataclass(frozen=True)
class Run:
    """The run of one invoice. `detail` says why it stands where it stands and what to do next; `wait` is what it waits
    for; `rejected` counts its open rejected rows; `expected` is what the first reading of the billed sales promised.
    `write_back` is how far its write-back is, as write_back/passes.py writes it, empty while none is under way.
    `customer` and `project` are names for people, `progress` is by map, and the ledger keeps the `history`. `verified`
    is the reading whose actuals were compared with what Finance holds, 0 for none, and `compared` says how far;
    `revision` counts the saves. `beside` counts the unbilled sales of that time among which some might have been the
    confirmation's, `looks` the looks at it since it was completed, of which the next is due at `look_at`. `is_named`:
    an operator has named the invoice, so that it goes although it was confirmed before SWEEP_START. `mark` tells the
    list of runs when it began to move."""

    invoice_id: UUID
    run_id: str
    state: State
    generation: int
    accepted_at: datetime
    updated_at: datetime
    number: str = ""
    company: str = ""
    customer: str = ""
    project: str = ""
    detail: str = ""
    rejected: int = 0
    posting: Posting = "not posted"
    posting_detail: str = ""
    posted_at: datetime | None = None
    written_back_at: datetime | None = None
    write_back: str = ""
    wait: str = ""
    wait_since: datetime | None = None
    expected: Totals = field(default_factory=Totals)
    progress: Mapping[str, Progress] = field(default_factory=dict)
    history: tuple[Step, ...] = ()
    verified: int = 0
    compared: str = ""
    beside: int = 0
    looks: int = 0
    look_at: datetime | None = None
    is_named: bool = False
    revision: int = 0
    mark: str = ""
    etag: str = ""

    @property
    def position(self) -> str:
        """Its place among all runs, newest first."""
        at = self.accepted_at
        return f"{edge(at.replace(microsecond=at.microsecond // 1000 * 1000))}|{self.invoice_id}"

    def has_completed(self, part: "Part") -> bool:
        """Whether the run was completed after this part had been settled: its rows were verified then."""
        done = [step.at for step in self.history if step.what == State.COMPLETED]
        return any(part.settled_at is None or at >= part.settled_at for at in done)


class Facts(TypedDict, total=False):
    """What may change about a run while its state and its posting stay."""

    generation: int
    number: str
    company: str
    customer: str
    project: str
    rejected: int
    posted_at: datetime | None
    written_back_at: datetime | None
    write_back: str
    wait: str
    wait_since: datetime | None
    expected: Totals
    progress: Mapping[str, Progress]
    verified: int
    compared: str
    beside: int
    looks: int
    look_at: datetime | None
    is_named: bool


@dataclass(frozen=True)
class Page:
    """One page of a reading. `cursor` is the next link that leads to it, empty for the first."""

    invoice_id: UUID
    stage: str
    generation: int
    number: int
    cursor: str = ""
    read: bool = False
    last: bool = False
    etag: str = ""


@dataclass(frozen=True)
class Part:
    """The rows of one page for one company. `held` parts wait for their stage; `landed` ones may be shipped.

    `billed` and `fresh` (new unbilled sales) are the totals of the actuals in it, `odd_days` counts its rows with a day
    that was no midnight where people are known, `unlinked` its billed sales whose link was waited for in vain, and
    `left_out` the connections that did not go because an end was dismissed. `execution_id` names the import by which it
    was settled. `path` is where it comes from when a larger part was divided: 0 for its first half, 1 for its second,
    at each division.
    """

    invoice_id: UUID
    stage: str
    generation: int
    number: int
    company: str
    blob: str
    rows: int
    state: Literal["held", "landed", "settled"] = "landed"
    rejected: int = 0
    billed: Totals = field(default_factory=Totals)
    fresh: Totals = field(default_factory=Totals)
    landed_at: datetime | None = None
    settled_at: datetime | None = None
    execution_id: str = ""
    odd_days: int = 0
    unlinked: int = 0
    path: str = ""
    left_out: int = 0
    etag: str = ""

    @property
    def row_key(self) -> str:
        """The part's name within its invoice."""
        name = f"part|{self.stage}|{self.generation:04}|{self.number:06}|{quote(self.company)}"
        return f"{name}|{self.path}" if self.path else name

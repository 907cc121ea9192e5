"""The run of one subject, with its pages and parts: the values of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, TypedDict
from urllib.parse import quote
from uuid import UUID

from shared.ledger.history import HistoryEntry
from shared.ledger.progress import Progress
from shared.totals import Measured, Totals

_END_OF_TIME = datetime(3000, 1, 1, tzinfo=UTC)


class State(StrEnum):
    """The state of a run, as operators see it."""

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
        """Whether the run stays in this state until an operator or a new event restarts it."""
        return self in {State.COMPLETED, State.NEEDS_ATTENTION, State.FAILED, State.REJECTED}


def edge(instant: datetime) -> str:
    """The key in the list, newest first, at which the runs accepted before an instant begin."""
    return f"{int((_END_OF_TIME - instant).total_seconds() * 1000):016}"


def known_state(text: object) -> State:
    """The state of a run written by a later version, for display. An unknown state is shown as "needs attention"."""
    try:
        return State(str(text))
    except ValueError:
        return State.NEEDS_ATTENTION


BEFORE_ACTUALS = frozenset({State.ACCEPTED, State.SYNCING_HEADER})
"""The states in which Finance does not have the header yet."""

type Posting = Literal["not posted", "posted", "written back", "refused", "failed"]
"""The posting of a completed run in Finance: whether it is posted, and whether its accounting detail was written
back, was refused by Dataverse, or the write-back stopped with an error.
"""


@dataclass(frozen=True)
class Run:
    """The run of one subject, for example an invoice.

    `detail` is the reason for its state and the next step. `wait` is what it waits for. `rejected` is the number of
    open rejected rows. `expected` is what the first reading of the measured step promised. `write_back` is the progress
    of the write-back (write_back/passes.py), "" if none is running. `customer` and `project` are names for display,
    `progress` is by map. `verified` is the reading that was compared with Finance, 0 for none, and `compared` describes
    the comparison. `revision` counts the changes. `beside` counts the candidates in the search for rows that no link
    leads to. `looks` counts the checks since the completion, and the next one is due at `look_at`. `is_named`: an
    operator has named the subject, so it is carried even if it was ready before SWEEP_START. `was_carried`: Finance
    held rows of it before the run began. `history` are its events, the first and the latest ones. `mark` is "" until
    the run is in the list of runs (`Listing` in run_list.py).
    """

    subject: UUID
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
    history: tuple[HistoryEntry, ...] = ()
    verified: int = 0
    compared: str = ""
    beside: int = 0
    looks: int = 0
    look_at: datetime | None = None
    is_named: bool = False
    was_carried: bool = False
    revision: int = 0
    mark: str = ""
    etag: str = ""

    @property
    def position(self) -> str:
        """Its position in the list of runs, newest first."""
        at = self.accepted_at
        return f"{edge(at.replace(microsecond=at.microsecond // 1000 * 1000))}|{self.subject}"

    def has_completed(self, part: "Part") -> bool:
        """Whether the run was completed after this part was settled. Then its rows have been verified."""
        done = [step.at for step in self.history if step.what == State.COMPLETED]
        return any(part.settled_at is None or at >= part.settled_at for at in done)


class Facts(TypedDict, total=False):
    """The fields of a run that may change while its state and its posting stay."""

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
    was_carried: bool


@dataclass(frozen=True)
class Page:
    """One page of a reading. `cursor` is the next link that leads to it, "" for the first page."""

    subject: UUID
    stage: str
    generation: int
    number: int
    cursor: str = ""
    read: bool = False
    last: bool = False
    etag: str = ""


FOUND = "found"
"""The path of a part whose rows were found in Finance. They are not sent."""


@dataclass(frozen=True)
class Part:
    """The rows of one page for one company. `held` parts wait for their stage; `landed` ones may be shipped.

    `measures` are the totals of its rows, by the names that the step gives. `odd_days` counts its rows with a day that
    was not a midnight in any known time zone, `unlinked` its rows whose optional link did not appear, and `left_out`
    the rows that were not sent because the row at an end of theirs was dismissed. `execution_id` is the import that
    settled it. `path` describes its origin if a larger part was divided: 0 for the first half, 1 for the second, for
    each division. It is FOUND for rows that Finance held before their run began.
    """

    subject: UUID
    stage: str
    generation: int
    number: int
    company: str
    blob: str
    rows: int
    state: Literal["held", "landed", "settled"] = "landed"
    rejected: int = 0
    measures: Measured = field(default_factory=dict)
    landed_at: datetime | None = None
    settled_at: datetime | None = None
    execution_id: str = ""
    odd_days: int = 0
    unlinked: int = 0
    path: str = ""
    left_out: int = 0
    etag: str = ""

    def measure(self, name: str) -> Totals:
        """The rows that count as `name`."""
        return self.measures.get(name, Totals())

    @property
    def row_key(self) -> str:
        """The part's key within its subject."""
        name = f"part|{self.stage}|{self.generation:04}|{self.number:06}|{quote(self.company)}"
        return f"{name}|{self.path}" if self.path else name

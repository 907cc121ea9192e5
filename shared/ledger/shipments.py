"""The values of the dock: parts that wait, lanes, shipments, and the choice of what travels together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from shared.errors import NewerVersion
from shared.storage.landing import LandedName

PARTS_IN_A_SHIPMENT = 97
"""A table transaction takes 100 operations: the parts, the shipment, and the lane."""


# Microsoft's example of a load: 200,000 records an hour.
_TIME_A_ROW = timedelta(milliseconds=20)
# An ordinary call to start an import is answered sooner.
_CALL_LOST_AFTER = timedelta(seconds=5)
_MOST_LANES = 16
# Starts refused and files failed; a first one is mostly of the moment.
_KEEPS_FAILING_FROM = 2
# Storage, whose clock brings the message, and this process may disagree by so much.
_SAME_INSTANT = timedelta(seconds=1)


class Step(StrEnum):
    """How far a shipment is. From SENDING on Finance may know its execution id."""

    CLAIMED = "claimed"
    SENDING = "sending"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True)
class Cargo:
    """A part on the dock. `level`: 0 travels with others, 1 only with its own invoice, 2 alone; the first release wrote
    the latter two.

    A part that was in a file that failed as a whole, or whose import Finance did not start, waits until `not_before`
    and then travels only with those of its `group`. `tries` counts such failures and `refusals` the starts refused
    since the group was formed (`formed_at`, for one that came of dividing a larger one); `failed_at` is the first of
    them, and `why` the last in words."""

    stage: str
    invoice_id: UUID
    part_key: str
    company: str
    rows: int
    blob: str
    landed_at: datetime
    level: int = 0
    tries: int = 0
    shipment: str = ""
    group: str = ""
    refusals: int = 0
    not_before: datetime | None = None
    formed_at: datetime | None = None
    failed_at: datetime | None = None
    why: str = ""
    etag: str = ""

    @property
    def row_key(self) -> str:
        """The part's name on the dock."""
        return f"part|{self.invoice_id}|{self.part_key}"

    @property
    def generation(self) -> int:
        """The reading that the part comes from."""
        return int(self.part_key.split("|")[2])

    @property
    def written_by(self) -> str:
        """The map that wrote the rows; a file has one header, so that only rows of one map fit into it."""
        return LandedName.parse(self.blob).map

    @property
    def keeps_failing(self) -> bool:
        """Whether more than the first try has failed, of this part or of the larger one that it comes from."""
        return self.tries + self.refusals >= _KEEPS_FAILING_FROM or self.formed_at is not None


@dataclass(frozen=True)
class Shipment:
    """One import. `lease_until` is when somebody else may take it over, `polls` counts the looks at it, `looks_before`
    those at imports of it that never arrived, whose number is `attempts`. `sent_at` is when Finance was last asked to
    start it."""

    stage: str
    ticket: str
    company: str
    lane: int
    execution_id: str
    rows: int
    level: int
    step: Step
    lease_until: datetime
    upload_expires: datetime | None = None
    polls: int = 0
    attempts: int = 0
    looks_before: int = 0
    sent_at: datetime | None = None
    etag: str = ""

    def holds_up(self, now: datetime, slow: timedelta) -> bool:
        """Whether it keeps its lane for longer than an import usually does: nobody knows whether Finance has started
        it, or it has not ended after `slow` and as long again as so many rows may take."""
        if self.step == Step.SENDING:
            return self.sent_at is None or now - self.sent_at > _CALL_LOST_AFTER
        usual = slow + self.rows * _TIME_A_ROW
        return self.step == Step.RUNNING and self.sent_at is not None and now - self.sent_at > usual


@dataclass(frozen=True)
class Lane:
    """One data project; free while it has no shipment."""

    number: int
    shipment: str
    etag: str


@dataclass(frozen=True)
class View:
    """The dock of one map as it was read. `newer` is what only a later version of the app understands: it is left
    alone; `foreign` are the tickets of its shipments, whose lanes are taken."""

    newer: list[NewerVersion] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    cargo: list[Cargo] = field(default_factory=list)
    lanes: dict[int, Lane] = field(default_factory=dict)
    shipments: dict[str, Shipment] = field(default_factory=dict)

    @property
    def ready(self) -> list[Cargo]:
        """What waits for a lane, the longest waiting first."""
        return sorted((cargo for cargo in self.cargo if not cargo.shipment), key=lambda cargo: cargo.landed_at)

    def due(self, now: datetime) -> list[Cargo]:
        """What waits for a lane and for nothing else."""
        return [cargo for cargo in self.ready if (cargo.not_before or now) <= now + _SAME_INSTANT]

    @property
    def failing(self) -> int:
        """How many files have failed as a whole and have not gone through since."""
        return len({item.group for item in self.cargo if item.tries and item.group})

    def lanes_for(self, lanes: int, held_up: int) -> int:
        """How many lanes there are when as many as `held_up` are kept by imports that hold others up."""
        return max(lanes, min(lanes + held_up, _MOST_LANES))

    def stalled(self, now: datetime) -> list[Shipment]:
        """The shipments that nobody has looked after for as long as a lease lasts."""
        return [shipment for shipment in self.shipments.values() if shipment.lease_until < now]

    @property
    def taken_lanes(self) -> int:
        """How many lanes have a shipment."""
        return len(self._taken())

    def _taken(self) -> set[int]:
        return {
            lane.number
            for lane in self.lanes.values()
            if lane.shipment and lane.shipment in {*self.shipments, *self.foreign}
        }

    def free_lane(self, lanes: int, first: int) -> int | None:
        """A lane without a shipment, sought from `first` on: what one lane failed on is tried on the next, since
        somebody else may keep that data project busy for long."""
        taken = self._taken()
        numbers = ((first + number) % lanes for number in range(lanes))
        return next((number for number in numbers if number not in taken), None)


def choose(ready: Sequence[Cargo], row_limit: int) -> list[Cargo]:
    """Pick what goes with the longest waiting part: the same company, written by the same map, up to `row_limit` rows
    (a single part may exceed it), and only company that its level allows."""
    first = ready[0]
    if first.level == 2:
        return [first]
    chosen: list[Cargo] = []
    rows = 0
    for cargo in ready:
        fits = rows + cargo.rows <= row_limit or not chosen
        if _may_travel_together(first, cargo) and fits and len(chosen) < PARTS_IN_A_SHIPMENT:
            chosen.append(cargo)
            rows += cargo.rows
    return chosen


def _fellows(cargo: Cargo) -> tuple[object, ...]:
    return (cargo.company, cargo.written_by, cargo.level, cargo.group)


def _may_travel_together(first: Cargo, other: Cargo) -> bool:
    if _fellows(first) != _fellows(other):
        return False
    return first.level == 0 or first.invoice_id == other.invoice_id


def new_execution_id(stage: str) -> str:
    """Name an import; ours, so that it can be found after a lost answer, and never the same twice."""
    return f"relay-{stage}-{uuid4()}"

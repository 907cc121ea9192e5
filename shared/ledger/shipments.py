"""The values of the dock: waiting parts, lanes, shipments, and the choice of parts for one shipment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from shared.errors import NewerVersion
from shared.storage.landing import LandedName

PARTS_IN_A_SHIPMENT = 97
"""A table transaction is limited to 100 operations: the parts, the shipment and the lane."""


# Microsoft's example of a load imports 200,000 records per hour, which is 18 ms each.
_TIME_A_ROW = timedelta(milliseconds=20)
# Finance normally answers the call that starts an import sooner.
_CALL_LOST_AFTER = timedelta(seconds=5)
_MOST_LANES = 16
# Refused starts and failed files. A first failure is mostly transient.
_KEEPS_FAILING_FROM = 2
# The clock of storage, which delivers the message, may differ from this process's clock by this much.
_SAME_INSTANT = timedelta(seconds=1)


class ImportStep(StrEnum):
    """The state of a shipment. From SENDING on, Finance may know its execution id."""

    CLAIMED = "claimed"
    SENDING = "sending"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True)
class Cargo:
    """A part on the dock. `level` 0 is shipped with others, 1 only with its own subject, 2 alone; only the first
    release wrote 1 and 2.

    A part of a file that failed as a whole, or of an import that Finance did not start, waits until `not_before` and is
    then shipped only with the parts of its `group`. `tries` counts failed files and `refusals` refused starts since the
    group was formed (`formed_at`, for a group that was divided). `failed_at` is the first failure, `why` describes the
    last one.
    """

    stage: str
    subject: UUID
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
        """The part's key on the dock."""
        return f"part|{self.subject}|{self.part_key}"

    @property
    def generation(self) -> int:
        """The reading that the part comes from."""
        return int(self.part_key.split("|")[2])

    @property
    def written_by(self) -> str:
        """The digest of the map that wrote the rows. A file has one header, so it can contain the rows of one map
        only."""
        return LandedName.parse(self.blob).map

    @property
    def keeps_failing(self) -> bool:
        """Whether this part, or the larger one that it comes from, has failed more than once."""
        return self.tries + self.refusals >= _KEEPS_FAILING_FROM or self.formed_at is not None


@dataclass(frozen=True)
class Shipment:
    """One import. After `lease_until` another worker may take it over. `sent_at` is the last call to start it.

    An import that never arrived is sent again under a new execution id. `attempts` counts such imports, `polls` all
    polls of the shipment, and `looks_before` those of them that were spent on these earlier imports."""

    stage: str
    ticket: str
    company: str
    lane: int
    execution_id: str
    rows: int
    level: int
    step: ImportStep
    lease_until: datetime
    upload_expires: datetime | None = None
    polls: int = 0
    attempts: int = 0
    looks_before: int = 0
    sent_at: datetime | None = None
    etag: str = ""

    def holds_up(self, now: datetime, slow: timedelta) -> bool:
        """Whether it occupies its lane for longer than usual: it is unknown whether Finance has started it, or it
        has not finished after `slow` plus the usual time for its rows."""
        if self.step == ImportStep.SENDING:
            return self.sent_at is None or now - self.sent_at > _CALL_LOST_AFTER
        usual = slow + self.rows * _TIME_A_ROW
        return self.step == ImportStep.RUNNING and self.sent_at is not None and now - self.sent_at > usual


@dataclass(frozen=True)
class Lane:
    """One data project. It is free while it has no shipment."""

    number: int
    shipment: str
    etag: str


@dataclass(frozen=True)
class View:
    """The dock of one map as it was read. `newer` are entries that only a later version of the app understands; they
    are not touched. `foreign` are the tickets of its shipments; their lanes count as taken."""

    newer: list[NewerVersion] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    cargo: list[Cargo] = field(default_factory=list)
    lanes: dict[int, Lane] = field(default_factory=dict)
    shipments: dict[str, Shipment] = field(default_factory=dict)

    @property
    def ready(self) -> list[Cargo]:
        """The parts that wait for a lane, longest waiting first."""
        return sorted((cargo for cargo in self.cargo if not cargo.shipment), key=lambda cargo: cargo.landed_at)

    def due(self, now: datetime) -> list[Cargo]:
        """The parts that wait for a lane and whose next try is due."""
        return [cargo for cargo in self.ready if (cargo.not_before or now) <= now + _SAME_INSTANT]

    @property
    def failing(self) -> int:
        """The number of files that have failed as a whole and not succeeded since."""
        return len({item.group for item in self.cargo if item.tries and item.group})

    def lanes_for(self, lanes: int, held_up: int) -> int:
        """The number of lanes when `held_up` of them are occupied by slow imports."""
        return max(lanes, min(lanes + held_up, _MOST_LANES))

    def stalled(self, now: datetime) -> list[Shipment]:
        """The shipments whose lease has expired."""
        return [shipment for shipment in self.shipments.values() if shipment.lease_until < now]

    @property
    def taken_lanes(self) -> int:
        """The number of lanes with a shipment."""
        return len(self._taken())

    def _taken(self) -> set[int]:
        return {
            lane.number
            for lane in self.lanes.values()
            if lane.shipment and lane.shipment in {*self.shipments, *self.foreign}
        }

    def free_lane(self, lanes: int, first: int) -> int | None:
        """A lane without a shipment, searched from `first` on. After a failure the next lane is used, because
        another user may keep that data project busy for long."""
        taken = self._taken()
        numbers = ((first + number) % lanes for number in range(lanes))
        return next((number for number in numbers if number not in taken), None)


def choose(ready: Sequence[Cargo], row_limit: int) -> list[Cargo]:
    """Choose the parts to ship with the longest waiting one: same company, same map, up to `row_limit` rows (a
    single part may exceed it), and as its level allows."""
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
    return first.level == 0 or first.subject == other.subject


def new_execution_id(stage: str) -> str:
    """A new, unique execution id. It is our own, so that the import can be looked up after a lost answer."""
    return f"relay-{stage}-{uuid4()}"

"""The health of the app."""

from pydantic import Field

from relay_contract import Answer, Instant
from relay_contract.changes import Changed, Pause
from relay_contract.doctor import LastDiagnosis
from relay_contract.runs import Gate


class Queue(Answer):
    """A queue and its messages. `depth` is null if storage does not answer."""

    name: str
    depth: int | None
    oldest_seconds: int | None


class PoisonQueue(Answer):
    """A poison queue."""

    name: str
    count: int


class OldestRun(Answer):
    """The unfinished run that was accepted first."""

    invoice_id: str
    invoice_number: str
    state: str
    age_seconds: int


class Lane(Answer):
    """A data project of Finance and its current import. `looks` is the number of polls."""

    map: str
    lane: int
    execution_id: str
    step: str
    rows: int
    looks: int
    since: Instant | None
    until: Instant | None
    waits_for: str


class Throughput(Answer):
    """What was settled of one map in a number of minutes from `at`."""

    at: Instant
    minutes: int
    map: str
    imports: int
    rows: int
    rejected: int


class LastSweep(Answer):
    """The result of the last sweep. `problem` is the reason why confirmed invoices could not be read."""

    at: Instant
    started: int
    revived: int
    left_alone: int
    blobs_deleted: int
    # Optional, since sweeps that an earlier release stored say less.
    changed: list[Changed] = Field(default_factory=list)
    problem: str = ""
    seconds: float = 0.0


class Health(Answer):
    """The health of the app, with its problems as sentences."""

    app: str
    maps: dict[str, str]
    healthy: bool
    problems: list[str]
    paused: list[Pause]
    queues: list[Queue]
    poison: list[PoisonQueue]
    oldest_unfinished_run: OldestRun | None
    gates: list[Gate]
    lanes: list[Lane]
    throughput: list[Throughput]
    last_sweep: LastSweep | None
    # Optional: an earlier release has no doctor.
    doctor: LastDiagnosis | None = None

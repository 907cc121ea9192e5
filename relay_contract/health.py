"""The health of the app."""

from datetime import datetime

from relay_contract import Answer
from relay_contract.changes import Pause


class Queue(Answer):
    """A queue and what waits on it; `depth` is unknown where storage does not tell."""

    name: str
    depth: int | None
    oldest_seconds: float | None


class PoisonQueue(Answer):
    """A queue of messages that could not be worked on."""

    name: str
    count: int


class OldestRun(Answer):
    """The unfinished run that was accepted first."""

    invoice_id: str
    invoice_number: str | None
    state: str
    age_seconds: float


class Gate(Answer):
    """A service that has asked to be left alone."""

    service: str
    until: datetime
    reason: str


class Lane(Answer):
    """A data project of Finance and the import in it."""

    map: str
    lane: str | int
    execution_id: str | None
    step: str | None
    rows: int | None


class LastSweep(Answer):
    """What the last sweep did."""

    at: datetime
    started: int
    revived: int
    blobs_deleted: int


class Health(Answer):
    """How the app is, and what is wrong in words."""

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
    last_sweep: LastSweep | None

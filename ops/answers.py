"""What the app answers, as far as it is shown; members that are not named here pass unread."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ops.problems import Unreachable


class Answer(BaseModel):
    """A JSON object of the app."""

    # A command reads one or two of these; the others need not be built.
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, defer_build=True)


class Money(Answer):
    """So many rows and their amounts per ISO currency."""

    rows: int
    amounts: dict[str, Decimal]


class RunHead(Answer):
    """What is told of a run wherever it is told of."""

    invoice_id: str
    run_id: str | None = None
    invoice_number: str | None
    company: str | None
    state: str
    detail: str | None
    billed_sales: Money | None
    posting: str
    posted_at: datetime | None
    written_back_at: datetime | None
    accepted_at: datetime
    updated_at: datetime


class Run(RunHead):
    """A run in a list."""

    rows: int
    rejected: int


class Runs(Answer):
    """A page of runs, newest first."""

    runs: list[Run]
    continuation: str | None = None


class Wait(Answer):
    """What a run waits for."""

    reason: str
    service: str | None = None
    until: datetime | None = None


class MapProgress(Answer):
    """How far one map of a run is."""

    map: str
    rows: int
    rows_read: int
    done: int
    rejected: int
    dismissed: int = 0
    state: str


class RunDetail(RunHead):
    """A run with its maps and what it waits for."""

    waits_for: list[Wait]
    generation: int
    posting_detail: str | None
    maps: list[MapProgress]


class ErrorGroup(Answer):
    """Rejected rows whose errors say the same."""

    group: str
    map: str
    error_class: str = Field(alias="class")
    pattern: str
    rows: int
    dismissed: int
    invoices: list[str]
    invoice_count: int
    sample: str | None = None
    first_seen: datetime | None
    last_seen: datetime | None
    hint: str | None


class ErrorGroups(Answer):
    """The groups of rejected rows."""

    groups: list[ErrorGroup]


class Dismissal(Answer):
    """Why, by whom and when a row was given up."""

    reason: str
    by: str
    at: datetime | None


class ErrorRow(Answer):
    """One rejected row."""

    invoice_id: str
    invoice_number: str | None
    map: str
    key: str
    line: str | int | None = None
    error_class: str = Field(alias="class")
    text: str
    first_seen: datetime | None
    last_seen: datetime | None
    tries: int
    dismissed: Dismissal | None


class ErrorGroupRows(Answer):
    """A group with its rows."""

    group: ErrorGroup
    rows: list[ErrorRow]


class Send(Answer):
    """Rows of one map that are sent again."""

    map: str
    rows: int
    keys: list[str]


class Replayed(Answer):
    """What a replay does with one run."""

    invoice_id: str
    invoice_number: str | None
    state: str
    sends: list[Send]
    note: str | None = None


class Change(Answer):
    """What a change does to so many rows, or would do."""

    dry_run: bool
    rows: int


class Replay(Change):
    """What a replay sends, or would send."""

    runs: list[Replayed]


class Dismissed(Answer):
    """The rows of one run that are given up."""

    invoice_id: str
    invoice_number: str | None
    state: str
    keys: list[str]


class Dismissals(Change):
    """What a dismissal gives up, or would give up."""

    runs: list[Dismissed]


class WriteBack(Answer):
    """A write-back that begins, and how far the invoice's posting was until now."""

    invoice_id: str
    invoice_number: str | None
    posting: str


class OutOfSyncGroup(Money):
    """Actuals of one project and invoice that are out of sync in the same way."""

    kind: str
    project: str
    invoice_number: str | None
    invoice_id: str | None
    oldest: datetime


class OutOfSyncActual(Answer):
    """One actual that is out of sync."""

    actual_id: str
    kind: str
    type: str
    project: str
    invoice_number: str | None
    invoice_id: str | None
    currency: str
    amount: Decimal
    created_on: datetime


class Refusal(Answer):
    """An actual that a service refused, with its words."""

    actual_id: str
    text: str


class Synced(Answer):
    """What becomes of the missing actuals of one invoice."""

    invoice_id: str
    invoice_number: str | None
    rows: int
    action: str


class Loose(Answer):
    """Missing actuals of no confirmed invoice, sent by themselves."""

    rows: int
    in_finance: int
    under_way: int
    rejections: int
    rejected: list[Refusal]


class Sync(Answer):
    """What was done about actuals that are out of sync."""

    kinds: list[str]
    invoices: list[Synced]
    written_back: int
    refusals: int
    refused: list[Refusal]
    loose: Loose


class OutOfSync(Answer):
    """A search for actuals that are out of sync: how far it is, what it found, the first one by one, what was done."""

    state: str
    detail: str
    examined: int
    rows: int
    groups: list[OutOfSyncGroup]
    actuals: list[OutOfSyncActual]
    sync: Sync | None


class Pause(Answer):
    """A pause of one map, or of the whole app."""

    map: str | None
    reason: str
    by: str
    at: datetime


class Pauses(Answer):
    """All pauses there are."""

    paused: list[Pause]


class Started(Answer):
    """An invoice that the sweep found without a run."""

    invoice_id: str
    invoice_number: str | None


class Revived(Answer):
    """A run that the sweep put to work again."""

    invoice_id: str
    state: str


class Sweep(Answer):
    """What a sweep did."""

    at: datetime
    started: list[Started]
    revived: list[Revived]
    blobs_deleted: int
    seconds: float


class JobAccepted(Answer):
    """A reconciliation that runs."""

    id: str


class MapCounts(Answer):
    """One map of an invoice in both systems; a target that cannot be counted is None, and the note says why."""

    map: str
    source: Money
    target: Money | None
    note: str | None = None


class RowKey(Answer):
    """A row by its key."""

    map: str
    key: str


class Difference(RowKey):
    """A field in which the two systems differ."""

    field: str
    source: Any
    target: Any


class DifferenceCounts(Answer):
    """How many rows differ, of which the lists name the first."""

    missing: int
    surplus: int
    different: int


class Reconciled(Answer):
    """How one invoice stands in both systems; `problem` says why it could not be compared."""

    invoice_id: str
    invoice_number: str | None
    run_state: str | None
    equal: bool
    maps: list[MapCounts]
    missing: list[RowKey]
    surplus: list[RowKey]
    different: list[Difference]
    counts: DifferenceCounts | None = None
    problem: str | None = None
    fixed: int


class Reconciliation(Answer):
    """A reconciliation and how far it is."""

    id: str
    state: str
    detail: str | None = None
    done: int
    of: int
    invoices: list[Reconciled]


class Queue(Answer):
    """A queue and what waits on it."""

    name: str
    depth: int
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


def read[T: Answer](model: type[T], document: Any) -> T:
    """The document as the model; Unreachable, with the place, when the app speaks otherwise."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unreachable(
            f"The app's answer is not understood: {place}: {first['msg']}.",
            "Is RELAY_URL the address of the app, and is relay of the app's version?",
        ) from error

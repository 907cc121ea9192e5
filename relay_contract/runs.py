"""Runs, singly and in a list, their history, and the imports that carry their rows."""

from typing import Literal

from relay_contract import Answer, Instant, Money


class Wait(Answer):
    """What a run waits for: a sentence, a word for the kind, and, if known, the service and the time."""

    reason: str
    kind: str
    service: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    asked: int | None = None
    text: str | None = None


class Gate(Wait):
    """A service that is closed by its throttle gate: until when, for how many seconds it `asked`, and its message."""

    service: str
    until: Instant
    asked: int
    text: str


class RunHead(Answer):
    """The members that every view of a run has."""

    invoice_id: str
    run_id: str
    invoice_number: str
    company: str
    customer: str
    project: str
    state: str
    detail: str
    posting: str
    posted_at: Instant | None
    written_back_at: Instant | None
    rows: int
    rejected: int
    billed_sales: Money
    accepted_at: Instant
    updated_at: Instant
    waits_for: list[Wait]


class MapProgress(Answer):
    """The progress of one map of a run, in rows. `title` is its display name."""

    map: str
    title: str
    rows: int
    done: int
    rejected: int
    dismissed: int


class MapDetail(MapProgress):
    """The same, with the rows read so far and a word for the map's state."""

    rows_read: int
    state: str


class Run(RunHead):
    """A run in a list."""

    maps: list[MapProgress]


class Runs(Answer):
    """A page of runs, newest first. `continuation` requests the next page."""

    runs: list[Run]
    continuation: str | None


class Account(Answer):
    """The result of one kind of actuals: in Finance, in transit, rejected, dismissed; in rows and money."""

    what: str
    read: Money
    taken: Money
    under_way: Money
    rejected: Money
    dismissed: Money


class RunDetail(RunHead):
    """A run with its maps and what it waits for. `generation` counts the readings of its actuals. `odd_days` counts
    the rows with a day that is not a midnight in any known time zone."""

    generation: int
    maps: list[MapDetail]
    accounts: list[Account]
    posting_detail: str
    odd_days: int


class TimelineEntry(Answer):
    """One event: a state, an import, a wait, rejected rows, or an action of an operator."""

    at: Instant
    kind: Literal["state", "import", "wait", "rejected", "operator"]
    what: str
    text: str
    map: str | None = None
    execution_id: str | None = None
    parts: int | None = None
    rows: int | None = None
    rejected: int | None = None
    landed_at: Instant | None = None
    companies: list[str] | None = None
    service: str | None = None
    by: str | None = None
    until: Instant | None = None
    times: int | None = None


class Timeline(Answer):
    """The history of a run, earliest first."""

    invoice_id: str
    entries: list[TimelineEntry]


class FinancePage(Answer):
    """The address of an import in Finance's user interface."""

    execution_id: str
    page: str

"""Runs, one by one and in a list, what happened to them, and the imports of Finance that carry their rows."""

from typing import Literal

from relay_contract import Answer, Instant, Money


class Wait(Answer):
    """What a run waits for: a sentence, a word for its kind, and what is known of who asked for it and until when."""

    reason: str
    kind: str
    service: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    asked: int | None = None
    text: str | None = None


class Gate(Wait):
    """A service that has asked to be left alone: until when, for how many seconds it `asked`, and its words."""

    service: str
    until: Instant
    asked: int
    text: str


class RunHead(Answer):
    """What is told of a run wherever it is told of."""

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
    """How far one map of a run is, in rows; `title` is what people call it."""

    map: str
    title: str
    rows: int
    done: int
    rejected: int
    dismissed: int


class MapDetail(MapProgress):
    """The same, with the rows that were read so far and a word for its state."""

    rows_read: int
    state: str


class Run(RunHead):
    """A run in a list."""

    maps: list[MapProgress]


class Runs(Answer):
    """A page of runs, newest first; `continuation` asks for the next one."""

    runs: list[Run]
    continuation: str | None


class Account(Answer):
    """What became of one kind of actuals: in Finance, under way, rejected, dismissed; in rows and money."""

    what: str
    read: Money
    taken: Money
    under_way: Money
    rejected: Money
    dismissed: Money


class RunDetail(RunHead):
    """A run with its maps and what it waits for. `generation` counts the readings of its actuals, `odd_days` the rows
    with a day that is no midnight in the known time zones."""

    generation: int
    maps: list[MapDetail]
    accounts: list[Account]
    posting_detail: str
    odd_days: int


class TimelineEntry(Answer):
    """One thing that happened: a state, an import, a wait, rows rejected, or what an operator did."""

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
    """What happened to a run, the earliest first."""

    invoice_id: str
    entries: list[TimelineEntry]


class FinancePage(Answer):
    """Where Finance shows an import."""

    execution_id: str
    page: str

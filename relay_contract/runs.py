"""Runs, one by one and in a list."""

from datetime import datetime

from relay_contract import Answer, Money


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
    title: str = ""
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
    odd_days: int = 0
    maps: list[MapProgress]

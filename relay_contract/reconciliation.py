"""Invoices compared row by row."""

from typing import Literal

from pydantic import Field

from relay_contract import Answer, Money


class JobAccepted(Answer):
    """A reconciliation, or a search, that runs, and where it tells how far it is."""

    id: str
    status_url: str


class MapCounts(Answer):
    """One map of an invoice in both systems; the note says what could not be compared."""

    map: str
    source: Money
    target: Money
    note: str


class RowKey(Answer):
    """A row by its key."""

    map: str
    key: str


class Difference(RowKey):
    """A field in which the two systems differ."""

    field: str
    source: str
    target: str


class DifferenceCounts(Answer):
    """How many rows differ, of which the lists name the first."""

    unexplained: int = 0
    missing: int
    surplus: int
    different: int


class Reconciled(Answer):
    """How one invoice stands in both systems; `problem` says why it could not be compared, `doubt` why
    Dataverse may not mean it to be in Finance."""

    invoice_id: str
    invoice_number: str
    run_state: str | None
    equal: bool
    problem: str = ""
    doubt: str = ""
    maps: list[MapCounts]
    missing: list[RowKey]
    surplus: list[RowKey]
    different: list[Difference]
    unexplained: list[RowKey] = Field(default_factory=list)
    counts: DifferenceCounts | None = None
    fixed: int


class Expected(Answer):
    """Why so many invoices: of a period those that Dataverse lists as confirmed and those of its runs."""

    confirmed: int | None
    runs: int | None
    before_go_live: int


class Reconciliation(Answer):
    """A reconciliation and how far it is; `summary` says how many invoices were compared of how many."""

    id: str
    state: Literal["running", "done", "failed"]
    detail: str
    done: int
    of: int
    compared: int
    expected: Expected | None
    summary: str
    invoices: list[Reconciled]

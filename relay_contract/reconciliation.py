"""Invoices compared row by row."""

from typing import Any

from pydantic import Field

from relay_contract import Answer, Money


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
    unexplained: int = 0


class Reconciled(Answer):
    """How one invoice stands in both systems; `problem` says why it could not be compared, `doubt` why
    Dataverse may not mean it to be in Finance."""

    invoice_id: str
    invoice_number: str | None
    run_state: str | None
    equal: bool
    maps: list[MapCounts]
    missing: list[RowKey]
    surplus: list[RowKey]
    different: list[Difference]
    unexplained: list[RowKey] = Field(default_factory=list)
    counts: DifferenceCounts | None = None
    problem: str | None = None
    doubt: str | None = None
    fixed: int


class Expected(Answer):
    """Why so many invoices: of a period those that Dataverse lists as confirmed and those of its runs."""

    confirmed: int | None = None
    runs: int | None = None
    before_go_live: int = 0


class Reconciliation(Answer):
    """A reconciliation and how far it is; `summary` says how many invoices were compared of how many."""

    id: str
    state: str
    detail: str | None = None
    done: int
    of: int
    compared: int | None = None
    expected: Expected | None = None
    summary: str = ""
    invoices: list[Reconciled]

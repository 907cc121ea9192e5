"""Invoices compared row by row."""

from typing import Literal

from pydantic import Field

from relay_contract import Answer, Money


class JobAccepted(Answer):
    """A running reconciliation or search, and the address that reports its progress."""

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
    """The numbers of differing rows. The lists contain the first of them."""

    # Optional, as `unexplained` below: results that an earlier release stored lack it.
    unexplained: int = 0
    missing: int
    surplus: int
    different: int


class Reconciled(Answer):
    """One invoice in both systems. `problem` is the reason why it could not be compared, `doubt` the reason why it
    may not belong in Finance."""

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
    """The expected number of invoices: for a period, those that Dataverse lists as confirmed and those with a run."""

    confirmed: int | None
    runs: int | None
    before_go_live: int


class Reconciliation(Answer):
    """A reconciliation and its progress. `summary` says how many of the expected invoices were compared."""

    id: str
    state: Literal["running", "done", "failed"]
    detail: str
    done: int
    of: int
    compared: int
    expected: Expected | None
    summary: str
    invoices: list[Reconciled]

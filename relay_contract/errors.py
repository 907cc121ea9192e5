"""Rejected rows in their groups."""

from datetime import datetime

from pydantic import Field

from relay_contract import Answer


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

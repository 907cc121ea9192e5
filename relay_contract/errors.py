"""Rejected rows, in groups."""

from pydantic import Field

from relay_contract import Answer, Instant


class ErrorGroup(Answer):
    """Rejected rows with the same error. `invoices` names the first of them."""

    group: str
    map: str
    # `class` is a keyword of Python.
    error_class: str = Field(alias="class")
    pattern: str
    rows: int
    dismissed: int
    invoices: list[str]
    invoice_count: int
    sample: str
    first_seen: Instant | None
    last_seen: Instant | None
    hint: str


class ErrorGroups(Answer):
    """The groups of rejected rows, the largest first."""

    groups: list[ErrorGroup]


class Dismissal(Answer):
    """Why, by whom and when a row was dismissed."""

    reason: str
    by: str
    at: Instant | None


class ErrorRow(Answer):
    """One rejected row. `key` is its integration key, `sourceId` finds it in Dataverse."""

    invoice_id: str
    invoice_number: str
    map: str
    key: str
    source_id: str
    line: str
    error_class: str = Field(alias="class")
    text: str
    first_seen: Instant | None
    last_seen: Instant | None
    tries: int
    dismissed: Dismissal | None


class ErrorGroupRows(Answer):
    """A group with its rows."""

    group: ErrorGroup
    rows: list[ErrorRow]

"""Actuals out of sync."""

from typing import Literal

from relay_contract import Amount, Answer, Instant, Money

type Kind = Literal["missing", "not posted", "not written back"]


class OutOfSyncGroup(Money):
    """Actuals of one project and invoice that are out of sync in the same way."""

    kind: Kind
    project: str
    invoice_number: str
    invoice_id: str | None
    oldest: Instant


class OutOfSyncActual(Answer):
    """One actual that is out of sync."""

    actual_id: str
    kind: Kind
    type: str
    project: str
    invoice_number: str
    invoice_id: str | None
    currency: str
    amount: Amount
    created_on: Instant


class Refusal(Answer):
    """An actual that a service refused, with the error text."""

    actual_id: str
    text: str


class Synced(Answer):
    """What is done about the missing actuals of one invoice. `reconciliation` is the job that sends them."""

    invoice_id: str
    invoice_number: str
    rows: int
    reconciliation: str | None
    action: str


class Loose(Answer):
    """Missing actuals without a confirmed invoice, which are sent without a run."""

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
    """A search for actuals that are out of sync: its progress, its findings, the first actuals, and what was done."""

    id: str
    state: Literal["running", "done", "failed"]
    detail: str
    since: Instant | None
    until: Instant | None
    examined: int
    rows: int
    left_out: str
    groups: list[OutOfSyncGroup]
    actuals: list[OutOfSyncActual]
    sync: Sync | None

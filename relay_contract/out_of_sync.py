"""Actuals out of sync."""

from datetime import datetime
from decimal import Decimal

from relay_contract import Answer, Money


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
    left_out: str = ""
    groups: list[OutOfSyncGroup]
    actuals: list[OutOfSyncActual]
    sync: Sync | None

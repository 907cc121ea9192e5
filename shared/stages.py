"""The three table maps in the order in which an invoice takes them."""

from enum import StrEnum


class Stage(StrEnum):
    """One table map; the value is the name of its queue, its map file and its data projects."""

    INVOICES = "invoices"
    ACTUALS = "actuals"
    CONNECTIONS = "transactionconnections"

"""A billed row that changes while a reader is already reading the invoice."""

from simulators.dataverse.codes import BILLED_SALES
from simulators.dataverse.scenario.ledger import Ledger
from simulators.dataverse.store import Writer

A_HUNDREDTH = 100
"""Money is kept in ten-thousandths."""


def retouch(writer: Writer, key: str) -> bool:
    """Raise a billed row's amount by 0.01. The new amount must arrive in Finance. Returns False for any other row."""
    row = writer.row("msdyn_actual", key)
    if row is None or row["msdyn_transactiontypecode"] != BILLED_SALES or row["msdyn_invoice"] is None:
        return False
    amount = int(str(row["msdyn_amount"])) + A_HUNDREDTH
    writer.update("msdyn_actual", key, {"msdyn_amount": amount})
    Ledger(writer, str(row["msdyn_invoice"])).reprice(key, amount)
    return True

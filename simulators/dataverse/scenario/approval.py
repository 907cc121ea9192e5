"""Work approved on the contract of an invoice: an unbilled sale and its cost, which no confirmation has made."""

from simulators.dataverse.codes import COST, TIME, UNBILLED_CREATED, UNBILLED_SALES
from simulators.dataverse.scenario.confirmation import ConfirmRefused
from simulators.dataverse.scenario.creation import connect
from simulators.dataverse.scenario.rows import Rows
from simulators.dataverse.store import Writer, new_id
from simulators.dataverse.values import now_text

_ACTUAL = "msdyn_actual"


def approve(writer: Writer, invoice_id: str, entries: int) -> list[str]:
    """Write so many approvals; return the ids of their unbilled sales. Raises ConfirmRefused without any work."""
    found = writer.connection.execute(
        "SELECT msdyn_actualid FROM msdyn_actual WHERE msdyn_invoice = ? AND msdyn_transactiontypecode = ? "
        "AND msdyn_transactionclassification = ? LIMIT 1",
        (invoice_id, UNBILLED_SALES, TIME),
    ).fetchone()
    work = writer.row(_ACTUAL, str(found[0])) if found else None
    if work is None:
        raise ConfirmRefused(f"invoice {invoice_id} has no work to approve more of")
    rows, made = Rows(writer, now_text()), []
    for _ in range(entries):
        unbilled, cost = new_id(), new_id()
        row = work | {"msdyn_invoice": None, "msdyn_billingstatus": UNBILLED_CREATED, "msdyn_actualimportid": None}
        rows.add(_ACTUAL, unbilled, row)
        rows.add(_ACTUAL, cost, row | {"msdyn_transactiontypecode": COST, "msdyn_billingstatus": None})
        connect(rows, new_id(), (unbilled, "Unbilled Sales", _ACTUAL), (cost, "Cost", _ACTUAL))
        made.append(unbilled)
    rows.flush()
    return made

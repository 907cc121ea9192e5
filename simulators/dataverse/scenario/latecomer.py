"""A billed row that is added while a reader is already reading the invoice."""

from simulators.dataverse.codes import BILLED_SALES
from simulators.dataverse.scenario.creation import connect
from simulators.dataverse.scenario.ledger import Ledger
from simulators.dataverse.scenario.rows import Rows
from simulators.dataverse.store import Writer, new_id
from simulators.dataverse.values import now_text


def add_latecomer(writer: Writer, key: str) -> None:
    """Write a second billed row beside this one, with its connection; it must arrive in Finance like the others."""
    row = writer.row("msdyn_actual", key)
    if row is None or row["msdyn_transactiontypecode"] != BILLED_SALES or row["msdyn_invoice"] is None:
        return
    rows, ledger, late = Rows(writer, now_text()), Ledger(writer, str(row["msdyn_invoice"])), new_id()
    row["msdyn_actualimportid"] = None
    rows.add("msdyn_actual", late, row)
    ledger.actual(late, row)
    behind = writer.connection.execute(
        "SELECT msdyn_transaction2 FROM msdyn_transactionconnection "
        "WHERE msdyn_transaction1 = ? AND msdyn_transaction1role = 'Billed Sales'",
        (key,),
    ).fetchone()
    if behind:
        connection = new_id()
        connect(rows, connection, (late, "Billed Sales", "msdyn_actual"), (behind[0], "Unbilled Sales", "msdyn_actual"))
        ledger.connection(connection)
    rows.flush()
    ledger.close()

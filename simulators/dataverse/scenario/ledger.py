"""The simulator's own record of what a confirmation produced, written during the confirmation."""

from simulators.dataverse.codes import BILLED_SALES, CHARGEABLE
from simulators.dataverse.scenario.rows import CHUNK, Values
from simulators.dataverse.store import Row, Writer

_INSERT = "INSERT INTO sim_produced VALUES (?, ?, ?, ?, ?, ?, ?)"


class Ledger:
    """What must arrive in Finance for one invoice. It does not depend on any query of a caller."""

    def __init__(self, writer: Writer, invoice_id: str) -> None:
        self.writer, self.invoice_id = writer, invoice_id
        found = writer.connection.execute("SELECT seed FROM sim_invoice WHERE invoice_id = ?", (invoice_id,)).fetchone()
        self.seed = str(found[0]) if found else ""
        self._produced: list[Row] = []
        self._billed: list[Row] = []

    def actual(self, key: str, row: Values) -> None:
        """Remember an actual that must arrive."""
        self._add("actual", key, row["msdyn_actualimportid"], row["msdyn_transactiontypecode"], row)

    def connection(self, key: str) -> None:
        """Remember a connection that must arrive."""
        self._add("connection", key, None, None, {})

    def reprice(self, key: str, amount: int) -> None:
        """Remember another amount for an actual that must arrive."""
        self.writer.connection.execute("UPDATE sim_produced SET amount = ? WHERE row_id = ?", (amount, key))
        self.close()

    def remember_billed(self, line: Values, billed: str) -> None:
        """Remember which billed row a correction of this line would reverse."""
        self._billed.append((line["msdyn_invoicelinetransactionid"], billed))

    def close(self) -> None:
        """Write what is pending and the sums."""
        self._flush()
        self.writer.connection.execute(
            "UPDATE sim_invoice SET "
            "actuals_expected = (SELECT COUNT(*) FROM sim_produced WHERE invoice_id = ?1 AND kind = 'actual'), "
            "connections_expected = (SELECT COUNT(*) FROM sim_produced WHERE invoice_id = ?1 AND kind = 'connection'), "
            "proforma_total = (SELECT exact_sum(amount) FROM sim_produced WHERE invoice_id = ?1 AND kind = 'actual' "
            "AND type = ?2 AND billing_type = ?3) WHERE invoice_id = ?1",
            (self.invoice_id, BILLED_SALES, CHARGEABLE),
        )

    def _add(self, kind: str, key: str, import_id: object, actual_type: object, row: Values) -> None:
        self._produced.append(
            (self.invoice_id, kind, key, import_id, actual_type, row.get("msdyn_amount"), row.get("msdyn_billingtype"))  # type: ignore[arg-type]
        )
        if len(self._produced) >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        self.writer.connection.executemany(_INSERT, self._produced)
        self.writer.connection.executemany("INSERT OR REPLACE INTO sim_billed VALUES (?, ?)", self._billed)
        self._produced.clear()
        self._billed.clear()

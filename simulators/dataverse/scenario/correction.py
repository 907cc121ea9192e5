"""A corrective invoice: lines of a confirmed one, copied to a new draft to be credited."""

from dataclasses import dataclass
from random import Random

from simulators.dataverse.codes import ADJUSTED, CHARGEABLE, CONFIRMED, DRAFT, EXPENSE, MATERIAL, RETAINER, TIME
from simulators.dataverse.scenario.confirmation import ConfirmRefused
from simulators.dataverse.scenario.creation import connect
from simulators.dataverse.scenario.lines import amount_of
from simulators.dataverse.scenario.rows import Rows, Values, ids_of
from simulators.dataverse.store import Writer
from simulators.dataverse.values import now_text

LINE = "msdyn_invoicelinetransaction"


@dataclass(frozen=True)
class Credit:
    """Which lines to credit: at most `lines` (all: -1); `partial` is the share of them credited in part only."""

    lines: int = -1
    partial: float = 0.5


class Correction:
    """Writes the draft of a corrective invoice in one transaction. Raises ConfirmRefused for an unconfirmed invoice."""

    def __init__(self, writer: Writer, invoice_id: str, credit: Credit) -> None:
        found = writer.row("invoice", invoice_id)
        if found is None or found["msdyn_projectinvoicestatus"] != CONFIRMED:
            raise ConfirmRefused(f"only a confirmed invoice can be corrected, {invoice_id} is none")
        self.writer, self.invoice, self.credit, self.source_id = writer, found, credit, invoice_id
        count = writer.connection.execute("SELECT COUNT(*) FROM sim_invoice").fetchone()[0]
        self.number = f"PRO-{count + 1:06d}"
        self.numbers = Random(f"correct/{invoice_id}/{count}")  # noqa: S311 - reproducible scenario, no secrets
        self.new_id = ids_of(self.numbers)
        self.invoice_id = self.new_id()
        self.rows = Rows(writer, now_text())
        self.total = 0
        self.count = 0

    def write(self) -> str:
        """Return the id of the corrective invoice."""
        for line_id, billed_id in self._chosen():
            line, billed = self.writer.row(LINE, line_id), self.writer.row("msdyn_actual", billed_id)
            if line and billed and billed["msdyn_adjustmentstatus"] != ADJUSTED:
                self._line(line, billed)
        if not self.count:
            raise ConfirmRefused(f"nothing is left to correct on {self.invoice['msdyn_invoicenumber']}")
        self._header()
        self.rows.flush()
        return self.invoice_id

    def _chosen(self) -> list[tuple[str, str]]:
        return self.writer.connection.execute(
            "SELECT l.msdyn_invoicelinetransactionid, b.billed_id FROM msdyn_invoicelinetransaction l "
            "JOIN sim_billed b ON b.line_id = l.msdyn_invoicelinetransactionid WHERE l.msdyn_invoice = ? "
            "AND l.msdyn_correction = 0 AND l.msdyn_transactionclassification <> ? "
            "ORDER BY l.msdyn_invoicelinetransactionid LIMIT ?",
            (self.source_id, RETAINER, self.credit.lines),
        ).fetchall()

    def _line(self, line: Values, billed: Values) -> None:
        key, quantity = self.new_id(), self._kept(line, billed)
        amount = amount_of(quantity, int(line["msdyn_price"] or 0))
        if billed["msdyn_billingtype"] == CHARGEABLE:
            self.total += amount - int(billed["msdyn_amount"] or 0)
        self.count += 1
        self.rows.add(LINE, key, line | {
            "msdyn_invoice": self.invoice_id, "msdyn_correction": 1, "msdyn_quantity": quantity, "msdyn_amount": amount,
            "msdyn_originalinvoicelinedetail": line["msdyn_invoicelinetransactionid"]})  # fmt: skip
        billed_end = (str(billed["msdyn_actualid"]), "Original", "msdyn_actual")
        connect(self.rows, self.new_id(), (key, "Replacing", LINE), billed_end)

    def _kept(self, line: Values, billed: Values) -> int:
        """Return the quantity that stays billed: none for a full credit."""
        whole = int(billed["msdyn_quantity"] or 0)
        divisible = line["msdyn_transactionclassification"] in {TIME, EXPENSE, MATERIAL} and whole > 1
        if not divisible or self.numbers.random() >= self.credit.partial:
            return 0
        return self.numbers.randint(1, whole - 1)

    def _header(self) -> None:
        self.rows.add("invoice", self.invoice_id, self.invoice | {
            "name": f"{self.number} – corrects {self.invoice['msdyn_invoicenumber']}", "invoicenumber": self.number,
            "msdyn_invoicenumber": self.number, "msdyn_projectinvoicestatus": DRAFT, "msdyn_hascorrections": 1,
            "totalamount": self.total, "totallineitemamount": self.total, "totalamountlessfreight": self.total,
            "contoso_runid": None, "contoso_syncedon": None})  # fmt: skip
        self.writer.connection.execute(
            "INSERT INTO sim_invoice (invoice_id, number, company, currency, contract, lines, seed, proforma_total) "
            "SELECT ?, ?, company, currency, contract, ?, seed || '/corrected', ? FROM sim_invoice "
            "WHERE invoice_id = ?",
            (self.invoice_id, self.number, self.count, self.total, self.source_id),
        )

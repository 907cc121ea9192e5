"""Confirming a project invoice: creates the actuals and connections of each line by the billing rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random

from simulators.dataverse.codes import (
    ADJUSTED,
    BILLED_SALES,
    CHARGEABLE,
    CONFIRMED,
    FEE,
    INVOICE_POSTED,
    MILESTONE,
    MILESTONE_POSTED,
    MILESTONE_READY,
    NON_CHARGEABLE,
    RETAINER,
    TIME_AND_MATERIAL,
    UNADJUSTABLE,
    UNBILLED_CREATED,
    UNBILLED_SALES,
)
from simulators.dataverse.events import SqlValue
from simulators.dataverse.scenario.creation import connect
from simulators.dataverse.scenario.late import Late, LateRows
from simulators.dataverse.scenario.ledger import Ledger
from simulators.dataverse.scenario.lines import amount_of
from simulators.dataverse.scenario.rows import CHUNK, Rows, Values, ids_of, local_midnight
from simulators.dataverse.store import Writer
from simulators.dataverse.values import TIME_ZONE, now_text

ACTUAL = "msdyn_actual"


class ConfirmRefused(Exception):
    """The invoice cannot be confirmed in its present state."""


@dataclass(frozen=True)
class Part:
    """Which lines to confirm in one transaction, and whether the status is written with them."""

    offset: int = 0
    limit: int = -1
    writes_status: bool = True
    makes_actuals: bool = True


@dataclass(frozen=True)
class Manner:
    """How the organization confirms, where the documentation leaves it open. The switches have the same names."""

    stamped: bool = False
    replacements_linked: bool = True
    non_chargeable_billed: bool = True
    added_point_to_unbilled: bool = False
    late_share: float = 0.0


class Confirmation:
    """Confirms one part of an invoice's lines in the running transaction."""

    def __init__(self, writer: Writer, invoice_id: str, manner: Manner) -> None:
        invoice = writer.row("invoice", invoice_id)
        if invoice is None:
            raise ConfirmRefused(f"no invoice {invoice_id}")
        self.writer, self.invoice, self.invoice_id, self.manner = writer, invoice, invoice_id, manner
        self.rows = LateRows(writer, now_text(), manner.late_share) if manner.late_share else Rows(writer, now_text())
        self.ledger = Ledger(writer, invoice_id)
        self.today = local_midnight(datetime.now(TIME_ZONE).date())
        self.numbers = Random()  # noqa: S311 - seeded per part
        self.new_id: Callable[[], str] = ids_of(self.numbers)
        actual = writer.schema.tables[ACTUAL]
        self._cleared = dict.fromkeys((*actual.dualwrite, *actual.custom))
        self._updates: list[tuple[str, int, str]] = []

    def run(self, part: Part) -> None:
        """Write the actuals and connections of the part's lines, then the status, last. Raises ConfirmRefused."""
        if part.writes_status and self.invoice["msdyn_projectinvoicestatus"] == CONFIRMED:
            raise ConfirmRefused(f"invoice {self.invoice['msdyn_invoicenumber']} is already confirmed")
        self.numbers.seed(f"{self.ledger.seed}/confirm/{self.invoice_id}/{part.offset}")
        self.new_id = ids_of(self.numbers)
        if part.makes_actuals:
            for line, original in self._lines(part):
                self._confirm(line, original)
        self.rows.flush()
        self._flush_updates()
        self.ledger.close()
        if part.writes_status:
            self._write_status()

    @property
    def late(self) -> list[Late]:
        """The rows that are still to be written after `run`."""
        return self.rows.late if isinstance(self.rows, LateRows) else []

    def _lines(self, part: Part) -> Iterator[tuple[Values, Values]]:
        """Yield each line with the actual that its draft connection points to (empty for contract lines)."""
        tables = self.writer.schema.tables
        line_names = tables["msdyn_invoicelinetransaction"].column_names
        actual_names = tables[ACTUAL].column_names
        columns = [f'l."{name}"' for name in line_names] + [f'a."{name}"' for name in actual_names]
        cursor = self.writer.connection.execute(
            f"SELECT {', '.join(columns)} FROM msdyn_invoicelinetransaction l "  # noqa: S608 - names of the schema
            "LEFT JOIN msdyn_transactionconnection c ON c.msdyn_transaction1 = l.msdyn_invoicelinetransactionid "
            "AND c.msdyn_transaction1type = 'msdyn_invoicelinetransaction' "
            "LEFT JOIN msdyn_actual a ON a.msdyn_actualid = c.msdyn_transaction2 "
            "WHERE l.msdyn_invoice = ? ORDER BY l.msdyn_invoicelinetransactionid LIMIT ? OFFSET ?",
            (self.invoice_id, part.limit, part.offset),
        )
        while rows := cursor.fetchmany(CHUNK):
            for row in rows:
                actual = dict(zip(actual_names, row[len(line_names) :], strict=True))
                yield dict(zip(line_names, row, strict=False)), actual

    def _confirm(self, line: Values, original: Values) -> None:
        if line["msdyn_correction"]:
            self._correct(line, original)
        elif original["msdyn_actualid"] is None:
            self._bill_new_line(line)
        elif line["msdyn_transactionclassification"] == RETAINER:
            self._use_retainer(line, original)
        elif (line["msdyn_quantity"], line["msdyn_billingtype"]) == (
            original["msdyn_quantity"],
            original["msdyn_billingtype"],
        ):
            self._reverse(original, original["msdyn_actualid"])
            self._set_status(original, "msdyn_billingstatus", INVOICE_POSTED)
            self.ledger.remember_billed(line, self._bill(original, original["msdyn_actualid"]))
        else:
            self._bill_edited(line, original)

    def _bill_edited(self, line: Values, original: Values) -> None:
        """A changed line: the original is reversed, and its replacement is reversed and billed."""
        self._reverse(original, original["msdyn_actualid"])
        self._set_status(original, "msdyn_adjustmentstatus", ADJUSTED)
        worked, billed = int(original["msdyn_quantity"] or 0), int(line["msdyn_quantity"] or 0)
        if line["msdyn_billingtype"] == NON_CHARGEABLE and not self.manner.non_chargeable_billed:
            _, new = self._unbilled(original, worked, NON_CHARGEABLE, UNBILLED_CREATED)
            self._replace(new, original)
            return
        self._replace_and_bill(line, original, billed, line["msdyn_billingtype"], remember=True)
        if billed < worked and line["msdyn_billingtype"] == CHARGEABLE:
            self._replace_and_bill(line, original, worked - billed, NON_CHARGEABLE, remember=False)

    def _replace_and_bill(
        self, line: Values, original: Values, quantity: int, billing: SqlValue, *, remember: bool
    ) -> None:
        new, key = self._unbilled(original, quantity, billing, INVOICE_POSTED)
        self._reverse(new, key)
        billed = self._bill(new, key)
        if remember:
            self.ledger.remember_billed(line, billed)

    def _use_retainer(self, line: Values, original: Values) -> None:
        """A partly used retainer: its negative unbilled row is reversed, and a new one is created for the rest."""
        self._reverse(original, original["msdyn_actualid"])
        self._set_status(original, "msdyn_billingstatus", INVOICE_POSTED)
        used = int(line["msdyn_quantity"] or 0)
        amount = amount_of(used, int(original["msdyn_price"] or 0))
        source = original | {"msdyn_quantity": used, "msdyn_amount": amount}
        self.ledger.remember_billed(line, self._bill(source, original["msdyn_actualid"]))
        rest = int(original["msdyn_quantity"] or 0) - used
        _, new = self._unbilled(original, rest, original["msdyn_billingtype"], UNBILLED_CREATED)
        self._replace(new, original)

    def _replace(self, new: str, original: Values) -> None:
        if self.manner.replacements_linked:
            self._connect(new, "Replacing", original["msdyn_actualid"], "Original", goes=True)

    def _bill_new_line(self, line: Values) -> None:
        """A new line. A milestone, or a line added on a fixed-price contract, is billed directly. A retainer also
        creates a negative unbilled row that is settled later. A line added for time and material creates its own
        unbilled row."""
        detail = self.writer.row("invoicedetail", str(line["msdyn_invoicelineid"])) or {}
        base: Values = {name: line[name] for name in _SHARED} | {
            "msdyn_salescontract": self.invoice["salesorderid"],
            "msdyn_salescontractlineid": detail.get("msdyn_contractline"),
            "msdyn_accountcustomer": self.invoice["customerid"],
            "msdyn_customertype": 192350001,
            "msdyn_startdatetime": line["msdyn_startdatetime"],
            "msdyn_transactiondate": _day(line["msdyn_documentdate"]),
            "msdyn_isjournalized": 0,
            "msdyn_amountmethod": 192350001,
        }
        unbilled = None
        if line["msdyn_milestone"] is None and detail.get("msdyn_billingmethod") == TIME_AND_MATERIAL:
            self._bill_added_line(line, base)
            return
        if line["msdyn_transactionclassification"] == RETAINER:
            quantity = -int(line["msdyn_quantity"] or 0)
            _, unbilled = self._unbilled(base, quantity, line["msdyn_billingtype"], UNBILLED_CREATED)
        billed = self._bill(base, unbilled)
        self.ledger.remember_billed(line, billed)
        if line["msdyn_milestone"]:
            self._set_milestone(line, MILESTONE_POSTED)

    def _bill_added_line(self, line: Values, base: Values) -> None:
        new, key = self._unbilled(base, int(line["msdyn_quantity"] or 0), line["msdyn_billingtype"], INVOICE_POSTED)
        self._reverse(new, key)
        self.ledger.remember_billed(line, self._bill(new, key))
        if self.manner.added_point_to_unbilled:
            detail = str(line["msdyn_invoicelinetransactionid"])
            ends = (detail, "Billed Sales", "msdyn_invoicelinetransaction"), (key, "Unbilled Sales", ACTUAL)
            connect(self.rows, self.new_id(), *ends)

    def _correct(self, line: Values, billed: Values) -> None:
        """A credit: the billed row is reversed. Except for milestones, its work becomes unbilled again."""
        billed_key, whole = billed["msdyn_actualid"], int(billed["msdyn_quantity"] or 0)
        reversal = self._add(
            billed | {"msdyn_adjustmentstatus": UNADJUSTABLE, "msdyn_invoice": self.invoice_id}
            | {"msdyn_quantity": -whole, "msdyn_amount": -int(billed["msdyn_amount"] or 0)},
            new=True,
        )  # fmt: skip
        self._connect(reversal, "Reversing", billed_key, "Original", goes=True)
        self._set_status(billed, "msdyn_adjustmentstatus", ADJUSTED)
        self.ledger.remember_billed(line, reversal)
        if line["msdyn_transactionclassification"] == MILESTONE:
            self._set_milestone(line, MILESTONE_READY)
            return
        kept = int(line["msdyn_quantity"] or 0)
        if kept:
            new, key = self._unbilled(billed, kept, billed["msdyn_billingtype"], INVOICE_POSTED)
            self._connect(key, "Replacing", billed_key, "Original", goes=True)
            self._reverse(new, key)
            self._bill(new, key)
        if not kept or line["msdyn_transactionclassification"] != FEE:
            _, rest = self._unbilled(billed, whole - kept, billed["msdyn_billingtype"], UNBILLED_CREATED)
            self._connect(rest, "Replacing", billed_key, "Original", goes=True)

    def _bill(self, source: Values, unbilled: SqlValue) -> str:
        """Write the billed sales of a row, connected to its unbilled row if there is one."""
        values = source | {
            "msdyn_transactiontypecode": BILLED_SALES,
            "msdyn_billingstatus": INVOICE_POSTED,
            "msdyn_adjustmentstatus": None,
            "msdyn_invoice": self.invoice_id,
        }
        key = self._add(values, new=True)
        if unbilled is not None:
            self._connect(key, "Billed Sales", unbilled, "Unbilled Sales", goes=True)
        return key

    def _unbilled(self, source: Values, quantity: int, billing: SqlValue, status: int) -> tuple[Values, str]:
        price = int(source["msdyn_price"] or 0)
        amount = amount_of(abs(quantity), price) * (1 if quantity >= 0 else -1)
        row = source | {
            "msdyn_transactiontypecode": UNBILLED_SALES,
            "msdyn_quantity": quantity,
            "msdyn_amount": amount,
            "msdyn_billingtype": billing,
            "msdyn_billingstatus": status,
            "msdyn_adjustmentstatus": None,
            "msdyn_invoice": self.invoice_id if self.manner.stamped else None,
        }
        return row, self._add(row, new=True)

    def _reverse(self, unbilled: Values, key: SqlValue) -> None:
        """Write the skip-sync reversal of an unbilled row. It and its connection must not arrive in Finance."""
        values = unbilled | {
            "msdyn_quantity": -int(unbilled["msdyn_quantity"] or 0),
            "msdyn_amount": -int(unbilled["msdyn_amount"] or 0),
            "msdyn_billingstatus": INVOICE_POSTED,
            "msdyn_adjustmentstatus": UNADJUSTABLE,
            "msdyn_istransition": 1,
        }
        reversal = self._add(values, new=False)
        self._connect(reversal, "Reversing", str(key), "Original", goes=False)

    def _add(self, values: Values, *, new: bool) -> str:
        """Write an actual; `new` ones must arrive in Finance."""
        key = self.new_id()
        row = values | self._cleared
        row["msdyn_actualimportid"] = self.new_id() if self.numbers.random() < 0.5 else None
        row["msdyn_accountingdate"] = self.today
        if new:
            row["msdyn_istransition"] = 0
            self.ledger.actual(key, row)
        self.rows.add(ACTUAL, key, row)
        return key

    def _connect(self, first: str, first_role: str, second: SqlValue, second_role: str, *, goes: bool) -> None:
        key = self.new_id()
        connect(self.rows, key, (first, first_role, ACTUAL), (str(second), second_role, ACTUAL))
        if goes:
            self.ledger.connection(key)

    def _set_status(self, actual: Values, column: str, status: int) -> None:
        self._updates.append((column, status, str(actual["msdyn_actualid"])))
        if len(self._updates) >= CHUNK:
            self._flush_updates()

    def _flush_updates(self) -> None:
        for column in ("msdyn_billingstatus", "msdyn_adjustmentstatus"):
            self.writer.connection.executemany(
                f"UPDATE msdyn_actual SET {column} = ?, modifiedon = ?, versionnumber = ? WHERE msdyn_actualid = ?",  # noqa: S608
                [
                    (status, self.rows.now, self.writer.next_version(), key)
                    for changed, status, key in self._updates
                    if changed == column
                ],
            )
        self._updates.clear()

    def _set_milestone(self, line: Values, status: int) -> None:
        changes: Values = {"msdyn_invoicestatus": status, "modifiedon": self.rows.now}
        self.writer.update("msdyn_contractlinescheduleofvalue", str(line["msdyn_milestone"]), changes)

    def _write_status(self) -> None:
        changes: Values = {"msdyn_projectinvoicestatus": CONFIRMED, "modifiedon": self.rows.now}
        self.writer.update("invoice", self.invoice_id, changes)
        self.writer.events.append(self.writer.event("Update", "invoice", self.invoice_id, changes))


_SHARED = (
    "msdyn_description",
    "msdyn_project",
    "msdyn_projectcontractsplitbillingrule",
    "transactioncurrencyid",
    "exchangerate",
    "msdyn_documentdate",
    "msdyn_transactionclassification",
    "msdyn_price",
    "msdyn_quantity",
    "msdyn_amount",
    "msdyn_billingtype",
)


def _day(instant: SqlValue) -> str | None:
    return datetime.fromisoformat(str(instant)).astimezone(TIME_ZONE).date().isoformat() if instant else None

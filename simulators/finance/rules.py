"""The validations of the X++ entities, with their Infolog messages."""

import sqlite3
from dataclasses import dataclass, field
from typing import Any

from simulators.finance.entities import ACTUALS, CONNECTIONS, HEADERS, Entity
from simulators.finance.fields import EMPTY_DATE, EMPTY_GUID, Stored
from simulators.finance.switches import Switches

EMPTY: frozenset[Stored] = frozenset({"", 0, EMPTY_GUID, EMPTY_DATE, "NotSpecified"})
LABELS = {
    "AccountingDate": "Accounting date",
    "BillingType": "Billing type",
    "DocumentDate": "Document date",
    "ProjectId": "Project ID",
    "TransactionClassification": "Transaction classification",
    "TransactionCurrencyId": "Currency",
    "SalesCurrency": "Currency",
    "InvoiceProposalId": "Invoice proposal",
    "ProjectContractId": "Project contract ID",
}

type Row = dict[str, Stored]


class RowRefused(Exception):
    """A row that X++ would not write: the field at fault ("" for the whole row) and the Infolog lines."""

    def __init__(self, blamed: str, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.field = blamed
        self.lines = lines


@dataclass
class Rules:
    """The checks of one import or one OData write, against what the database holds at that moment."""

    switches: Switches
    db: sqlite3.Connection
    company: str
    _headers: set[str] = field(default_factory=set)

    def check(self, entity: Entity, row: Row, number: int) -> None:
        """Raise RowRefused for the first rule that the row breaks; `row` holds every field of the entity."""
        for name in entity.mandatory:
            if row[name] in EMPTY:
                self._refuse(entity, name, f"Field '{LABELS.get(name, name)}' must be filled in.")
        self._check_injected(entity, row, number)
        if entity is ACTUALS:
            self._check_actual(row)
        elif entity is HEADERS:
            self._check_header(row)
        elif entity is CONNECTIONS:
            self._check_connection(row)

    def _check_header(self, row: Row) -> None:
        self._check_currency(HEADERS, "SalesCurrency", row)
        contracts = self.switches.contracts
        if contracts and row["ProjectContractId"] not in contracts:
            self._refuse_relation(HEADERS, "ProjectContractId", row, "Project contracts")

    def _check_actual(self, row: Row) -> None:
        self._check_currency(ACTUALS, "TransactionCurrencyId", row)
        if row["BillingType"] == "NotAvailable" and self.switches.line_property_missing:
            self._refuse(ACTUALS, "BillingType", "Line property Not available doesn't exist.")
        if row["TransactionType"] == "BilledSales" and not self._has_header(str(row["InvoiceProposalId"])):
            self._refuse_relation(ACTUALS, "InvoiceProposalId", row, "Project invoice proposals")

    def _check_connection(self, row: Row) -> None:
        for end in ("Transaction1", "Transaction2"):
            name = f"{end}Id"
            if row[f"{end}Type"] == "msdyn_actual" and not self._has_actual(str(row[name])):
                self._refuse_relation(CONNECTIONS, name, row, "Project Operations integration actuals")

    def _check_currency(self, entity: Entity, name: str, row: Row) -> None:
        if row[name] not in self.switches.currencies:
            self._refuse_relation(entity, name, row, "Currencies")

    def _check_injected(self, entity: Entity, row: Row, number: int) -> None:
        for rule in self.switches.reject_rows:
            if _bites(rule, entity, row, number):
                message = str(rule.get("message", "Update has been canceled."))
                self._refuse(entity, str(rule.get("field", "")), message)

    def _has_header(self, proposal: str) -> bool:
        wanted = proposal.lower()
        if wanted not in self._headers:
            sql = "SELECT 1 FROM headers WHERE dataareaid = ? AND invoiceproposalid = ?"
            if self.db.execute(sql, (self.company, proposal)).fetchone() is None:
                return False
            self._headers.add(wanted)
        return True

    def _has_actual(self, actual_id: str) -> bool:
        return self.db.execute("SELECT 1 FROM actuals WHERE actualid = ?", (actual_id,)).fetchone() is not None

    def _refuse_relation(self, entity: Entity, name: str, row: Row, related: str) -> None:
        label = LABELS.get(name, name)
        text = f"The value '{row[name]}' in field '{label}' is not found in the related table '{related}'."
        raise RowRefused(name, [text, f"validateField failed on field '{entity.name}.{name}'."])

    def _refuse(self, entity: Entity, name: str, text: str) -> None:
        source = entity.source
        raise RowRefused(name, [text, f"validateWrite failed on data source '{source} ({source})'."])


def _bites(rule: dict[str, Any], entity: Entity, row: Row, number: int) -> bool:
    if str(rule.get("entity", entity.label)).lower() != entity.label.lower():
        return False
    if "everyNth" in rule:
        return number % int(rule["everyNth"]) == 0
    name = entity.staging.get(str(rule.get("field", "")).upper())
    value = str(row[name]) if name else ""
    if "oneOf" in rule:
        return value.lower() in {str(one).lower() for one in rule["oneOf"]}
    if "contains" in rule:
        return str(rule["contains"]) in value
    return name is not None and value == str(rule.get("equals"))

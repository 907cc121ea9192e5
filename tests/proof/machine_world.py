"""The tenant around the app, and what must be true of it at every moment and at rest, by the services' own records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

import requests

from simulators.finance.entities import ACTUALS, CONNECTIONS, HEADERS
from simulators.stack import Stack
from simulators.tenant import Tenant
from simulators.tokens import issue

_CALM: dict[str, dict[str, Any]] = {
    "finance": {"throttleNext": 0, "throttleShare": 0.0, "errorNext": 0, "importFailsWhole": 0,
                "succeedsWithZeroRows": 0, "refuseStarts": 0, "spoilNext": 0},
    "dataverse": {"throttleNext": 0, "throttleShare": 0.0, "errorNext": 0, "sqlTimeoutNext": 0, "extraRowsNext": 0,
                  "tokenRejectNext": 0, "spoilNext": 0},
}  # fmt: skip
_DRAFT, _PAID = 192350000, 192350003
_MOST_TRIES = 8
_OWNED = ("VoucherNumber", "SalesTaxAmount", "AccountingAmount", "ExchangeRate", "IsJournalized")
_IMPORT_IDS = UUID("6f7c1a52-9f3e-5d0b-8a44-2f2b6d1c7e90")
"""The map's namespace for actuals without an import id."""
_KINDS = {HEADERS.label: "header", ACTUALS.label: "actual", CONNECTIONS.label: "connection"}


@dataclass
class Invoice:
    """An invoice of the tenant and what its confirmation produced: by kind, key in Finance to id in Dataverse. `posted`
    is what posting made of its rows in Finance, by key."""

    invoice_id: str
    number: str
    confirmed: bool = False
    paid: bool = False
    corrected: bool = False
    posted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    produced: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def keys(self) -> set[tuple[str, str]]:
        """Every row that must arrive, as Finance's journal names it."""
        return {(kind, key) for kind, rows in self.produced.items() for key in rows}


@dataclass
class World:
    """Both services, the invoices of one example, and how far Finance's journal was read."""

    stack: Stack
    tenant: Tenant
    invoices: list[Invoice] = field(default_factory=list)
    seen: int = 0
    created: set[tuple[str, str]] = field(default_factory=set)
    spoiled: list[dict[str, Any]] = field(default_factory=list)
    seeds: int = 0

    def begin(self) -> None:
        """Forget the example before this one; its invoices are drafts again, so no sweep finds them."""
        self.mend()
        self.calm()
        for invoice in self.invoices:
            assert self._set_status(invoice, _DRAFT)
        self.invoices.clear()
        self.created.clear()
        self.seen = max((int(entry["seq"]) for entry in self._journal()), default=self.seen)

    def pay(self, invoice: Invoice) -> None:
        """The customer has paid a confirmed invoice, unless Dataverse has others wait."""
        invoice.paid = self._set_status(invoice, _PAID) or invoice.paid

    def _set_status(self, invoice: Invoice, status: int) -> bool:
        stack, url = self.stack, self.stack.url("dataverse")
        token = issue(
            secret=stack.token_secret,
            issuer="",
            tenant=stack.tenant,
            audience=url,
            client_id=stack.client_id,
            lifetime=600,
        )
        for _ in range(_MOST_TRIES):
            answer = requests.patch(
                f"{url}/api/data/v9.2/invoices({invoice.invoice_id})",
                json={"msdyn_projectinvoicestatus": status},
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
                allow_redirects=False,
            )
            # A fault that waited for the app may meet this client instead.
            if answer.status_code == 204:
                return True
        return False

    def calm(self) -> None:
        """No more faults; what is spoiled stays so."""
        for service, switches in _CALM.items():
            self.tenant.switch(service, **switches)

    def draft(self, lines: int, edited: float) -> Invoice:
        """Make a draft."""
        self.seeds += 1
        return self._add(self.tenant.draft(lines, seed=self.seeds, edited=edited))

    def correct(self, invoice: Invoice) -> Invoice:
        """Make a corrective draft of a confirmed invoice; a billed sale can be corrected once."""
        invoice.corrected = True
        return self._add(self.tenant.correct(invoice.invoice_id))

    def _add(self, invoice_id: str) -> Invoice:
        invoice = Invoice(invoice_id, str(self.tenant.invoice(invoice_id)["number"]))
        self.invoices.append(invoice)
        return invoice

    def confirm(self, invoice: Invoice) -> None:
        """Press Confirm."""
        self.tenant.confirm(invoice.invoice_id)
        invoice.confirmed = True
        self.look(invoice)

    def post(self, invoice: Invoice) -> bool:
        """The accountant imports from staging and posts the proposal; False where Finance has nothing to post."""
        company = str(self.tenant.invoice(invoice.invoice_id)["company"])
        self.tenant.book(company)
        try:
            self.tenant.post_proposal(company, invoice.number)
        except RuntimeError:
            return False
        invoice.posted |= self.detail(invoice)
        return True

    def detail(self, invoice: Invoice) -> dict[str, tuple[str, ...]]:
        """The values that posting gave the billed sales of an invoice, by key. Only Finance may change them."""
        rows = self.tenant.lines("finance", f"actuals?proposal={invoice.number}&type=BilledSales")
        return {
            str(row["ActualsImportId"]).lower(): tuple(str(row[name]) for name in _OWNED)
            for row in rows
            if row["VoucherNumber"]
        }

    def look(self, invoice: Invoice) -> bool:
        """Read what the confirmation has produced so far; True when that is more than before."""
        produced: dict[str, dict[str, str]] = {"header": {}, "actual": {}, "connection": {}}
        for row in self.tenant.produced(invoice.invoice_id):
            produced[row["kind"]][_key(row)] = str(row.get("actualId") or row.get("connectionId") or invoice.invoice_id)
        grown = sum(map(len, produced.values())) > sum(map(len, invoice.produced.values()))
        invoice.produced = produced
        return grown

    def spoil(self, kind: str, key: str) -> None:
        """Let Finance refuse a row."""
        entity, name = {
            "header": (HEADERS.label, "INVOICEPROPOSALID"),
            "actual": (ACTUALS.label, "ACTUALID"),
            "connection": (CONNECTIONS.label, "CONNECTIONID"),
        }[kind]
        self.spoiled.append({"entity": entity, "field": name, "equals": key, "message": f"'{key}' is spoiled"})
        self.tenant.switch("finance", rejectRows=self.spoiled)

    def mend(self) -> None:
        """Let Finance take everything again."""
        self.spoiled.clear()
        self.tenant.switch("finance", rejectRows=[])

    def await_idle(self) -> None:
        """Wait until no import is under way."""
        while self.tenant.counts()["running"]:
            continue

    def _journal(self) -> list[dict[str, Any]]:
        return list(self.tenant.lines("finance", f"journal?after={self.seen}"))

    def check_rows(self) -> None:
        """No row without a confirmation, none twice, and none before the rows that it needs."""
        entries = self._journal()
        if not entries:
            return
        self.seen = max(int(entry["seq"]) for entry in entries)
        for entry in entries:
            row = (_KINDS[entry["entity"]], str(entry["key"]).rpartition(",")[2])
            row = row if row[0] == "header" else (row[0], row[1].lower())
            self._check_entry(row, str(entry["action"]))
        counts = self.tenant.counts()
        assert (counts["duplicates"], counts["clashes"]) == (0, 0), counts

    def _check_entry(self, row: tuple[str, str], action: str) -> None:
        assert self._is_eligible(row), f"{row} is in Finance, and no confirmation produced it"
        assert (action == "created") == (row not in self.created), f"{row} was {action} and was there: {self.created}"
        self.created.add(row)

    def _is_eligible(self, row: tuple[str, str]) -> bool:
        confirmed = [invoice for invoice in self.invoices if invoice.confirmed]
        return any(row in invoice.keys for invoice in confirmed) or any(
            # It may be one that Dataverse has added meanwhile.
            self.look(invoice) and row in invoice.keys
            for invoice in confirmed
        )

    def held_of(self, invoice: Invoice) -> set[tuple[str, str]]:
        """What Finance has taken in of an invoice."""
        return invoice.keys & self.created


def _key(row: Mapping[str, Any]) -> str:
    if row["kind"] == "header":
        return str(row["number"])
    if row["kind"] == "connection":
        return str(row["connectionId"]).lower()
    return str(row["importId"] or uuid5(_IMPORT_IDS, str(row["actualId"]).lower())).lower()

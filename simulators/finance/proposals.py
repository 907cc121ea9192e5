"""Invoice proposals and the integration journal: what they hold, and posting them."""

import sqlite3
from typing import Any

from simulators.finance.fields import decimal_text
from simulators.finance.ledger import Posting, post_rows
from simulators.finance.periodic import StagingImport
from simulators.finance.store import Store
from simulators.finance.switches import Switches

# Whole units and fractions are summed separately: scaled amounts of a large invoice exceed 64 bits.
_LINES = """
SELECT count(*) AS lines, count(DISTINCT l.actual) AS rows, max(a.transactioncurrencyid) AS currency,
  coalesce(sum(CASE WHEN a.billingtype = 'Chargeable' THEN l.amount / 1000000 END), 0) AS units,
  coalesce(sum(CASE WHEN a.billingtype = 'Chargeable' THEN l.amount % 1000000 END), 0) AS millionths,
  min(a.state) = 2 AS posted
FROM proposal_lines l JOIN actuals a ON a.recid = l.actual WHERE l.company = ? AND l.proposalid = ?
"""
_LINES_TO_POST = """
SELECT DISTINCT l.actual FROM proposal_lines l JOIN actuals a ON a.recid = l.actual
WHERE l.company = ? AND l.proposalid = ? AND a.state = 1
"""
_JOURNAL_TO_POST = """
SELECT recid FROM actuals
WHERE dataareaid = ? AND state = 1 AND transactiontype IN ('Cost', 'Sales', 'InterOrgSales', 'ResourcingUnitCost')
"""
_ALL = """
SELECT dataareaid, invoiceproposalid FROM headers
UNION SELECT dataareaid, invoiceproposalid FROM actuals WHERE transactiontype = 'BilledSales'
ORDER BY 1, 2
"""
_STAGED = """
SELECT count(*) AS rows, coalesce(sum(state = 0), 0) AS open FROM actuals
WHERE dataareaid = ? AND invoiceproposalid = ? AND transactiontype = 'BilledSales'
"""


class NothingToPost(Exception):
    """A proposal that does not exist, has no lines, or is already posted."""


class Proposals:
    """Reads and posts. All methods block: call them from a thread."""

    def __init__(self, store: Store, switches: Switches, periodic: StagingImport) -> None:
        self._store = store
        self._switches = switches
        self._periodic = periodic

    def all(self) -> list[dict[str, Any]]:
        """Return every proposal that has a header or billed sales."""
        return [self.one(row["dataareaid"], row["invoiceproposalid"]) for row in self._store.rows(_ALL)]

    def one(self, company: str, proposal: str) -> dict[str, Any]:
        """Return a proposal: its lines, their chargeable total as exact text, and what it waits for.

        `ready` means that every billed row is a line or could become one now; `blockedBy` gives the reason otherwise.
        """
        header = self._header(company, proposal)
        lines = self._store.rows(_LINES, (company, proposal))[0]
        staged = self._store.rows(_STAGED, (company, proposal))[0]
        blocked = self._periodic.readiness(company, proposal)
        currency = lines["currency"] or (header["salescurrency"] if header else "")
        return {
            "proposalId": proposal,
            "company": company,
            "headerPresent": header is not None,
            "lines": lines["lines"],
            "duplicateLines": lines["lines"] - lines["rows"],
            "total": decimal_text(lines["units"] * 1_000_000 + lines["millionths"]),
            "currency": currency,
            "billedRows": staged["rows"],
            "openRows": staged["open"],
            "ready": not blocked and staged["rows"] > 0,
            "blockedBy": blocked,
            "posted": bool(lines["posted"]),
        }

    def post(self, company: str, proposal: str) -> dict[str, Any]:
        """Post the rows of a proposal's lines and return it; raises NothingToPost."""
        records = [row["actual"] for row in self._store.rows(_LINES_TO_POST, (company, proposal))]
        if not records:
            raise NothingToPost(f"Invoice proposal {proposal} of company {company} has no lines to post.")
        with self._store.writing() as db:
            post_rows(db, records, Posting("PSI", self._switches.sales_tax_percent))
        return self.one(company, proposal)

    def post_journal(self, company: str) -> int:
        """Post all lines of the integration journal of a company and return how many there were."""
        records = [row["recid"] for row in self._store.rows(_JOURNAL_TO_POST, (company,))]
        if records:
            with self._store.writing() as db:
                post_rows(db, records, Posting("PPJ", 0))
        return len(records)

    def _header(self, company: str, proposal: str) -> sqlite3.Row | None:
        sql = "SELECT salescurrency FROM headers WHERE dataareaid = ? AND invoiceproposalid = ?"
        return next(iter(self._store.rows(sql, (company, proposal))), None)

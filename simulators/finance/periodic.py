"""Finance's own periodic job "Import from staging table", for one company.

Unposted cost and unbilled sales become lines of the integration journal. Billed sales become lines of their invoice
proposal, all of a proposal or none: each row must be ready first. A run uses what it read at its start, so two
concurrent runs add the same lines twice.
"""

import asyncio
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from simulators.finance.ledger import POSTED
from simulators.finance.store import Store
from simulators.finance.switches import Switches

NOT_POSTED = (
    "Project transaction hasn't been posted yet. Verify that you have posted all of the related integration journals "
    "and try again."
)
MISMATCH = (
    "Invoice proposal wasn't processed because of mismatched billed sales actuals with Dataverse. Try again later. "
    "Contact your administrator if issue still exists."
)
NO_HEADER = "Invoice proposal {proposal} does not exist."


class RunRefused(Exception):
    """A second run was started during another one, and concurrent runs are switched off."""


@dataclass
class Plan:
    """What a run read at its start."""

    journal: list[int] = field(default_factory=list)
    proposals: dict[str, list[sqlite3.Row]] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)


class StagingImport:
    """The periodic job."""

    def __init__(self, store: Store, switches: Switches) -> None:
        self._store = store
        self._switches = switches
        self._running: Counter[str] = Counter()

    async def run(self, company: str) -> dict[str, Any]:
        """Run once and say what was made: journal lines, proposals with lines, proposals blocked and why."""
        if self._running[company] and not self._switches.allow_overlap:
            raise RunRefused(f"Import from staging table is running already for company {company}.")
        self._running[company] += 1
        try:
            plan = await asyncio.to_thread(self._plan, company)
            await asyncio.sleep(self._switches.import_from_staging_seconds)
            return await asyncio.to_thread(self._carry_out, company, plan)
        finally:
            self._running[company] -= 1

    def log(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the log entries behind a sequence number."""
        rows = self._store.rows("SELECT * FROM import_log WHERE seq > ? ORDER BY seq", (after,))
        return [dict(row) for row in rows]

    def readiness(self, company: str, proposal: str) -> str:
        """Return why the open billed sales of a proposal cannot become lines, "" when they can."""
        rows = self._store.rows(_OPEN_BILLED_OF_ONE, (company, proposal))
        return self._blocked_by(company, proposal, rows)

    def _plan(self, company: str) -> Plan:
        plan = Plan()
        plan.journal = [row["recid"] for row in self._store.rows(_OPEN_FOR_JOURNAL, (company,))]
        for row in self._store.rows(_OPEN_BILLED, (company,)):
            plan.proposals.setdefault(row["invoiceproposalid"], []).append(row)
        for proposal, rows in plan.proposals.items():
            reason = self._blocked_by(company, proposal, rows)
            if reason:
                plan.blocked[proposal] = reason
        return plan

    def _blocked_by(self, company: str, proposal: str, rows: list[sqlite3.Row]) -> str:
        sql = "SELECT 1 FROM headers WHERE dataareaid = ? AND invoiceproposalid = ?"
        if not self._store.rows(sql, (company, proposal)):
            return NO_HEADER.format(proposal=proposal)
        return next(filter(None, map(self._row_blocked_by, rows)), "")

    def _row_blocked_by(self, row: sqlite3.Row) -> str:
        """A milestone or retainer needs nothing more. Other rows need the row that they bill, linked and posted.

        The reversal of a correction is linked to the billed row that it reverses instead.
        """
        if row["transactionclassification"] in {self._switches.retainer_class, self._switches.milestone_class}:
            return ""
        backing = self._store.rows(_BACKING, (row["actualid"],) * 2)
        if not backing:
            return MISMATCH
        return "" if all(one["state"] == POSTED for one in backing) else NOT_POSTED

    def _carry_out(self, company: str, plan: Plan) -> dict[str, Any]:
        built = {}
        with self._store.writing() as db:
            _take(db, plan.journal)
            for proposal, rows in plan.proposals.items():
                if proposal in plan.blocked:
                    _log(db, company, proposal, plan.blocked[proposal])
                else:
                    _add_lines(db, company, proposal, rows)
                    built[proposal] = len(rows)
        return {"journalLines": len(plan.journal), "proposals": built, "blocked": plan.blocked}


# The states are literals (0 open, 1 taken, 2 posted), because a partial index is not used with a parameter.
_OPEN_FOR_JOURNAL = """
SELECT recid FROM actuals
WHERE dataareaid = ? AND state = 0 AND transactiontype IN ('Cost', 'Sales', 'InterOrgSales', 'ResourcingUnitCost')
"""
_OPEN_BILLED = """
SELECT recid, actualid, invoiceproposalid, transactionclassification, amount FROM actuals
WHERE dataareaid = ? AND state = 0 AND transactiontype = 'BilledSales'
"""
_OPEN_BILLED_OF_ONE = """
SELECT recid, actualid, invoiceproposalid, transactionclassification, amount FROM actuals INDEXED BY actuals_by_proposal
WHERE dataareaid = ? AND invoiceproposalid = ? AND state = 0 AND transactiontype = 'BilledSales'
"""
_BACKING = """
SELECT a.state FROM connections c JOIN actuals a ON a.actualid = c.transaction2id
WHERE c.transaction1id = ? AND ((c.transaction1role = 'Billed Sales' AND c.transaction2role = 'Unbilled Sales'
  AND a.transactiontype = 'Sales')
  OR (c.transaction1role = 'Reversing' AND c.transaction2role = 'Original' AND a.transactiontype = 'BilledSales'))
UNION ALL
SELECT a.state FROM connections c JOIN actuals a ON a.actualid = c.transaction1id
WHERE c.transaction2id = ? AND ((c.transaction2role = 'Billed Sales' AND c.transaction1role = 'Unbilled Sales'
  AND a.transactiontype = 'Sales')
  OR (c.transaction2role = 'Reversing' AND c.transaction1role = 'Original' AND a.transactiontype = 'BilledSales'))
"""


def _take(db: sqlite3.Connection, records: list[int]) -> None:
    sql = "UPDATE actuals SET state = 1, isjournalized = 'Yes' WHERE recid = ? AND state = 0"
    db.executemany(sql, [(record,) for record in records])


def _add_lines(db: sqlite3.Connection, company: str, proposal: str, rows: list[sqlite3.Row]) -> None:
    db.executemany(
        "INSERT INTO proposal_lines (company, proposalid, actual, amount) VALUES (?, ?, ?, ?)",
        [(company, proposal, row["recid"], row["amount"]) for row in rows],
    )
    _take(db, [row["recid"] for row in rows])


def _log(db: sqlite3.Connection, company: str, subject: str, message: str) -> None:
    row = (company, "Error", subject, message)
    db.execute("INSERT INTO import_log (company, severity, subject, message) VALUES (?, ?, ?, ?)", row)

"""The invoices of a reconciliation: those that Dataverse lists as confirmed, and those that have a run.

Neither list alone is complete. Dataverse lists an invoice whose webhook was lost. A run remembers an invoice that
Dataverse no longer lists, because its status was set back or it was deleted.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay_contract.reconciliation import Expected
from shared.engine.ports import Ports
from shared.ledger.run import State
from shared.project_operations.invoices import (
    Invoice,
    changed_invoices,
    confirmed_at,
    confirmed_before_go_live,
    was_confirmed,
)


@dataclass(frozen=True)
class Scope:
    """The invoices to compare. For a period: how many Dataverse lists as `confirmed`, how many have `runs`, and
    which of the former were confirmed before go-live and have no run."""

    invoices: tuple[UUID, ...]
    confirmed: int | None = None
    runs: int | None = None
    before_go_live: frozenset[UUID] = frozenset()

    def describe(self) -> Expected:
        """The expected numbers, for the API."""
        return Expected(confirmed=self.confirmed, runs=self.runs, before_go_live=len(self.before_go_live))


async def scope_of(ports: Ports, since: datetime, until: datetime) -> Scope:
    """The invoices that were confirmed in [since, until], or changed in it while confirmed, and those whose run was
    accepted in it. Raises the errors of reading."""
    entries = ports.run_list.entries(since=since, until=until)
    runs = [entry.subject async for entry in entries if entry.state != State.REJECTED]
    known = frozenset(runs)
    # Open-ended on purpose: a later payment changes an invoice again, out of the period in which it was confirmed.
    listed = [
        invoice
        async for invoice in changed_invoices(ports, since=since)
        if await _is_of(ports, invoice, since, until, known)
    ]
    ids = [invoice.invoice_id for invoice in listed]
    old = [invoice.invoice_id for invoice in listed if await is_of_dual_write(ports, invoice)]
    return Scope(tuple(dict.fromkeys([*ids, *runs])), len(ids), len(known), frozenset(old))


async def _is_of(ports: Ports, invoice: Invoice, since: datetime, until: datetime, runs: Collection[UUID]) -> bool:
    """Whether an invoice that was changed since `since` belongs to the period. One that was changed after the period
    may have been confirmed in it. Its run tells, or without a run its billed sales."""
    if invoice.created_at > until:
        return False
    if invoice.invoice_id in runs or invoice.modified_at <= until:
        return await was_confirmed(ports, invoice.invoice_id, invoice.standing)
    if await _is_carried(ports, invoice):
        return False
    confirmed = await confirmed_at(ports, invoice.invoice_id)
    return confirmed is not None and since <= confirmed <= until


async def is_of_dual_write(ports: Ports, invoice: Invoice) -> bool:
    """Whether an invoice was confirmed before SWEEP_START and has not been carried by this app."""
    if ports.settings.sweep_start is None or await _is_carried(ports, invoice):
        return False
    return await confirmed_before_go_live(ports, invoice.invoice_id, invoice.created_at)


async def _is_carried(ports: Ports, invoice: Invoice) -> bool:
    """Whether an invoice has a run that was not rejected."""
    run = await ports.ledger.look(invoice.invoice_id)
    return run is not None and run.state != State.REJECTED

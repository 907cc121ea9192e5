"""Actuals that are out of sync for a person: money per project and invoice, then one by one; and what is done."""

from rich.console import Group, RenderableType
from rich.text import Text

from ops.answers import OutOfSync, OutOfSyncActual, OutOfSyncGroup, Sync
from ops.screen import safe
from ops.times import show_time
from ops.views.layout import add, amounts, counted, state, table


def out_of_sync_view(found: OutOfSync) -> RenderableType:
    """How many there are of how many, the groups, and the first actuals."""
    head = safe(
        f"{counted(found.rows, 'actual')} out of sync, of {found.examined:,} examined.",
        "yellow" if found.rows else "green",
    )
    more = "The period has more, which were not examined: narrow it with --since, --until or --invoice."
    lines = [head, *([safe(more, "yellow")] if found.more else [])]
    if not found.rows:
        return Group(*lines)
    listed = len(found.actuals)
    first = [safe(f"The first {listed:,} of {found.rows:,} are listed.")] if found.rows > listed else []
    return Group(*lines, Text(), _groups(found.groups), Text(), _actuals(found.actuals), *first)


def _groups(groups: list[OutOfSyncGroup]) -> RenderableType:
    view = table("Kind", "Project", "Invoice", ">Actuals", ">Amounts", "Oldest")
    for each in groups:
        where = (each.project or "-", each.invoice_number or each.invoice_id)
        add(view, state(each.kind), *where, f"{each.rows:,}", amounts(each.amounts), show_time(each.oldest))
    return view


def _actuals(actuals: list[OutOfSyncActual]) -> RenderableType:
    view = table("Actual", "Kind", "Type", "Project", "Invoice", ">Amount", "Created")
    for each in actuals:
        where = (each.project or "-", each.invoice_number or each.invoice_id)
        money = amounts({each.currency: each.amount})
        add(view, each.actual_id, state(each.kind), each.type, *where, money, show_time(each.created_on))
    return view


def sync_view(sync: Sync) -> RenderableType:
    """What is done for each invoice, and how many are left alone."""
    verb = "Would sync" if sync.dry_run else "Syncing"
    view = table("Invoice", "Kind", ">Actuals", "Action")
    for each in sync.invoices:
        name = each.invoice_number or each.invoice_id
        add(view, name, state(each.kind), f"{each.rows:,}", each.action)
    invoices = len({each.invoice_id for each in sync.invoices})
    head = safe(f"{verb} {counted(sync.rows, 'row')} of {counted(invoices, 'invoice')}.")
    left = f"Left alone: {counted(sync.not_ours, 'row')} of no confirmed invoice, which are not this app's to send."
    return Group(head, *([view] if sync.invoices else []), *([safe(left, "yellow")] if sync.not_ours else []))

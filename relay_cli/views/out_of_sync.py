"""View of actuals that are out of sync: sums per project and invoice, single rows, and what was done."""

from rich.console import Group, RenderableType
from rich.text import Text

from relay_cli.screen import safe
from relay_cli.times import show_time
from relay_cli.views.layout import add, amounts, counted, state, table
from relay_contract.out_of_sync import Loose, OutOfSync, OutOfSyncActual, OutOfSyncGroup, Refusal, Sync


def out_of_sync_view(found: OutOfSync) -> RenderableType:
    """The counts, the groups, the first actuals, and what was done about them."""
    head = safe(
        f"{counted(found.rows, 'actual')} out of sync, of {found.examined:,} examined.",
        "yellow" if found.rows else "green",
    )
    told = [safe(f"Not looked at: {found.left_out}.")] if found.left_out else []
    done = [Text(), _sync(found.sync)] if found.sync and found.state == "done" else []
    if not found.rows:
        return Group(head, *told, *done)
    listed = len(found.actuals)
    first = [safe(f"The first {listed:,} of {found.rows:,} are listed.")] if found.rows > listed else []
    return Group(head, *told, Text(), _groups(found.groups), Text(), _actuals(found.actuals), *first, *done)


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


def _sync(sync: Sync) -> RenderableType:
    back = f"Written back: {counted(sync.written_back, 'actual')}." if sync.written_back else ""
    lines = [_invoices(sync)] if sync.invoices else []
    lines += [safe(text) for text in (back, _loose(sync.loose)) if text]
    refused = [*sync.refused, *sync.loose.rejected]
    count = sync.refusals + sync.loose.rejections
    if refused:
        lines += [safe(f"Refused: {counted(count, 'actual')}.", "yellow"), _refusals(refused)]
    return Group(*(lines or [safe("Nothing to send or to write back.")]))


def _invoices(sync: Sync) -> RenderableType:
    view = table("Invoice", ">Missing", "Action")
    for each in sync.invoices:
        add(view, each.invoice_number or each.invoice_id, f"{each.rows:,}", each.action)
    return view


def _loose(loose: Loose) -> str:
    if not loose.rows:
        return ""
    under_way = f", {loose.under_way:,} under way" if loose.under_way else ""
    sent = counted(loose.rows, "actual")
    return f"Sent by themselves, of no invoice: {sent}; {loose.in_finance:,} in Finance{under_way}."


def _refusals(refused: list[Refusal]) -> RenderableType:
    view = table("Actual", "Reason")
    for each in refused:
        add(view, each.actual_id, each.text)
    return view

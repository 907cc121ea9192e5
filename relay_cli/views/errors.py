"""Views of rejected rows: by group, and one by one."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from relay_cli.screen import safe
from relay_cli.times import show_time
from relay_cli.views.layout import add, counted, listing, table
from relay_contract.errors import ErrorGroup, ErrorRow


def groups_view(groups: Sequence[ErrorGroup]) -> RenderableType:
    """A paragraph for each group: what, how often, where, and what to do."""
    return Group(*(group_view(each) for each in groups)) if groups else Text("No rejected rows.")


def group_view(group: ErrorGroup) -> RenderableType:
    """A group in a few lines. The first line has all counts."""
    dismissed = f" ({group.dismissed:,} dismissed)" if group.dismissed else ""
    head = Text("  ").join(
        [
            safe(group.group, "bold"),
            safe(group.map),
            safe(group.error_class, "yellow"),
            safe(counted(group.rows, "row") + dismissed),
            safe(counted(group.invoice_count, "invoice")),
            safe(f"{show_time(group.first_seen)} to {show_time(group.last_seen)}"),
        ]
    )
    lines = [safe(group.pattern)]
    if group.hint:
        lines.append(safe(f"Next: {group.hint}", "cyan"))
    lines.append(safe(f"Invoices: {listing(group.invoices, group.invoice_count)}"))
    return Group(head, Padding(Group(*lines), (0, 0, 1, 2), expand=False))


def rows_view(group: ErrorGroup, rows: Sequence[ErrorRow]) -> RenderableType:
    """A group and its rows, each with Finance's message."""
    view = table("Invoice", "Key", "Line", ">Tries", "Last seen", "Dismissed", "Text")
    for row in rows:
        gone = row.dismissed
        why = f"{gone.reason} ({gone.by}, {show_time(gone.at)})" if gone else ""
        number = row.invoice_number or row.invoice_id
        add(view, number, row.key, row.line, row.tries, show_time(row.last_seen), why, row.text)
    return Group(group_view(group), view)

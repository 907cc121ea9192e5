"""Building blocks of the views: tables, amounts, states."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from rich import box
from rich.table import Table
from rich.text import Text

from relay_cli.screen import safe

STATE_STYLES = {
    "completed": "green",
    "done": "green",
    "written back": "green",
    "needs attention": "yellow",
    "failed": "bold red",
    "rejected": "red",
    "refused": "red",
    "missing": "yellow",
}
VERDICT_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "cyan"}


def table(*columns: str) -> Table:
    """An empty table; a column whose name starts with ">" holds numbers."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        # Keys are meant to be copied: on a narrow terminal they wrap and are never cut.
        made.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    return made


def add(to: Table, *cells: object) -> None:
    """Add a row. Text without style is added unchanged."""
    to.add_row(*(cell if isinstance(cell, Text) else safe("-" if cell is None else cell) for cell in cells))


def amounts(of: Mapping[str, Decimal]) -> str:
    """Amounts per currency, to their last decimal: 1,234.5000 USD, 7.00 EUR."""
    # `f` keeps all decimals and never writes an exponent, as str() of a Decimal may.
    return ", ".join(f"{amount:,f} {currency}" for currency, amount in sorted(of.items())) or "-"


def state(name: str) -> Text:
    """A state in its colour."""
    return safe(name, STATE_STYLES.get(name, "cyan"))


def verdict(name: str) -> Text:
    """A verdict of a check in its colour."""
    return safe(name, VERDICT_STYLES[name])


def counted(number: int, noun: str) -> str:
    """A number of things: 1 row, 2,981 rows."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listing(items: Iterable[str], total: int | None = None) -> str:
    """Items in a row, and how many more there are."""
    shown = list(items)
    more = (total or 0) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")

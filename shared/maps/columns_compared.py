"""Compares the row that a map sends with the row that Finance holds, column by column. Verification and reconciliation
both use this module, so they cannot disagree about a row.

Finance has no empty values: an empty text, zero, the first element of NoYes, 1 January 1900 and the empty GUID all
count as empty. It stores a day as noon UTC, compares texts without regard to case and removes trailing blanks. Any
other change that Finance makes (a truncated text, a rounded amount) is a difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from shared.maps.table_map import TableMap
from shared.maps.transforms import Row

_NOTHING = {"", "1900-01-01", "00000000-0000-0000-0000-000000000000"}
_NO_DAY = "1900-01-01T"
_NO = "No"


@dataclass(frozen=True)
class ColumnDiffers:
    """A column in which the value in Finance differs from the value that the map sends. Both are texts."""

    column: str
    source: str
    target: str


@dataclass(frozen=True)
class RowDiffers:
    """A row with differing columns. `key` identifies it in Finance, `source_id` in Dataverse."""

    key: str
    source_id: str
    columns: Sequence[ColumnDiffers]


def compared_columns(table_map: TableMap) -> tuple[str, ...]:
    """The mapped columns that are compared: all that are sent. Columns owned by Finance are not (`TableMap.owned`)."""
    return table_map.columns


def unseen_columns(table_map: TableMap, held_row: Row) -> tuple[str, ...]:
    """The mapped columns that cannot be compared, because Finance does not return them."""
    shown = {name.upper() for name in held_row}
    return tuple(column for column in compared_columns(table_map) if column not in shown)


def differing_columns(table_map: TableMap, sent: Sequence[str], held_row: Row) -> list[ColumnDiffers]:
    """The columns in which a row in Finance differs from what the map sends. The package's column names are the
    OData names in capitals. Columns that Finance does not return are skipped (see `unseen_columns`)."""
    shown = {name.upper(): value for name, value in held_row.items()}
    texts: Mapping[str, str] = dict(zip(table_map.columns, sent, strict=True))
    return [
        ColumnDiffers(column, texts[column], _shown(shown[column]))
        for column in compared_columns(table_map)
        if column in shown and not same_value(texts[column], shown[column])
    ]


def same_value(text: str, value: Any) -> bool:
    """Whether a value that Finance returns equals a text of the package."""
    # Before the numbers, because a bool is an int in Python.
    if isinstance(value, bool):
        return text.lower() == ("yes" if value else "no") or (not text and not value)
    if isinstance(value, int | float | Decimal):
        return _same_number(text, Decimal(str(value)))
    shown = str(value or "")
    return _plain(text) == _plain(shown) or _same_nothing(text, shown) or _same_instant(text.strip(), shown)


def describe_differences(rows: Sequence[RowDiffers], most: int = 3) -> str:
    """The first rows with their differing columns and both values, for an operator."""
    named = "; ".join(f"{row.key}: {_columns(row.columns)}" for row in rows[:most])
    further = len(rows) - most
    return named + (f"; and {further} more" if further > 0 else "")


def _columns(columns: Iterable[ColumnDiffers]) -> str:
    return ", ".join(
        f"{each.column} {_quoted(each.source)} in Dataverse, {_quoted(each.target)} in Finance" for each in columns
    )


def _quoted(text: str, most: int = 60) -> str:
    return f"'{text}'" if len(text) <= most else f"'{text[:most]}…' ({len(text)} characters)"


def _shown(value: Any) -> str:
    # str() of a Decimal may write 1E+3, which an operator would not find in either service.
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _same_number(text: str, value: Decimal) -> bool:
    try:
        return Decimal(text.strip() or 0) == value
    except InvalidOperation:
        return False


def _same_nothing(text: str, shown: str) -> bool:
    if text.strip().lower() not in _NOTHING and not text.startswith(_NO_DAY):
        return False
    return shown.lower() in _NOTHING or shown.startswith(_NO_DAY) or shown == _NO


def _same_instant(text: str, shown: str) -> bool:
    """Whether both are the same day, or the same instant. A day of the package equals any instant of that day in
    Finance."""
    if shown[10:11] != "T" or not text[:4].isdecimal():
        return False
    if len(text) == len("2026-11-20"):
        return text == shown[:10]
    try:
        return _instant(text) == _instant(shown)
    except ValueError:
        return False


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _plain(text: str) -> str:
    # Finance compares without regard to case and does not store trailing blanks.
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip().lower()

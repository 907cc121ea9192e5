"""What Finance shows of a value that it was sent: forms of the same value, and other values."""

from decimal import Decimal
from typing import Any

import pytest

from shared.maps.columns_compared import (
    ColumnDiffers,
    RowDiffers,
    describe_differences,
    differing_columns,
    same_value,
    unseen_columns,
)
from shared.maps.table_map import load_map
from shared.project_operations.codes import ACTUALS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1234567890.1234", Decimal("1234567890.123400")),
        ("12.50", 12.5),
        ("", 0),
        ("", Decimal("0.00")),
        ("7", 7),
        ("", ""),
        ("", None),
        ("", "1900-01-01T12:00:00Z"),
        ("", "1900-01-01T00:00:00Z"),
        ("", "00000000-0000-0000-0000-000000000000"),
        ("", "No"),
        ("Yes", True),
        ("No", False),
        ("", False),
        ("yes", "Yes"),
        ("USMF", "usmf"),
        ("BilledSales", "BilledSales"),
        ("2026-11-20", "2026-11-20T12:00:00Z"),
        ("2026-11-20T08:00:00Z", "2026-11-20T09:00:00+01:00"),
        ("two\r\nlines  ", "two\nlines"),
        ("0", "0"),
    ],
)
def test_forms_of_the_same_value_are_equal(text: str, shown: Any) -> None:
    assert same_value(text, shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1234567890.1234", Decimal("1234567890.1235")),
        ("1.235", Decimal("1.24")),
        ("", 1),
        ("5", 0),
        ("five", 5),
        ("NaN", 0),
        ("", "x"),
        ("x", ""),
        ("x", None),
        ("", "Yes"),
        ("No", True),
        ("Yes", "No"),
        ("2026-11-20", "2026-11-19T12:00:00Z"),
        ("2026-11-20", "1900-01-01T12:00:00Z"),
        ("2026-11-20T08:00:00Z", "2026-11-20T12:00:00Z"),
        ("", "2026-11-20T12:00:00Z"),
        ("  indented", "indented"),
        ("a" * 300, "a" * 255),
        ("20261120", "2026-11-20T12:00:00Z"),
    ],
)
def test_other_values_differ(text: str, shown: Any) -> None:
    assert not same_value(text, shown)


def test_all_columns_are_compared_but_those_that_finance_changes_or_does_not_show() -> None:
    table_map = load_map(ACTUALS)
    held = {column.title(): "other" for column in table_map.columns if column != "TASKNUMBER"}
    sent = ["sent" for _ in table_map.columns]
    differing = {each.column for each in differing_columns(table_map, sent, held)}
    assert differing == {*table_map.columns} - {"TASKNUMBER", *table_map.target.changes}
    assert unseen_columns(table_map, held) == ("TASKNUMBER",)


def test_the_first_rows_are_named_and_long_values_are_shortened() -> None:
    rows = [RowDiffers(f"k{number}", "", [ColumnDiffers("A", "x" * 100, "y")]) for number in range(5)]
    text = describe_differences(rows)
    assert text.startswith("k0: A '" + "x" * 60 + "…' (100 characters) in Dataverse, 'y' in Finance; k1: ")
    assert text.endswith("; and 2 more")

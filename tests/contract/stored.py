"""What tests of stored rows share: instants and totals with their texts, and how a row is compared."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from azure.data.tables.aio import TableClient

from relay_contract.version import VERSION
from shared.totals import Totals

AT = datetime(2026, 11, 20, 14, 2, 10, 123456, UTC)
STAMP = "2026-11-20T14:02:10.123Z"
LATER = AT + timedelta(minutes=5)
LATER_STAMP = "2026-11-20T14:07:10.123Z"
SIGNED = {"schema": 1, "writtenBy": VERSION}
TOTALS = Totals(2, {"USD": Decimal("1234567890.1234"), "EUR": Decimal("-0.50")}, 255)
TOTALS_TEXT = '{"rows": 2, "amounts": {"EUR": "-0.50", "USD": "1234567890.1234"}, "digest": "00000000000000ff"}'
NO_TOTALS = '{"rows": 0, "amounts": {}, "digest": "0000000000000000"}'


def frozen_clock() -> datetime:
    """The time at which everything is written."""
    return AT


async def stored(table: TableClient, partition: object, key: str) -> dict[str, Any]:
    """The columns of a row. Types count too: True and 1 are different columns to other releases."""
    row = await table.get_entity(str(partition), key)
    return {name: value for name, value in row.items() if name not in {"PartitionKey", "RowKey"}}


def same_columns(found: dict[str, Any], **wanted: Any) -> None:
    """Fail unless a row has these columns, with these types, and no other."""
    assert found == wanted
    assert {name: type(value) for name, value in found.items()} == {name: type(wanted[name]) for name in wanted}

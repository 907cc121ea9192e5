"""Comparing what a map would send with what Finance holds, column by column."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

_NO_DATE = "1900-01-01"
_NO_GUID = "00000000-0000-0000-0000-000000000000"


def differences(sent: Mapping[str, str], held: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The columns in which a row in Finance is not what the map would send: (source, target) for each.

    Column names of the package are the OData names in capitals. F&O has no empty values: an empty text, a zero, the
    year 1900 and the empty GUID all mean nothing. A column that the entity does not show cannot be compared.
    """
    shown = {name.upper(): value for name, value in held.items()}
    found = {}
    for column, text in sent.items():
        if column in shown and not _same(text, shown[column]):
            found[column] = (text, str(shown[column]))
    return found


def _same(text: str, value: Any) -> bool:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        try:
            return Decimal(text or 0) == Decimal(value)
        except InvalidOperation:
            return False
    shown = str(value or "")
    if len(shown) == len("2026-11-20T12:00:00Z") and shown[10:11] == "T":
        shown = shown[:10]
    if not text:
        return shown in {"", _NO_DATE, _NO_GUID}
    return text.lower() == shown.lower()

"""Writes one column of a row. Everything known in advance is resolved once, because this runs for millions of cells."""

from collections.abc import Callable
from typing import Any

from shared.configuration.time_zones import Zones
from shared.maps.transforms import Change, Row

type Write = Callable[[Row, Zones], str]
type Text = Callable[[Any, Row, Zones], str]
"""The text of a value. Some transforms also need the row and the time zone."""

# Types whose equal values have equal texts. This excludes decimals: 1.0 and 1.00 are equal, but their texts differ.
_EXACT = frozenset({str, int, bool, type(None)})
# Limits the memory of a column with an unexpectedly large number of values.
_MOST_KNOWN = 4096


def follow(row: Row, steps: tuple[str, ...]) -> Any:
    """The value at the end of a path through expanded lookups. None if a lookup on the path is empty."""
    value: Any = row
    for step in steps:
        if value is None:
            return None
        value = value.get(step)
    return value


def writer(steps: tuple[str, ...], text: Text, transform: Change | None) -> Write:
    """The function that writes the column at the end of `steps`. `text` converts the value."""
    if not steps:
        # A constant has no source.
        return lambda row, zone: text(None, row, zone)
    if transform is not None:
        return _cached(steps, text) if transform.of_value_alone else _uncached(steps, text)
    return _column(steps[0], text) if len(steps) == 1 else _looked_up(steps, text)


def _column(name: str, text: Text) -> Write:
    def write(row: Row, zone: Zones) -> str:
        value = row.get(name)
        if value is None:
            return ""
        if value.__class__ is str and value.isascii():
            return value
        return text(value, row, zone)

    return write


def _looked_up(steps: tuple[str, ...], text: Text) -> Write:
    first, *further = steps

    def write(row: Row, zone: Zones) -> str:
        value = row.get(first)
        for step in further:
            if value is None:
                return ""
            value = value.get(step)
        if value is None:
            return ""
        if value.__class__ is str and value.isascii():
            return value
        return text(value, row, zone)

    return write


def _cached(steps: tuple[str, ...], text: Text) -> Write:
    """A cache for columns with a transform: most of them hold few distinct values, such as days and types."""
    known: dict[Any, str] = {}

    def write(row: Row, zone: Zones) -> str:
        value = follow(row, steps)
        kind = value.__class__
        if kind not in _EXACT:
            return text(value, row, zone)
        key = (kind, value, zone)
        found = known.get(key)
        if found is None:
            found = text(value, row, zone)
            if len(known) < _MOST_KNOWN:
                known[key] = found
        return found

    return write


def _uncached(steps: tuple[str, ...], text: Text) -> Write:
    def write(row: Row, zone: Zones) -> str:
        return text(follow(row, steps), row, zone)

    return write

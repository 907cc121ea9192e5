"""Writing one column of a row: the way to its value and what is known of it, settled once for millions of cells."""

from collections.abc import Callable
from typing import Any

from shared.configuration.time_zones import Zones
from shared.maps.transforms import Change, Row

type Write = Callable[[Row, Zones], str]
type Text = Callable[[Any, Row, Zones], str]
"""The text for a value; the row and the time zone are what a transform may need besides."""

_EXACT = frozenset({str, int, bool, type(None)})
"""Types whose equal values are written equally; 1.0 and 1.00 are equal decimals and different texts."""
_MOST_KNOWN = 4096


def follow(row: Row, steps: tuple[str, ...]) -> Any:
    """The value at the end of a path through expanded lookups; None where a lookup on the way is empty."""
    value: Any = row
    for step in steps:
        if value is None:
            return None
        value = value.get(step)
    return value


def writer(steps: tuple[str, ...], text: Text, transform: Change | None) -> Write:
    """How to write the column at the end of `steps`, whose text is what `text` says."""
    if transform is not None:
        return _known(steps, text) if transform.of_value_alone else _anew(steps, text)
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


def _known(steps: tuple[str, ...], text: Text) -> Write:
    """A few values make up most columns with a transform, days and types for example: their texts are kept."""
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


def _anew(steps: tuple[str, ...], text: Text) -> Write:
    def write(row: Row, zone: Zones) -> str:
        return text(follow(row, steps), row, zone)

    return write

"""Filters of dual-write: OData that may quote numbers and name lookups by their logical names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.maps.dual_write_paths import LOOKUP_TYPES, Described
from shared.maps.odata_filter import Comparison, FilterRefused, parse_filter

_UNQUOTED = {"Picklist", "State", "Status", "Integer", "BigInt", "Money", "Decimal", "Double", "Boolean"}
_IDS = {*LOOKUP_TYPES, "Uniqueidentifier"}
_NUMBER, _TRUTH = re.compile(r"-?\d+(\.\d+)?"), re.compile(r"true|false")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

type _Edit = tuple[int, int, str]
"""Where a part begins and ends, and what stands there instead."""


@dataclass(frozen=True)
class TranslatedFilter:
    """The filter for the Web API, what was changed, and why it was not understood, if it was not."""

    text: str
    notes: tuple[str, ...] = ()
    refused: str = ""


def translate_filter(text: str, described: Described) -> TranslatedFilter:
    """A filter of dual-write as the Web API takes it."""
    try:
        found = parse_filter(text)
    except FilterRefused as refused:
        return TranslatedFilter(text, refused=f"it is no OData filter: {refused} (character {refused.at + 1})")
    edits: list[_Edit] = []
    notes: list[str] = []
    try:
        for each in found.comparisons:
            for edit, note in _translated(text, each, described):
                edits.append(edit)
                notes.append(note)
    except _Untranslatable as error:
        return TranslatedFilter(text, refused=str(error))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return TranslatedFilter(text, tuple(dict.fromkeys(notes)))


class _Untranslatable(Exception):
    """A comparison has no counterpart."""


def _translated(text: str, each: Comparison, described: Described) -> Iterator[tuple[_Edit, str]]:
    """What changes in a comparison, each with a note. Raises _Untranslatable."""
    if "." in each.path and text.rfind(each.path, 0, each.value.start) >= 0:
        raise _Untranslatable(f"{each.path} goes through a lookup, for which the Web API has another name")
    kind = described.type_of(each.path.lower())
    if kind in LOOKUP_TYPES and "." not in each.path:
        start = text.rindex(each.path, 0, each.value.start)
        name = f"_{each.path.lower()}_value"
        yield (start, start + len(each.path), name), f"{each.path} is {name} in the Web API"
    if plain := _unquoted(each, kind):
        note = f"{each.value.text} is {plain}, because {each.path} is no text"
        yield (each.value.start, each.value.end, plain), note


def _unquoted(each: Comparison, kind: str) -> str:
    """The value without its quotes, if its column is no text; "" if it stays. Raises _Untranslatable."""
    if each.value.kind != "text" or kind not in _UNQUOTED | _IDS:
        return ""
    inner = each.value.text[1:-1].strip().lower()
    if not _form(kind).fullmatch(inner):
        raise _Untranslatable(f"{each.value.text} is no value of {each.path}, which is of type {kind}")
    return inner


def _form(kind: str) -> re.Pattern[str]:
    return _ID if kind in _IDS else _TRUTH if kind == "Boolean" else _NUMBER

"""Filters of dual-write: OData that may quote numbers and name lookups by their logical names."""

from dataclasses import dataclass

from shared.maps.dual_write_paths import LOOKUP_TYPES, Described
from shared.maps.odata_filter import FilterRefused, Token, parse_filter

_UNQUOTED = {"Picklist", "State", "Status", "Integer", "BigInt", "Money", "Decimal", "Double", "Boolean"}
_IDS = {*LOOKUP_TYPES, "Uniqueidentifier"}


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
    edits: list[tuple[int, int, str]] = []
    notes: list[str] = []
    for each in found.comparisons:
        kind = described.type_of(each.path.lower())
        if kind in LOOKUP_TYPES and "." not in each.path:
            start = text.rindex(each.path, 0, each.value.start)
            edits.append((start, start + len(each.path), f"_{each.path.lower()}_value"))
            notes.append(f"{each.path} is _{each.path.lower()}_value in the Web API")
        if plain := _unquoted(each.value, kind):
            edits.append((each.value.start, each.value.end, plain))
            notes.append(f"{each.value.text} is {plain}, because {each.path} is no text")
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return TranslatedFilter(text, tuple(dict.fromkeys(notes)))


def _unquoted(value: Token, kind: str) -> str:
    """The value without its quotes, if its column is no text; "" if it stays."""
    if value.kind != "text" or kind not in _UNQUOTED | _IDS:
        return ""
    inner = value.text[1:-1]
    return inner.lower() if kind == "Boolean" else inner

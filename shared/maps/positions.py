"""Where a member stands in the text of a JSON file."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import cast

_SPACE = re.compile(r"[\s,]*")
# A character of a JSON text; one outside the first plane is written as two escapes.
_CHARACTER = re.compile(r"\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|\\u\w{4}|\\.|.", re.DOTALL)
_DECODER = json.JSONDecoder()

type Step = int | str


def place_of(text: str, path: Sequence[Step]) -> tuple[int, int]:
    """Line and column, from 1, of the value at a path. `text` must be valid JSON. A step that is not there is skipped,
    so a missing member has the place of what should hold it."""
    return line_and_column(text, _find(text, _skip(text, 0), list(path)))


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


def place_in(text: str, path: Sequence[Step], length: int) -> tuple[int, int]:
    """Line and column, from 1, of the character of a text value behind its first `length` ones. One character may be
    written as several: `\\u0027`."""
    index = _find(text, _skip(text, 0), list(path)) + 1
    for _ in range(length):
        one = _CHARACTER.match(text, index)
        index = one.end() if one else index
    return line_and_column(text, index)


def place_of_doubled(text: str) -> tuple[str, int, int] | None:
    """Name, line and column of the second of two members of one name in one object, or None. `text` must be valid
    JSON."""
    found = _doubled(text, _skip(text, 0))
    return (found[0], *line_and_column(text, found[1])) if found else None


def _doubled(text: str, start: int) -> tuple[str, int] | None:
    known = set[Step]()
    for name, name_index, index in _each(text, start) if text[start] in "{[" else ():
        if name in known:
            return str(name), name_index
        known.add(name)
        if inner := _doubled(text, index):
            return inner
    return None


def _find(text: str, start: int, path: list[Step]) -> int:
    while path:
        step = path.pop(0)
        members = _each(text, start) if text[start] in "{[" else ()
        start = next((index for name, _, index in members if name == step), start)
    return start


def _each(text: str, start: int) -> Iterator[tuple[Step, int, int]]:
    """The members of an object or a list: each name or number, where it begins, and where its value begins."""
    index, is_object, number = _skip(text, start + 1), text[start] == "{", 0
    while text[index] not in "}]":
        name, name_index = cast("Step", number), index
        if is_object:
            name, index = _DECODER.raw_decode(text, index)
            index = _skip(text, text.index(":", index) + 1)
        yield name, name_index, index
        number += 1
        index = _skip(text, _DECODER.raw_decode(text, index)[1])


def _skip(text: str, index: int) -> int:
    space = _SPACE.match(text, index)
    return space.end() if space else index

"""Where a member stands in the text of a JSON file."""

import json
import re
from collections.abc import Sequence
from typing import Any

_SPACE = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()

type Step = int | str


def place_of(text: str, path: Sequence[Step]) -> tuple[int, int]:
    """Line and column, from 1, of the value at a path. `text` must be valid JSON. A step that is not there is skipped,
    so a missing member has the place of what should hold it."""
    return line_and_column(text, _find(text, _skip(text, 0), list(path)))


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


def _find(text: str, start: int, path: list[Step]) -> int:
    while path:
        step = path.pop(0)
        found = _members(text, start).get(step) if text[start] in "{[" else None
        start = start if found is None else found
    return start


def _members(text: str, start: int) -> dict[Step, int]:
    """Where the members of an object or a list begin."""
    found: dict[Step, int] = {}
    index, is_object = _skip(text, start + 1), text[start] == "{"
    while text[index] not in "}]":
        name: Any = len(found)
        if is_object:
            name, index = _DECODER.raw_decode(text, index)
            index = _skip(text, text.index(":", index) + 1)
        found[name] = index
        index = _skip(text, _DECODER.raw_decode(text, index)[1])
    return found


def _skip(text: str, index: int) -> int:
    space = _SPACE.match(text, index)
    return space.end() if space else index

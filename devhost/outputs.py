"""Converts what a function returned for a queue output binding into queue messages, as the host does."""

import json
import re
from typing import Any

from devhost.worker import Datum

_FRACTION = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{1,7})(Z?)$")


def list_messages(datum: Datum) -> list[bytes]:
    """Return the messages that a value makes.

    The host parses text that is JSON and serializes it again: an object is indented, its numbers become doubles (1.10
    becomes 1.1) and its timestamps lose trailing zeros; an array becomes one message per element. Bytes and the strings
    of a list are sent unchanged.
    """
    if datum.type is None or datum.value is None:
        return []
    if datum.type == "bytes":
        return [datum.value]
    if datum.type not in ("string", "json"):
        return [str(datum.value).encode()]
    try:
        content = _parse(datum.value)
    except ValueError:
        return [datum.value.encode()]
    elements = content if isinstance(content, list) else [content]
    return [_write(element).encode() for element in elements]


def _parse(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        raise ValueError("plain text")
    return json.loads(text)


def _write(element: Any) -> str:
    if isinstance(element, str):
        return element
    if not isinstance(element, dict | list):
        return "" if element is None else str(element)
    return json.dumps(_reformat(element), indent=2, ensure_ascii=False)


def _reformat(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reformat(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_reformat(inner) for inner in value]
    if isinstance(value, str) and (match := _FRACTION.match(value)):
        fraction = match[2].rstrip("0")
        return f"{match[1]}{'.' if fraction else ''}{fraction}{match[3]}"
    return value

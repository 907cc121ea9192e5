"""Parses the rows of a page in small portions, so that a page of thousands of rows is never in memory as objects at
once.

Dataverse begins each row with its ETag. Text inside a row cannot contain such a beginning, because its quotation marks
would be escaped. So a page can be cut into rows without parsing it. A page of another form is parsed as a whole.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_VALUE = b'"value":['
_ROW = b'{"@odata.etag":'
_BETWEEN = b"},"
# Bytes that are parsed at once: parsing many rows in one call is faster than row by row.
_PIECE = 64 * 1024

type Parse = Callable[[bytes], Any]


@dataclass(frozen=True)
class Measure:
    """The facts about a page that are known before its rows are parsed: the number of rows, the last row, and the
    members around them (except `value`)."""

    count: int
    last: dict[str, Any] | None
    frame: dict[str, Any]


def measure(body: bytes) -> Measure:
    """Measure a body that is known to be a page. Numbers are floats here, so use only ids and texts."""
    place = _place(body)
    if place is None:
        whole = json.loads(body)
        rows = whole.pop("value")
        return Measure(len(rows), rows[-1] if rows else None, whole)
    first, last, end = place
    frame = json.loads(body[:first] + body[end:])
    frame.pop("value", None)
    return Measure(body.count(_BETWEEN + _ROW, first, end) + 1, json.loads(body[last:end]), frame)


def cut(body: bytes, parse: Parse) -> tuple[Iterator[dict[str, Any]], dict[str, Any]] | None:
    """The rows of a page and the members around them (with an empty `value`). None if the page cannot be cut.

    The members are parsed at once, the rows as they are requested. Raises what `parse` raises.
    """
    place = _place(body)
    if place is None:
        return None
    first, _, end = place
    frame = parse(body[:first] + body[end:])
    if not isinstance(frame, dict) or frame.get("value") != []:
        return None
    return _rows(body, first, end, parse), frame


def _place(body: bytes) -> tuple[int, int, int] | None:
    """Where the rows begin, where the last one begins, and where it ends. None if the page cannot be cut."""
    start = body.find(_VALUE + _ROW)
    if start < 0:
        return None
    first = start + len(_VALUE)
    last = body.rfind(_BETWEEN + _ROW, first)
    last = first if last < 0 else last + len(_BETWEEN)
    # The end of the last row is found by parsing it, because it may contain brackets in texts.
    text = body[last:].decode()
    try:
        _, length = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return None
    return first, last, last + len(text[:length].encode())


def _rows(body: bytes, first: int, end: int, parse: Parse) -> Iterator[dict[str, Any]]:
    while first < end:
        following = body.find(_BETWEEN + _ROW, first + _PIECE, end)
        stop = end if following < 0 else following + 1
        yield from parse(b"[" + body[first:stop] + b"]")
        first = stop + 1

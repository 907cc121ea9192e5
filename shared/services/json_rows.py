"""The rows of a page a few at a time, so that a page of thousands is never in memory as objects all at once.

Dataverse begins each row with its ETag. No text inside a row can look like such a beginning, since its quotation marks
would be escaped; so a page can be cut into rows without reading it. What does not look so is read as a whole.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_VALUE = b'"value":['
_ROW = b'{"@odata.etag":'
_BETWEEN = b"},"
_PIECE = 64 * 1024
"""Bytes that are read at a time: a parser reads many rows faster than each by itself."""

type Parse = Callable[[bytes], Any]


@dataclass(frozen=True)
class Measure:
    """What a page says of itself before its rows are made: how many there are, the last one, and what stands around
    them (`value` excepted)."""

    count: int
    last: dict[str, Any] | None
    frame: dict[str, Any]


def measure(body: bytes) -> Measure:
    """Measure a page that was found to be one. Numbers are approximate: ids and words are what this is good for."""
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
    """The rows of a page, and what stands around them (with an empty `value`); None where it cannot be cut.

    The frame is read at once, the rows as they are asked for. Raises what `parse` raises.
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
    """Where the rows begin, where the last one begins, and where it ends; None where the page cannot be cut."""
    start = body.find(_VALUE + _ROW)
    if start < 0:
        return None
    first = start + len(_VALUE)
    last = body.rfind(_BETWEEN + _ROW, first)
    last = first if last < 0 else last + len(_BETWEEN)
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

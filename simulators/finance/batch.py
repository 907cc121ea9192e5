"""`/data/$batch`: many calls in one request. The outer answer is 200 even when every part failed.

A changeset is one transaction. It fails as a whole with a single part, whose Content-ID does not tell which call caused
the failure.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from aiohttp import web

from simulators.finance.answers import ServiceRefused
from simulators.finance.changes import Changer
from simulators.finance.data import Call, Data, Reply, refusal
from simulators.finance.fields import new_guid
from simulators.finance.gate import BUSY, ROWS_WRITTEN
from simulators.finance.queries import QUERY_EXCEPTION
from simulators.finance.switches import Switches

MOST_OPERATIONS = 5000
DUPLICATE_STATUS = 500
REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}
_BOUNDARY = re.compile(r'multipart/mixed\s*;.*boundary="?([^";]+)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """One part of a multipart body: its headers and either a call or the calls of a changeset."""

    headers: dict[str, str]
    content: bytes

    @property
    def boundary(self) -> str | None:
        """The boundary of a changeset, None for a single call."""
        return boundary_of(self.headers.get("content-type", ""))


class Batch:
    """Takes batches apart, has `Data` answer the calls, and puts the answers together."""

    def __init__(self, data: Data, changer: Changer, switches: Switches) -> None:
        self._data = data
        self._changer = changer
        self._switches = switches

    async def answer(self, request: web.Request) -> web.Response:
        """Serve one batch."""
        boundary = boundary_of(request.headers.get("Content-Type", ""))
        if boundary is None:
            raise ServiceRefused(400, "A batch request must be multipart/mixed with a boundary.", QUERY_EXCEPTION)
        parts = split(await request.read(), boundary)
        if sum(_weight(part) for part in parts) > MOST_OPERATIONS:
            text = f"The batch has more than {MOST_OPERATIONS} operations."
            raise ServiceRefused(400, text, QUERY_EXCEPTION)
        answers = await asyncio.to_thread(lambda: [self._part(part) for part in parts])
        request[ROWS_WRITTEN] = sum(_weight(part) for part in parts)
        outer = f"batchresponse_{new_guid()}"
        return web.Response(body=_join(outer, answers), headers={"Content-Type": f"multipart/mixed; boundary={outer}"})

    def _part(self, part: Part) -> bytes:
        if part.boundary is not None:
            return self._changeset(split(part.content, part.boundary))
        return _http_part(_guarded(lambda: self._single(part)), part.headers.get("content-id"))

    def _single(self, part: Part) -> Reply:
        call = read_call(part.content)
        if self._switches.spend("batch_throttle_next"):
            return _throttled(self._switches)
        if not call.changes:
            return self._data.read(call)
        with self._changer.changing() as db:
            return self._data.change(db, call, DUPLICATE_STATUS)

    def _changeset(self, parts: list[Part]) -> bytes:
        if self._switches.spend("batch_throttle_next"):
            return _http_part(_throttled(self._switches), "1")
        try:
            with self._changer.changing() as db:
                replies = [(self._change(db, part), part.headers.get("content-id")) for part in parts]
        except ServiceRefused as refused:
            return _http_part(refusal(refused), "1")
        inner = f"changesetresponse_{new_guid()}"
        head = f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode()
        return head + _join(inner, [_http_part(reply, number) for reply, number in replies])

    def _change(self, db: sqlite3.Connection, part: Part) -> Reply:
        call = read_call(part.content)
        if not call.changes:
            raise ServiceRefused(400, "A changeset cannot hold a query.", QUERY_EXCEPTION)
        try:
            return self._data.change(db, call, DUPLICATE_STATUS)
        except web.HTTPNotFound as error:
            raise ServiceRefused(404, f"Resource not found for '{call.url}'.", QUERY_EXCEPTION) from error


def boundary_of(content_type: str) -> str | None:
    """Return the boundary of a multipart content type."""
    match = _BOUNDARY.match(content_type)
    return match[1] if match else None


def split(body: bytes, boundary: str) -> list[Part]:
    """Return the parts of a multipart body."""
    chunks = body.split(f"--{boundary}".encode())[1:]
    return [_read_part(chunk) for chunk in chunks if not chunk.startswith(b"--")]


def read_call(content: bytes) -> Call:
    """Understand an embedded HTTP request; raises ServiceRefused."""
    head, _, body = content.lstrip(b"\r\n").partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    words = first.split(" ")
    if len(words) < 3:
        raise ServiceRefused(400, f"'{first}' is not a request line.", QUERY_EXCEPTION)
    return Call(words[0].upper(), " ".join(words[1:-1]), _headers(lines), body.removesuffix(b"\r\n"))


def _read_part(chunk: bytes) -> Part:
    head, _, content = chunk.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    return Part(_headers(head.decode().split("\r\n")), content)


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): text.strip() for name, _, text in pairs}


def _weight(part: Part) -> int:
    return 1 if part.boundary is None else len(split(part.content, part.boundary))


def _guarded(work: Callable[[], Reply]) -> Reply:
    try:
        return work()
    except ServiceRefused as refused:
        return refusal(refused)
    except web.HTTPNotFound:
        return Reply(404, b'{"Message":"No HTTP resource was found that matches the request URI."}')


def _throttled(switches: Switches) -> Reply:
    seconds = max(1, round(switches.retry_after_seconds))
    return Reply(429, orjson.dumps({"Message": BUSY}), {"Retry-After": str(seconds)})


def _http_part(reply: Reply, content_id: str | None) -> bytes:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    lines += [f"Content-ID: {content_id}"] if content_id else []
    status = f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Internal Server Error')}"
    lines += ["", status, *(f"{name}: {text}" for name, text in reply.headers.items()), "", ""]
    return "\r\n".join(lines).encode() + reply.body


def _join(boundary: str, parts: list[bytes]) -> bytes:
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"

"""A server on loopback that answers from a script and keeps what it was sent, byte for byte.

It reads the wire itself: a web framework would decode the target before a test could see it, and would not let an
answer end in its middle.
"""

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

_HEAD_LIMIT = 256 * 1024


class Manner(Enum):
    """How an answer is given."""

    WHOLE = auto()
    CUT = auto()
    """All headers and half of the body, then the connection ends."""
    RESET = auto()
    """Nothing, after the request was read."""
    SILENT = auto()
    """Nothing, for as long as the server lives."""


@dataclass(frozen=True)
class Reply:
    """One answer. The connection is closed after it unless `keep` is set."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = Manner.WHOLE
    keep: bool = False


@dataclass(frozen=True)
class Received:
    """One request; `target` is the path and query as they stood on the wire, header names are in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The one value of a header, None where it is absent."""
        values = [value for known, value in self.headers if known == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    @property
    def token(self) -> str:
        """The bearer token, empty where there is none."""
        return (self.header("Authorization") or "").removeprefix("Bearer ")


type Rule = Callable[[Received], Reply]


def said(content: object, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **named})


def html(status: int, **headers: str) -> Reply:
    """What a gateway answers when the service behind it is away."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, b"<html><body>The page is not available</body></html>", {"Content-Type": "text/html", **named})


class Server:
    """Sends the replies of the script in order. After the last one, `rule` decides; by default it is an error that
    names the test."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.connections = 0
        self.hangs_up = False
        """Connections are reset before anything is read from them."""
        self.rule: Rule = lambda request: said(
            {"error": {"code": "0xNOSCRIPT", "message": f"no answer is left for {request.target}"}}, 418
        )
        self._more = asyncio.Condition()
        self._script: deque[Reply] = deque()

    def script(self, *replies: Reply) -> None:
        """Put answers behind those that wait already."""
        self._script.extend(replies)

    @property
    def targets(self) -> list[str]:
        """The path and query of every request."""
        return [request.target for request in self.received]

    async def await_requests(self, count: int) -> None:
        """Wait until that many requests were read."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.received) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.hangs_up:
                _reset(writer)
                return
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        async with self._more:
            self.received.append(request)
            self._more.notify_all()
        reply = self._script.popleft() if self._script else self.rule(request)
        if reply.manner is Manner.RESET:
            _reset(writer)
            return False
        if reply.manner is Manner.SILENT:
            await reader.read()
            return False
        half = len(reply.body) // 2
        writer.write(_head(reply) + (reply.body[:half] if reply.manner is Manner.CUT else reply.body))
        await writer.drain()
        return reply.keep


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """A server, and its end."""
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=_HEAD_LIMIT)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        listener.close_clients()
        await listener.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    pairs = [text.split(":", 1) for text in fields]
    headers = tuple((name.lower(), value.strip()) for name, value in pairs)
    length = int(dict(headers).get("content-length", "0"))
    return Received(method, target, headers, await reader.readexactly(length))


def _head(reply: Reply) -> bytes:
    headers = {"Content-Length": str(len(reply.body)), **reply.headers}
    if not reply.keep:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _reset(writer: asyncio.StreamWriter) -> None:
    # Without lingering the close goes out as a reset, as from a gateway that gave up.
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

"""Lost answers: the service has done the work, and the caller does not receive the answer.

    reset     the connection is reset
    gateway   504 and a page of HTML, from a gateway that timed out
    half      all headers and half of the body, then the connection ends
    stall     nothing, for as long as the caller waits

Only good answers are lost. Calls are distinguished by method and route, the query options, and the columns in the
filter, so that two questions about one table are two kinds.
"""

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import orjson
from aiohttp import web

MANNERS = ("reset", "gateway", "half", "stall")
ANY = "*"
_GONE_CHECK_SECONDS = 0.05
_PAGE = "<html><head><title>504 Gateway Time-out</title></head><body><h1>504 Gateway Time-out</h1></body></html>"
_QUOTED_NAME = re.compile(r"PropertyName='(\w+)'")
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")
_COLUMN = re.compile(r"\b(?:_?msdyn_\w+|_\w+_value|[a-z]+(?:on|id|code)|[A-Za-z]+Id|TransactionType|VoucherNumber)\b")

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Losses:
    """Loses answers of one service according to a plan. `name` gives the method and route of a request."""

    def __init__(self, name: Callable[[web.Request], str]) -> None:
        self._name = name
        self._planned: dict[str, list[str]] = {}
        self._for_any: list[str] = []
        self._seen: Counter[str] = Counter()
        self._lost: dict[str, list[str]] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """`PUT /sim/losses` with {kind: [manner, …]} sets the plan and forgets the previous one and its counts; kind
        `*` means every kind that is not named. `GET /sim/losses`: good answers by kind, and which of them were lost."""
        router.add_get("/sim/losses", self.show)
        router.add_put("/sim/losses", self.plan)

    async def show(self, _: web.Request) -> web.Response:
        """What was seen and lost since the last plan."""
        return _json({"seen": dict(sorted(self._seen.items())), "lost": self._lost})

    async def plan(self, request: web.Request) -> web.Response:
        """Take a plan; 400 when it makes no sense."""
        try:
            planned = _read(orjson.loads(await request.read()))
        except (ValueError, TypeError, AttributeError) as error:
            return _json({"error": str(error)}, 400)
        self._for_any = planned.pop(ANY, [])
        self._planned, self._seen, self._lost = planned, Counter(), {}
        return _json({})

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware. It must be the outermost, because the finished answer is lost in transit."""
        answer = await handler(request)
        good = 200 <= answer.status < 300 and not answer.prepared
        if request.path.startswith("/sim/") or not good or not isinstance(answer, web.Response):
            return answer
        return await self._fate(request, answer)

    async def _fate(self, request: web.Request, answer: web.Response) -> web.StreamResponse:
        kind = f"{self._name(request)} {signature(request.rel_url.query)}".rstrip()
        self._seen[kind] += 1
        coming = self._planned.setdefault(kind, list(self._for_any))
        if not coming:
            return answer
        manner = coming.pop(0)
        self._lost.setdefault(kind, []).append(manner)
        return await _lose(request, answer, manner)


def signature(query: Mapping[str, str]) -> str:
    """The kind of a query without its values: the options, and the columns in the conditions."""
    if not query:
        return ""
    options = sorted({name for name in query if name.startswith("$")})
    conditions = " ".join(query.get(name, "") for name in ("$filter", "$apply"))
    plain = _LITERAL.sub("", _QUOTED_NAME.sub(r"\1", conditions))
    columns = sorted(set(_COLUMN.findall(plain)))
    return " ".join(options) + (f" by {' '.join(columns)}" if columns else "")


async def _lose(request: web.Request, answer: web.Response, manner: str) -> web.StreamResponse:
    if manner == "gateway":
        return web.Response(status=504, text=_PAGE, content_type="text/html")
    if manner == "half":
        await _send_half(request, answer)
    if manner == "stall":
        await _outlast(request)
    _reset(request)
    return answer


async def _outlast(request: web.Request) -> None:
    # aiohttp does not tell a handler that the caller has disconnected.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_GONE_CHECK_SECONDS)


def _reset(request: web.Request) -> None:
    if request.transport is None or request.transport.is_closing():
        return
    # With SO_LINGER at zero, the close is sent as a reset.
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


async def _send_half(request: web.Request, answer: web.Response) -> None:
    body = bytes(answer.body) if isinstance(answer.body, bytes | bytearray) else b""
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    half = web.StreamResponse(status=answer.status, headers={**headers, "Content-Length": str(len(body) or 2)})
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        # close() sends what was written; abort() would drop it.
        request.transport.close()


def _read(given: Mapping[str, list[str]]) -> dict[str, list[str]]:
    planned = {str(kind): list(manners) for kind, manners in given.items()}
    unknown = {manner for manners in planned.values() for manner in manners} - set(MANNERS)
    if unknown:
        raise ValueError(f"unknown manner '{min(unknown)}': it is one of {', '.join(MANNERS)}")
    return planned


def _json(content: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")

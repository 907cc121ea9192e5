"""The requests that a service was sent, for tests that look at all of them."""

from collections import deque
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

_KEPT = 2000
type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Asked:
    """Keeps the verb, the path and the query of the last requests, as they stood on the wire."""

    def __init__(self) -> None:
        self._requests: deque[str] = deque(maxlen=_KEPT)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """`GET /sim/asked`: "VERB /path?query" of each request, oldest first. `DELETE` forgets them."""
        router.add_get("/sim/asked", self.show)
        router.add_delete("/sim/asked", self.forget)

    async def show(self, _: web.Request) -> web.Response:
        """The requests."""
        return web.Response(body=orjson.dumps(list(self._requests)), content_type="application/json")

    async def forget(self, _: web.Request) -> web.Response:
        """Forget them."""
        self._requests.clear()
        return web.Response(status=204)

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware."""
        if not request.path.startswith("/sim/"):
            self._requests.append(f"{request.method} {request.raw_path}")
        return await handler(request)

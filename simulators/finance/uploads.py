"""A proxy for the blob storage, used for uploads that are to meet faults (`uploadsThroughFront`)."""

import aiohttp
from aiohttp import web
from yarl import URL

from simulators.finance.blobs import CONTAINER, Blobs

_HOP = {"host", "content-length", "connection", "transfer-encoding"}


class Uploads:
    """Forwards uploads to the storage unchanged. The signature in the URL authorizes them."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what this part serves."""
        router.add_put(f"/{{account}}/{CONTAINER}/{{name}}", self.put)

    async def put(self, request: web.Request) -> web.Response:
        """`PUT /{account}/dmf/{name}?<signature>`: one request of an upload."""
        target = URL(self._blobs.behind(f"{request.url.origin()}{request.raw_path}"), encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with (
            aiohttp.ClientSession() as session,
            session.put(target, data=await request.read(), headers=headers) as answer,
        ):
            passed = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=passed)

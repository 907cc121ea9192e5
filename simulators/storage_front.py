"""A proxy in front of a storage account that can refuse requests, as missing roles or a firewall do.

It forwards requests to Azurite unchanged, byte for byte, and refuses those to the services that it was told to.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

SERVICES = ("Blob", "Queue", "Table")
_HOP = {"transfer-encoding", "connection", "content-length", "host"}
_LARGEST_BODY = 1024**3


@dataclass
class StorageFront:
    """`refusals`: for `blob`, `queue` or `table` the status and code of the refusal. With `writes_only`, reads are
    let through."""

    connection_string: str = ""
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    writes_only: bool = False
    refused: int = 0

    def refuse(self, *services: str, status: int = 403, code: str = "AuthorizationFailure") -> None:
        """Refuse requests of these services, and of no others."""
        self.refusals = dict.fromkeys(services, (status, code))

    def refusal(self, service: str, method: str) -> web.Response | None:
        """The refusal of a request, if it is to be refused."""
        found = self.refusals.get(service)
        if found is None or (self.writes_only and method in {"GET", "HEAD"}):
            return None
        self.refused += 1
        status, code = found
        text = f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code><Message>Refused.</Message></Error>"
        return web.Response(status=status, text=text, content_type="application/xml", headers={"x-ms-error-code": code})


@asynccontextmanager
async def storage_front(connection_string: str) -> AsyncIterator[StorageFront]:
    """A proxy for the account of a connection string. `front.connection_string` leads through it."""
    front = StorageFront(connection_string)
    runners = []
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session:
        for service in SERVICES:
            found = re.search(rf"{service}Endpoint=(http://[^/;]+)", connection_string)
            if found is None:
                raise ValueError(f"no {service}Endpoint in the connection string")
            runner = web.AppRunner(_application(front, service.lower(), found[1], session))
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            runners.append(runner)
            own = f"http://127.0.0.1:{runner.addresses[0][1]}"
            front.connection_string = front.connection_string.replace(found[0], f"{service}Endpoint={own}")
        try:
            yield front
        finally:
            for runner in runners:
                await runner.cleanup()


def _application(front: StorageFront, service: str, behind: str, session: aiohttp.ClientSession) -> web.Application:
    async def pass_on(request: web.Request) -> web.Response:
        body = await request.read()
        if refusal := front.refusal(service, request.method):
            return refusal
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        url = URL(behind + request.raw_path, encoded=True)
        async with session.request(
            request.method, url, data=body, headers=headers, skip_auto_headers=("Content-Type",)
        ) as answer:
            content = await answer.read()
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
            return web.Response(status=answer.status, body=content, headers=dict(kept))

    application = web.Application(client_max_size=_LARGEST_BODY)
    application.router.add_route("*", "/{path:.*}", pass_on)
    return application

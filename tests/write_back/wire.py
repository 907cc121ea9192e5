"""The app's updates of one Dataverse environment, with every request that they send kept as it went out."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import aiohttp
from azure.data.tables.aio import TableClient

from shared import clock
from shared.services import dataverse
from shared.services.bulk_updates import BulkUpdates, Values
from shared.services.dataverse import Dataverse
from shared.services.http import Service
from shared.services.sign_in import SignIn
from shared.services.throttle_gates import ThrottleGates

TABLE, SET, KEY = "msdyn_actual", "msdyn_actuals", "msdyn_actualid"


@dataclass
class Sent:
    """One request on the wire."""

    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def is_batch(self) -> bool:
        """Whether it is a `$batch`, not an UpdateMultiple."""
        return self.path.endswith("$batch")

    @property
    def rows(self) -> int:
        """How many rows it wants to change."""
        return self.body.count(b"PATCH ") if self.is_batch else len(json.loads(self.body)["Targets"])


@dataclass
class Wire:
    """The requests that were sent, and the maximum in flight. A test may close it to hold requests."""

    sent: list[Sent] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.is_open.set()

    async def await_in_flight(self, count: int) -> None:
        """Wait until `count` requests are in flight."""
        while self.in_flight < count:
            self.more.clear()
            await self.more.wait()

    def forget(self) -> None:
        """Reset the counters."""
        self.sent.clear()
        self.most_in_flight = 0

    @property
    def bulks(self) -> list[int]:
        """The rows of every UpdateMultiple, in order."""
        return [request.rows for request in self.sent if not request.is_batch]

    @property
    def batches(self) -> list[int]:
        """The rows of every `$batch`, in order."""
        return [request.rows for request in self.sent if request.is_batch]

    def trace(self) -> aiohttp.TraceConfig:
        """The hook that keeps the session's writing requests here."""
        config = aiohttp.TraceConfig()

        async def start(_: Any, context: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
            context.sent = Sent(params.url.path, params.headers)
            if params.method == "POST":
                self.sent.append(context.sent)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.more.set()
            await self.is_open.wait()

        async def chunk(_: Any, context: SimpleNamespace, params: aiohttp.TraceRequestChunkSentParams) -> None:
            context.sent.body += params.chunk

        async def end(*_: Any) -> None:
            self.in_flight -= 1

        config.on_request_start.append(start)
        config.on_request_chunk_sent.append(chunk)
        config.on_request_end.append(end)
        config.on_request_exception.append(end)
        return config


@dataclass(frozen=True)
class Environment:
    """The app's way to one Dataverse environment."""

    updates: BulkUpdates
    dataverse: Dataverse
    wire: Wire

    async def write(self, rows: Mapping[UUID, Values]) -> dict[UUID, Any]:
        """Write columns of actuals; return what was refused."""
        return dict(await self.updates.write(SET, TABLE, KEY, rows))

    async def read(self, ids: Any, *columns: str) -> dict[UUID, tuple[Any, ...]]:
        """What actuals have in some columns."""
        options = {"$select": ",".join([KEY, *columns])}
        pages = self.dataverse.rows_in(SET, (KEY,), ids, options)
        rows = [row async for page in pages for row in page]
        return {UUID(row[KEY]): tuple(row[column] for column in columns) for row in rows}


@asynccontextmanager
async def environment(
    url: str, signin: SignIn, table: TableClient, *, concurrency: int = 8
) -> AsyncIterator[Environment]:
    """The app's updates against the service at `url`."""
    wire = Wire()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[wire.trace()]) as session:
        service = Service(
            name=dataverse.NAME,
            origin=url,
            session=session,
            signin=signin,
            gates=ThrottleGates(table, clock.now),
            clock=clock.now,
            concurrency=concurrency,
            longest_wait=timedelta(hours=1),
            forms=dataverse.FORMS,
        )
        yield Environment(BulkUpdates(service), Dataverse(service), wire)

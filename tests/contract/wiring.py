"""The app's own objects, wired as `shared.wiring` wires them, against servers and a clock of the test's choice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import aiohttp
from azure.data.tables.aio import TableClient

from shared import clock
from shared.services import dataverse, finance
from shared.services.answers import Forms
from shared.services.dataverse import Dataverse
from shared.services.finance import Finance
from shared.services.http import Service
from shared.services.sign_in import SignIn
from shared.services.throttle_gates import ThrottleGates
from shared.settings import Settings, read_settings
from shared.wiring import timeout_of

PATIENCE = aiohttp.ClientTimeout(total=0.4)
ORDINARY_PATIENCE = timeout_of(120.0)


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._start = clock.now()

    def now(self) -> datetime:
        """The instant it shows."""
        return self._start + self._ahead

    def advance(self, span: timedelta) -> None:
        """Let time pass."""
        self._ahead += span


@dataclass(frozen=True)
class App:
    """One process of the app, as far as it talks to services."""

    dataverse: Dataverse
    finance: Finance
    source: Service
    target: Service
    gates: ThrottleGates
    clock: Clock


@asynccontextmanager
async def wired(
    url: str,
    signin: SignIn,
    table: TableClient,
    *,
    moving: Clock | None = None,
    timeout: aiohttp.ClientTimeout = ORDINARY_PATIENCE,
    concurrency: int = 8,
) -> AsyncIterator[App]:
    """The app with both services at `url`. Their longest wait is an hour."""
    moving = moving or Clock()
    gates = ThrottleGates(table, moving.now)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session:

        def service(name: str, forms: Forms) -> Service:
            return Service(
                name=name,
                origin=url,
                session=session,
                signin=signin,
                gates=gates,
                clock=moving.now,
                concurrency=concurrency,
                longest_wait=timedelta(hours=1),
                forms=forms,
            )

        source, target = service(dataverse.NAME, dataverse.FORMS), service(finance.NAME, finance.FORMS)
        hosts = "127.0.0.1,*.blob.core.windows.net"
        yield App(Dataverse(source), Finance(target, hosts), source, target, gates, moving)


def settings(**changes: str) -> Settings:
    """App settings that are good but for `changes`."""
    standard = {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "DATAVERSE_URL": "http://127.0.0.1:1",
        "DATAVERSE_ORGANIZATION_ID": str(uuid4()),
        "FINANCE_URL": "http://127.0.0.1:2",
        "FINANCE_UPLOAD_HOSTS": "127.0.0.1",
    }
    return read_settings({**standard, **changes})

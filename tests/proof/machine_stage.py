"""One running system that the machine's examples share, and the clock that ties its two sides together."""

import asyncio
import json
import os
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp
from shared.engine.messages import Look
from shared.jobs.job import load_job, load_maps
from shared.maps.table_map import TableMap
from shared.services import dataverse, finance
from shared.settings import read_settings
from shared.storage.names import WRITE_BACK
from shared.wiring import configuration
from simulators.azurite import FINANCE_ACCOUNT
from simulators.stack import Stack
from simulators.tenant import Tenant, app_settings
from tests.proof.machine_app import App, endpoint, forget, running
from tests.proof.machine_wire import Fate, watched
from tests.proof.machine_world import Invoice, World

A_STEP = timedelta(seconds=1.1)
"""Longer than a process trusts what it read of gates and pauses."""
_NAMES = {"finance": finance.NAME, "dataverse": dataverse.NAME}
_SETTINGS = {
    "DATAVERSE_PAGE_ROWS": "2",
    "FINANCE_SHIPMENT_ROWS": "5",
    "FINANCE_LANES_ACTUALS": "2",
    # Its clock stands still while a function runs.
    "THROTTLE_WAIT_IN_PLACE_SECONDS": "0",
}
_SHIPPED = load_maps()
_TURNED = {
    stage: TableMap.model_validate({**table_map.model_dump(), "fields": table_map.model_dump()["fields"][::-1]})
    for stage, table_map in _SHIPPED.items()
}
_QUICK = {"importFixedSeconds": 0.0, "importSecondsPerRow": 0.0, "takeUpSeconds": 0.0, "notFoundPolls": 1}


@dataclass(frozen=True)
class Outcome:
    """How an example ended: its confirmed invoices, the ids of what was dismissed, whether rows came late, and what
    was posted."""

    invoices: list[str]
    missing: list[str]
    late: bool
    posted: list[str] = field(default_factory=list)


@dataclass
class Scene:
    """The app and the world around it. `close`: at the end of an example the accountant posts all that has arrived.
    `asks_for_a_person`: something happened that does not pass by itself.
    """

    app: App
    world: World
    organization: str
    loop: asyncio.Runner
    late: bool = False
    close: bool = False
    asks_for_a_person: bool = False
    throttling: set[str] = field(default_factory=set)
    steps: int = 0
    imports_at_start: int = 0
    story: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def run[T](self, doing: Awaitable[T]) -> T:
        """Wait for something."""

        async def wait() -> T:
            return await doing

        return self.loop.run(wait())

    def begin(self) -> None:
        """Empty the app's storage and forget the example before."""
        self.story.clear()
        self.late = False
        self.asks_for_a_person = False
        self.throttling.clear()
        self.world.begin()
        self.run(self._clear())
        self.imports_at_start = int(self.world.tenant.counts()["imports"])

    async def _clear(self) -> None:
        await self.app.drop_all()
        for number in range(len(self.app.hosts)):
            await self.app.deploy(number, _SHIPPED)
        host = self.app.hosts[0]
        for table in (host.ledger._table, host.run_list._table, host.dock._table, host.gates._table):
            await _empty(table)
        for each in self.app.hosts:
            forget(each)
        self.app.failures.clear()
        self.app.expected.clear()

    def tell(self, what: str) -> None:
        """Print what was done, to help reading a failure."""
        self.story.append(what)

    def step[T](self, doing: Awaitable[T]) -> T:
        """Do one thing; a step takes a second."""
        self.steps += 1
        done = self.run(doing)
        if self.app.imports:
            self.world.await_idle()
            self.app.imports = 0
        self.advance(A_STEP)
        return done

    def advance(self, span: timedelta) -> None:
        """Let time go by, for the services' announced waits too."""
        self.app.clock.advance(span)
        for service in sorted(self.throttling):
            if self.run(self._is_over(_NAMES[service])):
                self.world.tenant.switch(service, throttleShare=0.0)

    async def _is_over(self, service: str) -> bool:
        try:
            row = await self.app.hosts[0].gates._table.get_entity("gate", service)
        except ResourceNotFoundError:
            return False
        return parse_stamp(row["until"]) <= self.app.clock.now()

    def end(self) -> None:
        """Keep how the example ended, for a last look at all of them together."""
        confirmed = [invoice for invoice in self.world.invoices if invoice.confirmed]
        missing = [
            invoice.produced[kind][key]
            for invoice in confirmed
            for kind, key in invoice.keys - self.world.held_of(invoice)
        ]
        posted = [each.invoice_id for each in confirmed if each.posted]
        self.outcomes.append(Outcome([each.invoice_id for each in confirmed], missing, self.late, posted))

    def throttle(self, service: str, seconds: int) -> None:
        """Have a service ask the next caller to wait."""
        self.throttling.add(service)
        name = "retryAfterSeconds" if service == "finance" else "throttleSeconds"
        more: dict[str, Any] = {"throttleActions": True} if service == "finance" else {}
        self.world.tenant.switch(service, throttleNext=1, **{name: float(seconds)}, **more)

    async def webhook(self, invoice: Invoice, host: int, fate: Fate | None = None) -> int:
        """Send the webhook of an invoice, in its shortest form."""
        body = {
            "MessageName": "Update",
            "PrimaryEntityName": "invoice",
            "PrimaryEntityId": invoice.invoice_id,
            "OrganizationId": self.organization,
        }
        status = await self.app.confirmation(json.dumps(body).encode(), host, fate)
        assert status in {0, 202, 503}, status
        return status

    async def ask(self, name: str, host: int, fate: Fate | None, **asked: Any) -> tuple[int, Any]:
        """Ask as an operator does; only a lost answer of storage or a service may be the reason for a 503."""
        given = {name: value for name, value in asked.items() if value is not None}
        status, answer = await self.app.call(endpoint(name), host, fate, body={"by": "olga", **given})
        assert status in {0, 200, 202, 400, 404, 409, 502, 503}, (status, answer)
        return status, answer

    async def look_for_postings(self) -> None:
        """What the timer does: a message that has the app look."""
        await self.app.post(WRITE_BACK, Look().model_dump_json())

    async def deploy(self, host: int, *, turned: bool) -> None:
        """Start a host with the shipped maps, or with maps in the opposite column order."""
        await self.app.deploy(host, _TURNED if turned else _SHIPPED)

    async def sweep(self, host: int, fate: Fate | None = None) -> Any:
        """Sweep, as an operator asks for it."""
        return await self.ask("post_sweep", host, fate)

    def check(self) -> None:
        """The services' own records, and what the app says of itself."""
        self.world.check_rows()
        assert not self.app.failures, self.app.failures
        self.run(self._check_lanes())

    async def _check_lanes(self) -> None:
        """No lane serves two shipments, and no part travels twice."""
        for stage in load_job().maps:
            view = await self.app.hosts[0].dock.view(stage)
            under_way = [each for each in view.shipments.values() if each.step != "finished"]
            lanes = [each.lane for each in under_way]
            assert len(lanes) == len(set(lanes)), under_way
            for each in under_way:
                assert view.lanes[each.lane].shipment == each.ticket, (each, view.lanes)


async def _empty(table: TableClient) -> None:
    partitions: dict[str, list[Any]] = {}
    async for row in table.list_entities(select=["PartitionKey", "RowKey"]):
        partitions.setdefault(row["PartitionKey"], []).append(("delete", dict(row)))
    for operations in partitions.values():
        for start in range(0, len(operations), 100):
            await table.submit_transaction(operations[start : start + 100])


@contextmanager
def scene(run_dir: Path, **settings: str) -> Iterator[Scene]:
    """Start storage and the services, and the app in this process."""
    stack = Stack(run_dir, app_settings=lambda stack: app_settings(stack) | _SETTINGS | settings, hosts=0)
    with stack, _environment(stack), watched(), asyncio.Runner() as loop:
        tenant = Tenant(stack)
        tenant.switch("finance", **_QUICK)
        tenant.let_app_write_back()
        exits = AsyncExitStack()
        entered = exits.enter_async_context(running(read_settings(stack.settings), slow=_slow(stack)))
        app = loop.run(_wait(entered))
        try:
            organization = str(stack.services["dataverse"].facts["organizationId"])
            yield Scene(app, World(stack, tenant), organization, loop)
        finally:
            loop.run(_wait(exits.aclose()))


async def _wait[T](doing: Awaitable[T]) -> T:
    return await doing


def _slow(stack: Stack) -> frozenset[int]:
    """The ports of queues and blobs."""
    return frozenset(
        urlsplit(part.partition("=")[2]).port or 0
        for account in ("devstoreaccount1", FINANCE_ACCOUNT)
        for part in stack.azurite.connection_string(account).split(";")
        if part.startswith(("QueueEndpoint", "BlobEndpoint"))
    )


@contextmanager
def _environment(stack: Stack) -> Iterator[None]:
    """The app's settings, where the app's functions look for them."""
    standing = dict(os.environ)
    os.environ.update(stack.settings | {"REQUESTS_CA_BUNDLE": str(stack.ca)})
    configuration.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(standing)
        configuration.cache_clear()

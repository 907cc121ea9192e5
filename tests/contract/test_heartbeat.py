"""The heartbeat tells alerts how the app stands, whatever cannot be reached."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from operate.functions import sweep_by_the_clock
from operate.repair.sweep import sweep
from operate.views.heartbeat import beat
from shared import wiring
from shared.engine import troubles
from shared.engine.lifecycle import accept
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.errors import NotPermitted, Refused, Unavailable
from shared.ledger.run import Run, State
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from simulators.azurite import FINANCE_ACCOUNT, Azurite
from simulators.storage_front import StorageFront, storage_front
from tests.contract.certificates import make_rsa
from tests.contract.conftest import Tenant
from tests.contract.data_management import DataManagement, Yard
from tests.contract.opening import opened
from tests.contract.server import Server, html, said
from tests.contract.wiring import Clock
from tests.run_states import set_state
from tests.watch import alerts
from tests.watch.asking import Line, Log

MOST_REQUESTS = 25
REFUSED = alerts.load()["storage"]
FIGURES = {
    "": {"oldestSeconds", "attention", "failed", "poison", "messages", "storageErrors"},
    "services": {"closedSeconds"},
    "job": {"faulted", "openSeconds", "waitingSeconds", "lookSeconds"},
}


@pytest.fixture
async def front(azurite: Azurite) -> AsyncIterator[StorageFront]:
    """The way to a storage account of these tests alone, which is empty."""
    text = azurite.connection_string(FINANCE_ACCOUNT)
    async with TableServiceClient.from_connection_string(text) as tables:
        for table in [table.name async for table in tables.list_tables()]:
            await tables.delete_table(table)
    async with QueueServiceClient.from_connection_string(text) as queues:
        for queue in [queue.name async for queue in queues.list_queues()]:
            await queues.delete_queue(queue)
    async with storage_front(text) as standing:
        yield standing


@pytest.fixture
def clock() -> Clock:
    """The app's clock."""
    return Clock()


@pytest.fixture
async def ports(
    tenant: Tenant, azurite: Azurite, server: Server, front: StorageFront, clock: Clock
) -> AsyncIterator[Ports]:
    """The app's ports."""
    async with opened(tenant, azurite, server, now=clock.now, AzureWebJobsStorage=front.connection_string) as works:
        yield works


class Beats:
    """The heartbeats in the log."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        caplog.set_level(logging.INFO)

    async def of(self, ports: Ports) -> dict[str, dict[str, Any]]:
        """A heartbeat: what it tells of the app under "", of each service and of each job under its name."""
        self._caplog.clear()
        await beat(ports)
        return self.last()

    def last(self) -> dict[str, dict[str, Any]]:
        """The last heartbeat."""
        lines = [json.loads(record.message) for record in self._caplog.records if record.name == "relay"]
        found = [line for line in lines if line.pop("event") == "state"]
        return {str(line.pop("service", "") or line.pop("job", "")): line for line in found}

    def stopped(self) -> list[dict[str, Any]]:
        """The heartbeats that were given up."""
        lines = [json.loads(record.message) for record in self._caplog.records if record.name == "relay"]
        return [line for line in lines if line["event"] == "heartbeat failed"]

    def log(self) -> Log:
        """What the app has logged since the last heartbeat began."""
        records = [record for record in self._caplog.records if record.name == "relay"]
        return Log(
            [Line(datetime.now(UTC), record.levelname, "Function.sweep.User", record.message) for record in records]
        )

    def requests(self) -> int:
        """The requests to storage since the last heartbeat began."""
        return sum("Request URL" in record.getMessage() for record in self._caplog.records)


@pytest.fixture
def beats(caplog: pytest.LogCaptureFixture) -> Beats:
    """What is logged."""
    return Beats(caplog)


async def _run(ports: Ports, state: State) -> Run:
    invoice_id = uuid4()
    await accept(ports.ledger, invoice_id)
    run = await ports.ledger.run(invoice_id)
    assert run is not None
    return await set_state(ports.ledger, run, state=state)


async def test_an_app_without_work_says_that_nothing_waits(ports: Ports, beats: Beats) -> None:
    found = await beats.of(ports)
    assert beats.requests() <= MOST_REQUESTS
    assert found == {
        "": dict.fromkeys(FIGURES[""], 0),
        "Dataverse": {"closedSeconds": 0},
        "Finance": {"closedSeconds": 0},
        "invoices": dict.fromkeys(FIGURES["job"], 0),
    }


async def test_what_waits_is_told_with_its_age(ports: Ports, clock: Clock, beats: Beats, server: Server) -> None:
    yard = Yard(ports, clock, DataManagement(url=server.url))
    server.rule = yard.finance.answer
    await _run(ports, State.NEEDS_ATTENTION)
    await _run(ports, State.FAILED)
    await _run(ports, State.FAILED)
    await _run(ports, State.ACCEPTED)
    await ports.queues.send(Load(stage=INVOICES, subject=uuid4()), delay=timedelta(hours=1))
    await ports.audit.table.create_entity({"PartitionKey": f"poison|{ACTUALS}", "RowKey": "1", "invoiceId": ""})
    await yard.land("a")
    view = await ports.dock.view(ACTUALS)
    shipment = await ports.dock.claim(view, view.ready, lane=0, ticket="t")
    clock.advance(timedelta(hours=1))
    await ports.dock.save(shipment, sent_at=clock.now())
    clock.advance(timedelta(hours=4))
    found = await beats.of(ports)
    assert found[""] == {
        "oldestSeconds": pytest.approx(5 * 3600, abs=2),
        "attention": 1,
        "failed": 2,
        "poison": 1,
        "messages": 1,
        "storageErrors": 0,
    }
    assert found["invoices"]["waitingSeconds"] == pytest.approx(5 * 3600, abs=2)
    assert found["invoices"]["openSeconds"] == pytest.approx(4 * 3600, abs=2)


async def test_a_gate_that_is_closed_again_and_again_has_been_closed_since_the_first_time(
    ports: Ports, clock: Clock, beats: Beats
) -> None:
    for _ in range(40):
        await ports.gates.close("Finance", clock.now() + timedelta(seconds=60), "later")
        clock.advance(timedelta(seconds=62))
    found = await beats.of(ports)
    assert found["Finance"] == {"closedSeconds": 40 * 62, "kind": "throttled"}
    assert found["Dataverse"] == {"closedSeconds": 0}
    await ports.gates.close("Dataverse", clock.now() + timedelta(seconds=60), "no", kind="not let in")
    clock.advance(timedelta(seconds=59))
    found = await beats.of(ports)
    assert found["Dataverse"] == {"closedSeconds": 59, "kind": "not let in"}
    assert found["Finance"] == {"closedSeconds": 0}, "it has been open for a minute"


@pytest.mark.parametrize(
    ("error", "faulted"),
    [
        (NotPermitted("Dataverse", "actuals", privilege="prvRead", code="", text="no"), 1),
        (Refused("Finance", 400, "", "no such column"), 1),
        (Unavailable("Finance", "HTTP 503"), 0),
    ],
)
async def test_a_job_is_faulted_while_a_service_refuses_what_every_row_needs(
    ports: Ports, clock: Clock, beats: Beats, error: NotPermitted | Refused | Unavailable, faulted: int
) -> None:
    await troubles.note(ports, error, timedelta(seconds=60), queue=CONNECTIONS)
    assert (await beats.of(ports))["invoices"]["faulted"] == faulted
    clock.advance(timedelta(minutes=2))
    assert (await beats.of(ports))["invoices"]["faulted"] == 0


async def test_a_sweep_that_reaches_neither_service_tells_since_when(
    ports: Ports, clock: Clock, beats: Beats, server: Server
) -> None:
    server.rule = lambda _: html(503)
    for _ in range(4):
        await sweep(ports)
        clock.advance(timedelta(minutes=10))
    await sweep(ports)
    assert beats.last()["invoices"]["lookSeconds"] == 2400
    server.rule = lambda _: said({"value": []})
    await sweep(ports)
    assert (await beats.of(ports))["invoices"]["lookSeconds"] == 0


async def test_what_signs_in_tells_when_it_expires_if_it_can(
    tenant: Tenant, azurite: Azurite, server: Server, front: StorageFront, beats: Beats
) -> None:
    key, certificate = make_rsa(days=20)
    ways: dict[str, dict[str, str]] = {
        "certificate": {"SIGN_IN_CERTIFICATE": key + certificate},
        "clientSecret": {},
        "managedIdentity": {"SIGN_IN_CERTIFICATE": key + certificate},
    }
    found = {}
    for way, settings in ways.items():
        changes = {"SIGN_IN_METHOD": way, "AzureWebJobsStorage": front.connection_string, **settings}
        async with opened(tenant, azurite, server, **changes) as works:  # type: ignore[arg-type]
            found[way] = (await beats.of(works))[""].get("expiresDays")
    assert found == {"certificate": 20.0, "clientSecret": None, "managedIdentity": None}


@pytest.mark.parametrize(
    ("service", "missing"),
    [
        ("table", {"oldestSeconds", "attention", "failed", "poison", "closedSeconds", *FIGURES["job"]}),
        ("queue", {"messages"}),
        ("blob", set()),
    ],
)
async def test_a_figure_that_cannot_be_read_is_left_out_and_the_others_come(
    ports: Ports, front: StorageFront, beats: Beats, service: str, missing: set[str]
) -> None:
    front.refuse(service)
    found = await beats.of(ports)
    told = {fact for line in found.values() for fact in line}
    assert told == set().union(*FIGURES.values()) - missing
    assert found[""]["storageErrors"] > 0
    assert REFUSED.fired(beats.log()) == {""}
    front.refuse()
    assert (await beats.of(ports))[""]["storageErrors"] == 0
    assert REFUSED.fired(beats.log()) == set()


async def test_storage_that_can_be_read_and_not_written_is_told(
    ports: Ports, front: StorageFront, beats: Beats
) -> None:
    await beats.of(ports)
    front.writes_only = True
    front.refuse("table")
    found = await beats.of(ports)
    assert found[""]["storageErrors"] == 1
    assert {fact for line in found.values() for fact in line} == set().union(*FIGURES.values())


async def test_a_heartbeat_that_fails_or_hangs_keeps_no_sweep_from_its_work(
    ports: Ports, server: Server, beats: Beats, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rule = lambda request: said({"value": []})
    await ports.notes.write("trouble Finance", {"until": "soon", "reason": "a note of another version"})
    swept = await sweep(ports)
    assert await ports.notes.read("sweep") == swept.document()
    assert [line.pop("error") for line in beats.stopped()] == ["ValueError"]
    await ports.notes.write("trouble Finance", {})

    async def hang(ports: Ports) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("operate.repair.sweep.beat", hang)
    monkeypatch.setattr("operate.repair.sweep._BEAT_SECONDS", 0.01)
    swept = await sweep(ports)
    assert await ports.notes.read("sweep") == swept.document()
    assert [line.pop("error") for line in beats.stopped()] == ["ValueError", "TimeoutError"]


async def test_an_app_that_cannot_open_its_storage_says_so(
    ports: Ports, front: StorageFront, beats: Beats, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = wiring._Process()
    monkeypatch.setattr(wiring, "_process", process)
    given = wiring.Configuration(ports.settings, ports.job, ports.maps)
    monkeypatch.setattr(wiring, "configuration", lambda: given)
    front.refuse("table")
    by_the_clock = sweep_by_the_clock._function.get_user_function()
    with pytest.raises(Exception, match="Refused"):
        await by_the_clock(None)
    assert beats.last() == {"": {"storageErrors": 1}}
    assert REFUSED.fired(beats.log()) == {""}

"""Storage that refuses access by roles, key or firewall: waiting work says so, continues by itself, and nothing
fails.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.core.exceptions import HttpResponseError

from operate.views.health import health
from operate.views.run import describe
from shared import wiring
from shared.engine.lifecycle import accept
from shared.engine.messages import Load, Settle, Ship
from shared.engine.ports import Ports
from shared.engine.settling import settle
from shared.engine.shipping import ship
from shared.engine.worker import MAX_DEQUEUE_COUNT, work
from shared.errors import Unavailable
from shared.ledger.run import State
from shared.project_operations.codes import ACTUALS
from shared.storage import refusals
from shared.storage.landing import encode
from simulators.azurite import Azurite
from simulators.storage_front import StorageFront, storage_front
from tests.contract.conftest import Tenant
from tests.contract.data_management import DataManagement, Yard
from tests.contract.opening import opened
from tests.contract.server import Server, said
from tests.contract.wiring import Clock
from tests.run_states import set_state

SERVICES = ("table", "queue", "blob")


@pytest.fixture
async def front(azurite: Azurite) -> AsyncIterator[StorageFront]:
    """What stands before storage."""
    async with storage_front(azurite.connection_string()) as standing:
        yield standing


@pytest.fixture
async def ports(tenant: Tenant, azurite: Azurite, front: StorageFront, server: Server) -> AsyncIterator[Ports]:
    """The app's ports, through the front."""
    async with opened(tenant, azurite, server, AzureWebJobsStorage=front.connection_string) as works:
        yield works


async def _write(ports: Ports, message: Load) -> None:
    """Needs all three services."""
    run = await ports.ledger.run(message.subject)
    assert run is not None
    await ports.landing.write(message.subject, ACTUALS, encode([["a"]]), written_by="0" * 16)
    await ports.ledger.save(run, customer="done")


async def _accepted(ports: Ports) -> Load:
    invoice_id = uuid4()
    await accept(ports.ledger, invoice_id)
    run = await ports.ledger.run(invoice_id)
    assert run is not None
    await set_state(ports.ledger, run, state=State.SYNCING_ACTUALS)
    return Load(stage=ACTUALS, subject=invoice_id)


async def _attempt(ports: Ports, message: Load, dequeue_count: int = 1) -> None:
    await work(ports, message.queue, message.model_dump_json().encode(), dequeue_count, {"load": _write})


async def _waiting(ports: Ports, invoice_id: UUID) -> list[Mapping[str, Any]]:
    """The messages of an invoice on its queue, those of a later moment included."""
    client, found = ports.queues.clients[ACTUALS], []
    for _ in range(100):
        async for message in client.receive_messages(messages_per_page=32, visibility_timeout=30):
            await client.delete_message(message)
            if str(invoice_id) in (text := base64.b64decode(message.content).decode()):
                found.append(json.loads(text))
        if found:
            break
        await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("service", ["table", "blob"])
async def test_work_that_storage_refuses_is_put_off_and_done_when_it_is_mended(
    ports: Ports, front: StorageFront, service: str, status: int
) -> None:
    message = await _accepted(ports)
    front.refuse(service, status=status)
    await _attempt(ports, message, MAX_DEQUEUE_COUNT)
    front.refuse()
    assert front.refused
    run = await ports.ledger.run(message.subject)
    assert run is not None
    assert (run.state, run.customer) == (State.SYNCING_ACTUALS, "")
    [again] = await _waiting(ports, message.subject)
    assert again["attempt"] == 1
    await _attempt(ports, Load.model_validate(again))
    done = await ports.ledger.run(message.subject)
    assert done is not None
    assert done.customer == "done"


async def test_an_import_that_storage_kept_from_being_sent_is_sent_without_waiting_for_its_lease(
    ports: Ports, front: StorageFront, server: Server
) -> None:
    """The only lane of the headers stood still for five minutes."""
    finance = DataManagement(url=server.url)
    server.rule = finance.answer
    yard = Yard(ports, Clock(), finance)
    await yard.clear()
    await yard.land("a")
    front.refuse("blob")
    with pytest.raises(HttpResponseError):
        await ship(ports, Ship(stage=ACTUALS), after=yard._after)
    front.refuse()
    [shipment] = (await ports.dock.view(ACTUALS)).shipments.values()
    await settle(ports, Settle(stage=ACTUALS, ticket=shipment.ticket), after=yard._after)
    assert len([target for target in server.targets if "ImportFromPackageAsync" in target]) == 1
    await yard.clear()


@pytest.mark.parametrize("status", [401, 403])
async def test_a_message_that_storage_does_not_take_back_is_held_until_it_does(
    ports: Ports, front: StorageFront, status: int
) -> None:
    """Five quick failures, and the host would give it up and the run would be failed."""
    message = await _accepted(ports)

    async def in_vain(*_: Any) -> None:
        raise Unavailable("Finance", "it answered 404 with an HTML page")

    front.refuse("queue", status=status)
    asyncio.get_running_loop().call_later(0.5, front.refuse)
    await work(ports, message.queue, message.model_dump_json().encode(), MAX_DEQUEUE_COUNT, {"load": in_vain})
    assert front.refused == 1
    assert len(await _waiting(ports, message.subject)) == 1
    run = await ports.ledger.run(message.subject)
    assert run is not None
    assert run.state == State.SYNCING_ACTUALS


async def test_a_run_says_that_it_waits_for_storage_and_what_storage_said(ports: Ports, front: StorageFront) -> None:
    message = await _accepted(ports)
    front.refuse("blob", code="AuthorizationPermissionMismatch")
    await _attempt(ports, message)
    run = await ports.ledger.run(message.subject)
    assert run is not None
    [waits] = [each for each in (await describe(ports, run)).document()["waitsFor"] if each["kind"] == "storage"]
    assert waits["service"] == "storage"
    assert "Storage answered 403 AuthorizationPermissionMismatch to PUT container landed" in waits["reason"]
    assert "roles" in waits["reason"]


@pytest.mark.parametrize("writes_only", [False, True])
@pytest.mark.parametrize("service", SERVICES)
async def test_health_answers_in_words_whatever_storage_refuses(
    ports: Ports, front: StorageFront, server: Server, service: str, *, writes_only: bool
) -> None:
    server.rule = lambda _: said({"value": []})
    front.writes_only = writes_only
    front.refuse(service, code="AuthorizationFailure")
    if writes_only and service != "table":
        # Health writes nothing there; who has something to write notes what it met.
        await _attempt(ports, await _accepted(ports)) if service == "blob" else None
    answer = (await health(ports)).document()
    if not (writes_only and service == "queue"):
        assert not answer["healthy"]
        told = [each for each in answer["problems"] if "Storage answered 403 AuthorizationFailure to" in each]
        assert any(f" {'container' if service == 'blob' else service} " in each for each in told), answer["problems"]
    front.refuse()
    assert not [each for each in (await health(ports)).document()["problems"] if each.startswith("Storage answered")]


@pytest.mark.parametrize("is_opened", [True, False])
async def test_a_message_that_comes_while_storage_cannot_be_opened_is_put_back_as_it_was(
    ports: Ports, front: StorageFront, monkeypatch: pytest.MonkeyPatch, *, is_opened: bool
) -> None:
    """A worker that starts in the middle of it has nothing but its queue."""
    message = await _accepted(ports)
    process = wiring._Process()
    process._ports = ports if is_opened else None
    monkeypatch.setattr(wiring, "_process", process)
    given = wiring.Configuration(ports.settings, ports.job, ports.maps)
    monkeypatch.setattr(wiring, "configuration", lambda: given)
    monkeypatch.setattr(wiring, "_UNOPENED", timedelta())
    monkeypatch.setattr(wiring, "_APART", 0.0)
    front.refuse("table")
    body = message.model_dump_json().encode()
    assert await wiring.ports_or_put_back(ACTUALS, body) is None
    assert await _waiting(ports, message.subject) == [json.loads(body)]


@pytest.mark.parametrize(("status", "passing"), [(401, True), (403, True), (503, True), (400, False), (404, False)])
def test_what_passes(*, status: int, passing: bool) -> None:
    error = HttpResponseError("no")
    error.status_code = status
    assert refusals.passes(error) is passing

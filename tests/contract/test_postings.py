"""Events of Finance: however many come, one search waits."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from azure.core.exceptions import HttpResponseError

from shared.engine.messages import Look
from shared.engine.ports import Ports
from shared.storage.names import WRITE_BACK
from simulators.azurite import Azurite
from simulators.storage_front import StorageFront, storage_front
from tests.contract.conftest import Tenant
from tests.contract.opening import opened
from tests.contract.server import Server
from tests.contract.wiring import Clock
from write_back.posted_invoices import look, ring


@pytest.fixture
async def front(azurite: Azurite) -> AsyncIterator[StorageFront]:
    async with storage_front(azurite.connection_string()) as standing:
        yield standing


@pytest.fixture
async def ports(
    tenant: Tenant, azurite: Azurite, server: Server, front: StorageFront, time: Clock
) -> AsyncIterator[Ports]:
    connection = front.connection_string
    async with opened(tenant, azurite, server, now=time.now, AzureWebJobsStorage=connection) as ports:
        await ports.pending.clear("look")
        yield ports


@pytest.fixture
def time() -> Clock:
    return Clock()


async def waiting(ports: Ports) -> int:
    """The messages on the write-back's queue."""
    return int((await ports.queues.clients[WRITE_BACK].get_queue_properties()).approximate_message_count or 0)


async def test_events_that_come_while_a_search_waits_need_no_other(ports: Ports) -> None:
    before = await waiting(ports)
    await asyncio.gather(*[ring(ports) for _ in range(30)])
    await ring(ports)
    assert await waiting(ports) == before + 1


async def test_an_event_that_comes_after_a_search_has_begun_needs_another(ports: Ports) -> None:
    before = await waiting(ports)
    await ring(ports)
    await look(ports, Look())
    await ring(ports)
    assert await waiting(ports) == before + 2


async def test_a_mark_that_a_crash_left_without_a_message_does_not_stay(ports: Ports, time: Clock) -> None:
    before = await waiting(ports)
    assert await ports.pending.mark("look")
    await ring(ports)
    assert await waiting(ports) == before
    time.advance(ports.pending.span)
    await ring(ports)
    assert await waiting(ports) == before + 1


async def test_an_event_that_could_not_be_stored_is_no_copy_when_it_is_sent_again(
    ports: Ports, front: StorageFront
) -> None:
    before = await waiting(ports)
    front.refuse("queue")
    with pytest.raises(HttpResponseError):
        await ring(ports)
    front.refuse()
    await ring(ports)
    assert await waiting(ports) == before + 1

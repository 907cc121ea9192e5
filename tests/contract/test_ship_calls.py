"""Parts on the dock share ship messages, and each of them is there when a worker receives one of its messages."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from shared.clock import now
from shared.engine.queues import Queues
from shared.engine.ship_calls import ShipCalls
from shared.project_operations.codes import ACTUALS
from simulators.azurite import Azurite


@pytest.fixture
async def queue(azurite: Azurite) -> AsyncIterator[QueueClient]:
    """An empty queue."""
    async with QueueClient.from_connection_string(
        azurite.connection_string(), f"q{uuid4().hex}", message_encode_policy=TextBase64EncodePolicy()
    ) as client:
        await client.create_queue()
        yield client


async def _received(queue: QueueClient) -> int:
    found = [message async for message in queue.receive_messages(messages_per_page=32, visibility_timeout=600)]
    return len(found)


async def test_no_part_is_forgotten_and_most_need_no_message_of_their_own(queue: QueueClient) -> None:
    calls, queues = ShipCalls(now), Queues({ACTUALS: queue})
    on_dock: set[int] = set()
    shipped: set[int] = set()
    messages = 0

    async def land(number: int) -> None:
        on_dock.add(number)
        await calls.call(queues, ACTUALS)

    async def land_all() -> None:
        for first in range(0, 120, 4):
            await asyncio.gather(*(land(number) for number in range(first, first + 4)))
            await asyncio.sleep(0.05)

    landing = asyncio.ensure_future(land_all())
    async with asyncio.timeout(60):
        while len(shipped) < 120:
            if count := await _received(queue):
                messages += count
                shipped |= on_dock
    await landing
    assert messages <= 40


async def test_a_lone_part_is_shipped_at_once(queue: QueueClient) -> None:
    await ShipCalls(now).call(Queues({ACTUALS: queue}), ACTUALS)
    assert await _received(queue) == 1


async def test_what_is_called_together_shares_a_message_and_its_failure(queue: QueueClient) -> None:
    calls, queues = ShipCalls(now), Queues({ACTUALS: queue})
    await queue.delete_queue()
    results = await asyncio.gather(*(calls.call(queues, ACTUALS) for _ in range(8)), return_exceptions=True)
    assert all(isinstance(each, Exception) for each in results)
    assert len({id(each) for each in results}) == 1
    await queue.create_queue()
    await calls.call(queues, ACTUALS)
    assert await _received(queue) == 1


async def test_a_clock_that_was_set_back_makes_no_message_look_younger(queue: QueueClient) -> None:
    """Half a second by the wall clock, which was set back meanwhile, may have been any time."""
    moved = [timedelta()]
    calls, queues = ShipCalls(lambda: now() + moved[0]), Queues({ACTUALS: queue})
    for _ in range(2):
        await calls.call(queues, ACTUALS)
    moved[0] = timedelta(seconds=-5)
    await calls.call(queues, ACTUALS)
    moved[0] = timedelta(seconds=30)
    await calls.call(queues, ACTUALS)
    assert await _received(queue) == 3

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
    landed = shipped = messages = rounds = 0

    async def land() -> None:
        nonlocal landed
        landed += 1
        await calls.call(queues, ACTUALS)

    async with asyncio.timeout(60):
        # Four parts at once, again and again, until a message that was delayed has come.
        while messages < 3:
            await asyncio.gather(*(land() for _ in range(4)))
            rounds += 1
            if count := await _received(queue):
                messages, shipped = messages + count, landed
        while shipped < landed:
            if count := await _received(queue):
                messages, shipped = messages + count, landed
    # None was deleted, so all that were sent are still there. Parts of one round share a message anyway.
    sent = (await queue.get_queue_properties()).approximate_message_count or 0
    assert messages <= sent < rounds / 2


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

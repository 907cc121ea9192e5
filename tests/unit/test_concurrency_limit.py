"""A service that asked to wait is approached carefully afterwards."""

import asyncio

from shared.services.concurrency_limit import ConcurrencyLimit

MOST = 4


async def most_at_once(limit: ConcurrencyLimit) -> int:
    """How many of many callers are admitted before the first of them leaves."""
    inside, leave = 0, asyncio.Event()

    async def enter() -> None:
        nonlocal inside
        async with limit:
            inside += 1
            await leave.wait()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for _ in range(2 * MOST):
            group.create_task(enter())
        for _ in range(4 * MOST):
            await asyncio.sleep(0)
        let_in = inside
        leave.set()
    return let_in


async def test_after_a_wait_one_goes_first_and_one_more_for_each_answer() -> None:
    limit = ConcurrencyLimit(MOST)
    assert await most_at_once(limit) == MOST
    limit.shrink()
    for allowed in (1, 2, 3, MOST, MOST):
        assert await most_at_once(limit) == allowed
        limit.grow()


async def test_the_services_advice_holds_meanwhile() -> None:
    limit = ConcurrencyLimit(MOST)
    limit.advise(2)
    limit.shrink()
    for allowed in (1, 2, 2):
        assert await most_at_once(limit) == allowed
        limit.grow()

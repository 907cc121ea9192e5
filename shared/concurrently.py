"""Awaiting several coroutines at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def concurrently[T](*works: Coroutine[Any, Any, T]) -> list[T]:
    """The results in the order of the coroutines. The first error cancels the others and is raised after they have
    ended, so that none of them still sends requests while the error is handled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        # asyncio.gather leaves the other tasks running when one fails.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def both[A, B](first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Like `concurrently`, for two results of different types."""
    found: list[Any] = await concurrently(first, second)
    return found[0], found[1]

"""Several awaitables at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def concurrently[T](*works: Coroutine[Any, Any, T]) -> list[T]:
    """The results in the order of the works. The first error ends the others too, and is raised when they have ended:
    none of them goes on to ask a service behind the back of whoever handles the error."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def both[A, B](first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Two results of different kinds, as `concurrently` gets them."""
    found: list[Any] = await concurrently(first, second)
    return found[0], found[1]

"""Limits the bytes of pages that are processed at once in this process.

Many small pages are processed concurrently, but only a few large ones. A page larger than the budget is processed
alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryBudget:
    """A budget of `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Wait until `size` bytes are free, and reserve them for the duration of the context."""
        async with self._freed:
            # A page larger than the whole budget would wait forever without the first condition.
            await self._freed.wait_for(lambda: not self._taken or self._taken + size <= self._most)
            self._taken += size
        try:
            yield
        finally:
            async with self._freed:
                self._taken -= size
                self._freed.notify_all()

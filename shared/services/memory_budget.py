"""Room for pages in the memory of this process: how many bytes of answers may be in work at once.

Small pages pass many at a time, large ones a few; one that is larger than all the room passes alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryBudget:
    """So many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Wait until there is room for `size` bytes, and take it."""
        async with self._freed:
            await self._freed.wait_for(lambda: not self._taken or self._taken + size <= self._most)
            self._taken += size
        try:
            yield
        finally:
            async with self._freed:
                self._taken -= size
                self._freed.notify_all()

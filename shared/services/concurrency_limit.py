"""Limits the concurrent requests to a service: to our setting, or to fewer if the service advises it.

After a 429 the limit restarts at one and grows by one with each good answer. Otherwise all waiting requests would be in
flight already when the service throttles again.
"""

import asyncio
from types import TracebackType


class ConcurrencyLimit:
    """An asynchronous context manager with a limited number of concurrent holders."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._advised = most
        self._tried = most
        self._taken = 0
        self._freed = asyncio.Condition()

    def advise(self, count: int) -> None:
        """Take the service's advice (header x-ms-dop-hint) for later requests. It never exceeds our own setting."""
        self._advised = max(1, min(count, self._most))

    def shrink(self) -> None:
        """The service throttled a request: restart with one."""
        self._tried = 1

    def grow(self) -> None:
        """The service answered: allow one more."""
        self._tried = min(self._most, self._tried + 1)

    async def __aenter__(self) -> None:
        async with self._freed:
            await self._freed.wait_for(lambda: self._taken < min(self._advised, self._tried))
            self._taken += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._freed:
            self._taken -= 1
            # Wake all waiters, not one: the advice may have risen, and waking one per release would never let more in.
            self._freed.notify_all()

"""How many requests may be in flight to a service: our setting, or fewer when the service advises it.

A service that has just asked to wait is approached by one request first, and by one more for each that it answers: all
at once would be on their way already when it asks again.
"""

import asyncio
from types import TracebackType


class ConcurrencyLimit:
    """An asynchronous context manager that lets so many through at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._advised = most
        self._tried = most
        self._taken = 0
        self._freed = asyncio.Condition()

    def advise(self, count: int) -> None:
        """Take the service's advice (x-ms-dop-hint) for what comes next; it never widens our own setting."""
        self._advised = max(1, min(count, self._most))

    def shrink(self) -> None:
        """The service asked to wait: begin again with one."""
        self._tried = 1

    def grow(self) -> None:
        """The service answered: one more may go."""
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
            # All, for the advice may have widened: one for each that leaves would never be more than now.
            self._freed.notify_all()

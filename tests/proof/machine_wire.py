"""Faults of one invocation on the wire: it crashes at one of its requests, loses an answer, or is stopped there."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from yarl import URL

_IMPORT = "ImportFromPackageAsync"


class Crashed(BaseException):
    """The process is gone: nothing in the app may catch this, as nothing can catch SIGKILL."""


@dataclass(frozen=True)
class Fate:
    """What happens at request number `at` (from 0).

    A `crash` or a `cut` connection strikes at a request that changes something, `after` it was done or before. A
    `hold` lets another invocation run in between, at any request.
    """

    kind: Literal["crash", "cut", "hold"]
    at: int
    after: bool = False


@dataclass
class Journey:
    """One invocation's requests so far.

    A lost answer of the services at the ports `slow` is not tried: the storage SDK asks queues and blobs again only
    after many seconds, tables at once.
    """

    fate: Fate | None = None
    slow: frozenset[int] = frozenset()
    requests: int = 0
    changes: int = 0
    imports: int = 0
    struck: bool = False
    outcome: str = ""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_by(self, method: str, url: URL) -> bool:
        """Count a request that is about to be sent; True when its answer is not to arrive."""
        fate, at = self.fate, self.requests if self.fate and self.fate.kind == "hold" else self.changes
        self.requests += 1
        self.changes += method != "GET"
        self.imports += url.path.endswith(_IMPORT)
        if fate is None or self.struck or at < fate.at or not self._may_strike(fate, method, url):
            return False
        self.struck = True
        if fate.kind == "hold":
            self.held.set()
            await self.released.wait()
            return False
        if not fate.after:
            raise _blow(fate)
        return True

    def _may_strike(self, fate: Fate, method: str, url: URL) -> bool:
        if fate.kind == "hold":
            return True
        return method != "GET" and (fate.kind == "crash" or url.port not in self.slow)

    def lose(self) -> None:
        """Lose the answer of the request that was just done."""
        assert self.fate
        raise _blow(self.fate)


def _blow(fate: Fate) -> BaseException:
    return Crashed() if fate.kind == "crash" else aiohttp.ServerDisconnectedError()


_journey: ContextVar[Journey | None] = ContextVar("journey", default=None)


@contextmanager
def travelling(journey: Journey) -> Iterator[None]:
    """What this task and those it starts request is part of the journey."""
    token = _journey.set(journey)
    try:
        yield
    finally:
        _journey.reset(token)


@contextmanager
def watched() -> Iterator[None]:
    """Every request of aiohttp, also of the storage SDK, passes through its journey."""
    original = aiohttp.ClientSession._request

    async def request(self: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> aiohttp.ClientResponse:
        journey = _journey.get()
        if journey is None:
            return await original(self, method, url, **options)
        is_lost = await journey.pass_by(method.upper(), URL(str(url), encoded=True))
        response = await original(self, method, url, **options)
        if is_lost:
            response.close()
            journey.lose()
        return response

    aiohttp.ClientSession._request = request  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        aiohttp.ClientSession._request = original  # type: ignore[method-assign]

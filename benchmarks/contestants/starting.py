"""The frame around a contestant: read the job, get ready, wait for the start, work, say how long it took."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

READY, DONE = "ready", "done"

type Job = dict[str, Any]
type Work = Callable[[], Awaitable[None]]


def compete(get_ready: Callable[[Job], Awaitable[Work]]) -> None:
    """Run a contestant: `get_ready` does what does not count and returns the work that does."""
    asyncio.run(_compete(get_ready))


async def _compete(get_ready: Callable[[Job], Awaitable[Work]]) -> None:
    work = await get_ready(json.loads(sys.stdin.readline()))
    _say({"state": READY})
    sys.stdin.readline()
    began = time.monotonic()
    await work()
    _say({"state": DONE, "seconds": time.monotonic() - began, "cpu": time.process_time()})


def _say(fact: dict[str, Any]) -> None:
    print(json.dumps(fact), flush=True)

"""Ship messages for parts that have just been put on the dock. One message serves all parts that are put there before
it becomes visible.

The first part gets a message at once. If another one follows shortly, it gets a message with a delay, and the parts of
the next moments need none: that message is stored, and no worker can have received it yet. So no part is forgotten,
also when this process crashes.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.engine.messages import Ship
from shared.engine.queues import Queues

_DELAY = timedelta(seconds=2)
# Storage may count in whole seconds, so a delayed message is certain to be invisible for one second less.
_INVISIBLE_FOR = timedelta(seconds=0.9)
# A part that comes later than this after the last message gets one without a delay.
_IN_A_ROW = timedelta(seconds=1.5)


@dataclass(frozen=True)
class _Call:
    """A message as it was sent: the time before that by the wall clock and by the clock that never jumps."""

    at: datetime
    ticks: float
    is_delayed: bool


class ShipCalls:
    """The ship messages that this process has sent lately."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last: dict[str, _Call] = {}
        self._one_sender: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._next: dict[str, asyncio.Future[None]] = {}

    async def call(self, queues: Queues, stage: str) -> None:
        """Have the parts of `stage` shipped that are on the dock by now: a message for them is stored when this
        returns. Callers that wait for their turn share one message, and its failure."""
        following = self._next.get(stage)
        if following is None or following.done():
            following = self._next[stage] = asyncio.ensure_future(self._send(queues, stage))
        await asyncio.shield(following)

    async def _send(self, queues: Queues, stage: str) -> None:
        async with self._one_sender[stage]:
            # A part that comes from now on may be too late for this message.
            self._next.pop(stage, None)
            last = self._last.get(stage)
            if last and last.is_delayed and self._is_within(last, _INVISIBLE_FOR):
                return
            is_delayed = last is not None and self._is_within(last, _IN_A_ROW)
            call = _Call(self._clock(), time.monotonic(), is_delayed)
            await queues.send(Ship(stage=stage), delay=_DELAY if is_delayed else timedelta())
            self._last[stage] = call

    def forget(self) -> None:
        """Rely on no message that was sent before."""
        self._last.clear()

    def _is_within(self, call: _Call, span: timedelta) -> bool:
        # The wall clock can be set back, and the other one may stand still while the machine sleeps.
        passed = self._clock() - call.at
        return timedelta() <= passed < span and time.monotonic() - call.ticks < span.total_seconds()

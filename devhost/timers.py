"""Timer triggers."""

import asyncio
import contextlib
import json
from datetime import datetime, timedelta

from devhost.bindings import Function, TimerTrigger
from devhost.invocation import Invoker
from devhost.refusal import StartRefused
from devhost.schedule import Schedule, parse_schedule
from devhost.worker import Datum, make_datum

NEVER = "0001-01-01T00:00:00"
# The host does not monitor schedules that fire more often than this.
MONITORED = timedelta(minutes=1)


class TimerListener:
    """Runs a function on its schedule, in local time, one run at a time.

    `use_monitor` is read from the binding, but the status is kept in memory only: a firing that was missed while the
    host was down is not repeated. In Azure a lock makes only one instance of an app run its timers; here every host
    runs them.
    """

    def __init__(self, function: Function, trigger: TimerTrigger, invoker: Invoker) -> None:
        self.function = function
        self.trigger = trigger
        self._invoker = invoker
        self._stopping = asyncio.Event()
        self._last: datetime | None = None
        try:
            self._schedule = parse_schedule(trigger.schedule)
            self._next = self._schedule.next_after(_now())
        except ValueError as error:
            raise StartRefused(f"function '{function.name}', schedule '{trigger.schedule}': {error}") from error

    async def listen(self) -> None:
        """Wait and run until `stop`."""
        if self.trigger.run_on_startup:
            await self.run("Timer fired at start-up")
        while not await self._stopped_before(self._next):
            fired = max(_now(), self._next)
            await self.run("Timer fired")
            self._last, self._next = fired, self._schedule.next_after(fired)

    async def run(self, reason: str) -> None:
        """Run the function now."""
        await self._invoker.invoke(self.function, self._describe(), {}, reason=reason)

    def stop(self) -> None:
        """Stop firing."""
        self._stopping.set()

    async def _stopped_before(self, moment: datetime) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, moment.timestamp() - _now().timestamp())):
                return await self._stopping.wait()
        return self._stopping.is_set()

    def _describe(self) -> Datum:
        status = None
        if self.trigger.use_monitor and _is_monitored(self._schedule):
            last = self._last.isoformat() if self._last else NEVER
            status = {"Last": last, "Next": self._next.isoformat(), "LastUpdated": last}
        content = {
            "Schedule": {"AdjustForDST": self._schedule.adjusts},
            "ScheduleStatus": status,
            "IsPastDue": False,
        }
        return make_datum(json.dumps(content), "json")


def _is_monitored(schedule: Schedule) -> bool:
    first = schedule.next_after(_now())
    return schedule.next_after(first) - first >= MONITORED


def _now() -> datetime:
    return datetime.now().astimezone().replace(tzinfo=None)

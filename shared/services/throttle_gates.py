"""Throttle gates: one per service, shared by all instances through Table storage.

A worker that receives a 429 closes the gate for all workers, and every worker checks the gate before it sends a
request. Services extend the wait of a caller that continues to send (Microsoft, "Service protection API limits"). Each
process reads a gate from storage at most once a second, and knows at once about gates that it closed itself.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Protocol

from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.errors import Throttled
from shared.tables.entities import Entities
from shared.tables.rows import Row, change_row, find_row

_PARTITION = "gate"
GATE_SPREAD = 2.0
"""Seconds over which waiting workers are spread when a gate opens, so that they do not all send at once."""

# Reading the gate before every request would cost one storage operation per request.
_FRESH = timedelta(seconds=1)
# The wait of Microsoft's samples for a 429 without Retry-After.
_UNSAID = timedelta(seconds=30)
# A Retry-After of zero, or in the past, would make all workers retry at once.
_SHORTEST = timedelta(seconds=1)
# Closures within this time are shown as one.
_SAME_TROUBLE = timedelta(seconds=60)
# They are stored in one table property, which holds at most 32,768 characters.
_REMEMBERED = 40
_SHORT = 200


@dataclass(frozen=True)
class Gate:
    """Closed until `until` for `reason`. `kind` is throttled, unavailable or not let in. `asked` is the length of
    the wait in seconds, counted when the gate was closed."""

    service: str
    until: datetime
    reason: str
    kind: str = "throttled"
    asked: int = 0

    def describe(self) -> str:
        """The text for an operator: `throttled until 14:02:10 UTC by Finance: ...`."""
        return f"{self.kind} until {self.until:%H:%M:%S} UTC by {self.service}: {self.reason}"


@dataclass(frozen=True)
class Closure:
    """A time during which a gate was closed. Closures that follow each other shortly are merged."""

    since: datetime
    until: datetime
    kind: str
    reason: str
    times: int = 1


_GATE = Entities(Gate, others={"service": lambda row: str(row["RowKey"])})


class Gates(Protocol):
    """What a client of a service needs of the gates."""

    async def pass_through(self, service: str) -> None:
        """Return if a request may be sent to `service` now. Raises Throttled while its gate is closed."""

    async def close(self, service: str, until: datetime, reason: str) -> None:
        """Close the gate of `service`."""


class ThrottleGates:
    """The gates in Table storage."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock
        self._known: dict[str, Gate] = {}
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._one_reader = asyncio.Lock()

    async def pass_through(self, service: str) -> None:
        """Return if a request may be sent to `service` now. Raises Throttled while its gate is closed."""
        gate = await self.look(service)
        if gate:
            raise Throttled(service, gate.until, gate.reason)

    async def look(self, service: str) -> Gate | None:
        """The gate of `service` if it is closed."""
        if not self._knows(service):
            # Callers that arrive while the gates are read wait for the result. Otherwise they would see them as open.
            async with self._one_reader:
                if not self._knows(service):
                    await self._read_all()
        return self._closed(service)

    def is_over(self, instant: datetime) -> bool:
        """Whether an instant has passed."""
        return instant <= self._clock()

    async def was_closed(self, service: str, since: datetime) -> bool:
        """Whether the gate of `service` is closed now or was closed after `since`."""
        await self.look(service)
        known = self._known.get(service)
        return known is not None and known.until > since

    async def close(self, service: str, until: datetime, reason: str, *, kind: str = "throttled") -> None:
        """Close the gate of `service`. A later end set by a concurrent writer is kept.

        In this process it is closed before the first await, because other requests are already waiting to be sent.
        """
        gate = Gate(service, until, reason, kind, round((until - self._clock()).total_seconds()))
        self._learn(gate)
        await change_row(self._table, _PARTITION, service, partial(self._close, gate))

    def _knows(self, service: str) -> bool:
        return self._closed(service) is not None or self._clock() - self._read_at < _FRESH

    def _closed(self, service: str) -> Gate | None:
        known = self._known.get(service)
        return known if known and known.until > self._clock() else None

    def _learn(self, gate: Gate) -> None:
        known = self._known.get(gate.service)
        if known is None or known.until < gate.until:
            self._known[gate.service] = gate

    async def closures(self, service: str) -> list[Closure]:
        """The recent closures of the gate of `service`, oldest first."""
        return _read_closures(await self._read(service))

    async def standing(self) -> dict[str, Closure]:
        """The closures that go on, by service: the gate is closed, or has been open for less than a minute."""
        read = {service: _read_closures(row) for service, row in (await self._read_all()).items()}
        ends = self._clock() - _SAME_TROUBLE
        return {service: closures[-1] for service, closures in read.items() if closures and closures[-1].until > ends}

    async def _read_all(self) -> dict[str, Any]:
        """Read the gates of all services with one request. Returns their rows."""
        rows = {str(row["RowKey"]): row async for row in self._table.query_entities(f"PartitionKey eq '{_PARTITION}'")}
        for row in rows.values():
            self._learn(_GATE.value(row))
        self._read_at = self._clock()
        return rows

    async def _read(self, service: str) -> Any | None:
        row = await find_row(self._table, _PARTITION, service)
        if row is not None:
            self._learn(_GATE.value(row))
        return row

    def _close(self, gate: Gate, row: Any | None) -> Row | None:
        """The columns of the gate, or None if a later end is stored."""
        if row is not None:
            standing = _GATE.value(row)
            self._learn(standing)
            if standing.until >= gate.until:
                return None
        closures = _add_closure(_read_closures(row), gate, self._clock())
        return {**_GATE.columns(gate), "closures": _write_closures(closures)}


def _add_closure(closures: list[Closure], gate: Gate, now: datetime) -> list[Closure]:
    last = closures[-1] if closures else None
    if last and last.kind == gate.kind and now - last.until < _SAME_TROUBLE:
        return [*closures[:-1], replace(last, until=gate.until, reason=gate.reason[:_SHORT], times=last.times + 1)]
    return [*closures, Closure(now, gate.until, gate.kind, gate.reason[:_SHORT])][-_REMEMBERED:]


def _write_closures(closures: list[Closure]) -> str:
    return json.dumps([[stamp(each.since), stamp(each.until), each.kind, each.reason, each.times] for each in closures])


def _read_closures(row: Any | None) -> list[Closure]:
    text = row.get("closures") if row else None
    return [
        Closure(parse_stamp(since), parse_stamp(until), kind, reason, times)
        for since, until, kind, reason, times in json.loads(text or "[]")
    ]


def retry_instant(retry_after: str | None, now: datetime, longest: timedelta) -> datetime:
    """The instant that a Retry-After header names, as seconds or as an HTTP date. A missing or unreadable header
    means 30 seconds, as in Microsoft's samples. The wait is never longer than `longest`."""
    wait = _UNSAID
    if retry_after:
        try:
            wait = timedelta(seconds=float(retry_after))
        except (ValueError, OverflowError):
            wait = _until_date(retry_after, now)
    return now + min(max(wait, _SHORTEST), longest)


def _until_date(text: str, now: datetime) -> timedelta:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return _UNSAID
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - now

"""Throttle gates: one for each service, shared by all instances through storage.

Whoever is told to wait closes the gate for everyone; whoever is about to send a request looks at it first. Looking
costs nothing: each process reads the gates at most once a second and knows at once what it closed itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.errors import Throttled

_FRESH = timedelta(seconds=1)
_UNSAID = timedelta(seconds=30)
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True)
class Gate:
    """Closed until `until`, because of `reason`; `kind` is the word for it: throttled, unavailable, not let in."""

    service: str
    until: datetime
    reason: str
    kind: str = "throttled"

    def describe(self) -> str:
        """What a person reads: `throttled until 14:02:10 UTC by Finance: ...`."""
        return f"{self.kind} until {self.until:%H:%M:%S} UTC by {self.service}: {self.reason}"


class Gates:
    """The gates as the ledger holds them."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock
        self._known: dict[str, Gate] = {}
        self._read_at: dict[str, datetime] = {}
        self._one_reader = asyncio.Lock()

    async def pass_through(self, service: str) -> None:
        """Return if something may be sent to `service` now. Raises Throttled while its gate is closed."""
        gate = await self.look(service)
        if gate:
            raise Throttled(service, gate.until, gate.reason)

    async def look(self, service: str) -> Gate | None:
        """The gate of `service` if it is closed."""
        if not self._knows(service):
            # Whoever comes while the gate is being read waits for the answer, or it would take the gate for open.
            async with self._one_reader:
                if not self._knows(service):
                    await self._read(service)
                    self._read_at[service] = self._clock()
        return self._closed(service)

    async def close(self, service: str, until: datetime, reason: str, *, kind: str = "throttled") -> None:
        """Close the gate of `service`; a later end that somebody else has set stays.

        Within this process it is closed before anything is awaited: the next request is already in the queue.
        """
        gate = Gate(service, until, reason, kind)
        self._learn(gate)
        while not await self._write(gate):
            pass

    def _knows(self, service: str) -> bool:
        read_at = self._read_at.get(service, datetime.min.replace(tzinfo=UTC))
        return self._closed(service) is not None or self._clock() - read_at < _FRESH

    def _closed(self, service: str) -> Gate | None:
        known = self._known.get(service)
        return known if known and known.until > self._clock() else None

    def _learn(self, gate: Gate) -> None:
        known = self._known.get(gate.service)
        if known is None or known.until < gate.until:
            self._known[gate.service] = gate

    async def _read(self, service: str) -> tuple[Gate, str] | None:
        try:
            row = await self._table.get_entity("gate", service)
        except ResourceNotFoundError:
            return None
        gate = Gate(service, parse_stamp(str(row["until"])), str(row["reason"]), str(row["kind"]))
        self._learn(gate)
        return gate, str(row.metadata["etag"])

    async def _write(self, gate: Gate) -> bool:
        """Write the gate unless a later end stands; False when somebody else wrote at the same time."""
        entity = {
            "PartitionKey": "gate",
            "RowKey": gate.service,
            "until": stamp(gate.until),
            "reason": gate.reason,
            "kind": gate.kind,
        }
        found = await self._read(gate.service)
        if found is not None and found[0].until >= gate.until:
            return True
        try:
            if found is None:
                await self._table.create_entity(entity)
            else:
                await self._table.update_entity(
                    entity, mode=UpdateMode.REPLACE, etag=found[1], match_condition=MatchConditions.IfNotModified
                )
        except (ResourceExistsError, ResourceModifiedError):
            return False
        return True


def retry_instant(retry_after: str | None, now: datetime, longest: timedelta) -> datetime:
    """The instant that a Retry-After header means: seconds or an HTTP date. Missing or unreadable is 30 seconds (what
    Microsoft's samples assume), and no service keeps us away for longer than `longest` at a time."""
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

"""Throttle gates: one for each service, shared by all instances through storage.

Whoever is told to wait closes the gate for everyone; whoever is about to send a request looks at it first. Looking
costs nothing: each process reads the gates at most once a second and knows at once what it closed itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.errors import Throttled

_FRESH = timedelta(seconds=1)
_UNSAID = timedelta(seconds=30)
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True)
class Gate:
    """Closed until `until`, because of `reason`."""

    service: str
    until: datetime
    reason: str


class Gates:
    """The gates as the ledger holds them."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock
        self._known: dict[str, Gate] = {}
        self._read_at: dict[str, datetime] = {}

    async def pass_through(self, service: str) -> None:
        """Return if something may be sent to `service` now. Raises Throttled while its gate is closed."""
        gate = await self.look(service)
        if gate:
            raise Throttled(service, gate.until, gate.reason)

    async def look(self, service: str) -> Gate | None:
        """The gate of `service` if it is closed."""
        now = self._clock()
        known = self._known.get(service)
        if known and known.until > now:
            return known
        if now - self._read_at.get(service, datetime.min.replace(tzinfo=UTC)) < _FRESH:
            return None
        self._read_at[service] = now
        gate = await self._read(service)
        if gate is None or gate.until <= now:
            return None
        self._known[service] = gate
        return gate

    async def close(self, service: str, until: datetime, reason: str) -> None:
        """Close the gate of `service`; a later end that somebody else has set stays."""
        standing = await self._read(service)
        if standing and standing.until >= until:
            self._known[service] = standing
            return
        self._known[service] = Gate(service, until, reason)
        await self._table.upsert_entity(
            {"PartitionKey": "gate", "RowKey": service, "until": stamp(until), "reason": reason}
        )

    async def _read(self, service: str) -> Gate | None:
        try:
            row = await self._table.get_entity("gate", service)
        except ResourceNotFoundError:
            return None
        return Gate(service, parse_stamp(str(row["until"])), str(row["reason"]))


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

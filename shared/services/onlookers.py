"""Clients that only look: for requests that the app makes about itself, beside its work.

They obey the gates of the work and close none. A service that asks such a request to wait is left alone by this client,
while the work finds out by itself.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.errors import Throttled
from shared.services.http import Service
from shared.services.throttle_gates import ThrottleGates


class SideGates:
    """The gates of the work, and beside them waits that this client alone was asked for."""

    def __init__(self, gates: ThrottleGates) -> None:
        self._gates = gates
        self._waits: dict[str, Throttled] = {}

    async def pass_through(self, service: str) -> None:
        """Return if a request may be sent to `service` now. Raises Throttled."""
        await self._gates.pass_through(service)
        wait = self._waits.get(service)
        if wait is not None and not self._gates.is_over(wait.until):
            raise Throttled(service, wait.until, wait.reason)

    async def close(self, service: str, until: datetime, reason: str) -> None:
        """Remember the wait. The gate of the work stays as it is."""
        self._waits[service] = Throttled(service, until, reason)


@dataclass(frozen=True)
class Onlookers:
    """The looking clients of both services."""

    dataverse: Service
    finance: Service

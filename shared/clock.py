"""The time, as a port."""

import random
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def stamp(instant: datetime) -> str:
    """An instant as the ledger keeps it and people read it: 2026-11-20T14:02:10.123Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_stamp(text: str) -> datetime:
    """Read what stamp wrote."""
    return datetime.fromisoformat(text)


def jitter(most: float) -> timedelta:
    """Up to so many seconds, by chance: what waits for the same thing comes back apart."""
    return timedelta(seconds=random.uniform(0, most))  # noqa: S311 - spreads load, guards nothing

"""The clock. Ports carry it, so that tests can replace it."""

import random
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def stamp(instant: datetime) -> str:
    """An instant as text for the ledger and for people: 2026-11-20T14:02:10.123Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_stamp(text: str) -> datetime:
    """Parse the text that `stamp` writes."""
    return datetime.fromisoformat(text)


def jitter(most: float) -> timedelta:
    """A random duration of up to `most` seconds, so that workers that wait for the same thing do not return at once."""
    return timedelta(seconds=random.uniform(0, most))  # noqa: S311 - spreads load, guards nothing

"""Parses and formats points in time, in UTC or relative to now."""

import re
from datetime import UTC, datetime, timedelta

from relay_cli.problems import Misused

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_time(text: str, now: datetime) -> str:
    """Convert a date, a date with time, or a duration before now (30s, 30m, 2h, 3d, 1w) to ISO 8601 in UTC; else
    Misused.

    A time without zone is UTC, as are all displayed times.
    """
    try:
        if span := re.fullmatch(r"(\d+)([smhdw])", text.strip()):
            at = now - timedelta(**{UNITS[span[2]]: int(span[1])})
        else:
            at = datetime.fromisoformat(text.strip())
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    # OverflowError: a duration that leads before the year 1.
    except (ValueError, OverflowError) as error:
        raise Misused(
            f"{text!r} is not a point in time.", "Write 2026-03-31, 2026-03-31T14:00Z, 30m, 2h or 3d."
        ) from error
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


def show_time(at: datetime | None) -> str:
    """A point in time for display: 2026-03-31 14:00:05Z."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" if at else "-"


def show_span(seconds: float | None) -> str:
    """A duration for display, in its two largest units: 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    for size, name, lesser, lesser_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // lesser
            return f"{whole // size} {name}" + (f" {rest} {lesser_name}" if rest else "")
    return f"{whole} s"

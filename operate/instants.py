"""Instants that operators name: with a time zone, in years that storage keys and OData filters can express."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

_FIRST_YEAR, _LAST_YEAR = 1900, 2999


def _instant(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("give the time zone, such as 2026-11-20T00:00:00Z")
    if not _FIRST_YEAR < value.year < _LAST_YEAR:
        raise ValueError(f"give a year between {_FIRST_YEAR} and {_LAST_YEAR}")
    return value.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_instant)]

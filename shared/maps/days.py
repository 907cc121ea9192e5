"""Determines the day that a user chose from the instant that Dataverse stores for it.

Dataverse stores a date of behaviour UserLocal as the UTC instant of midnight in the user's time zone. For one user that
is midnight in Sydney, for another midnight in Mumbai, whatever zone the app reads in.

    a midnight in the app's own zone             that day
    00:00 UTC                                    that day: a zone-independent column, or a user in Greenwich
    a midnight in a zone of the settings         that day
    otherwise                                    the midnight before or after that exists in a place between UTC-11
                                                 and UTC+13; for Europe this is the nearest midnight
    noon in the app's zone, or both of them      undecidable: midnight in Auckland is noon in Berlin in winter

Source: DateTimeBehavior of Dataverse's date columns.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.configuration.time_zones import ZONES_SETTING, Zones

# UTC+13, a day later, is the eastern limit. Zones beyond it are ignored.
_FARTHEST_WEST = timedelta(hours=-11)
_DAY = timedelta(days=1)
_HALF = _DAY / 2
_MOMENT = timedelta(microseconds=1)
_DATE_LENGTH = len("2026-11-20")


class Undecidable(ValueError):
    """An instant that may be midnight of either of two days."""


def read_instant(text: str) -> datetime:
    """Parse an instant as Dataverse writes it. Without an offset it is UTC."""
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def day_meant(text: str, zones: Zones) -> date:
    """The day that a value of a date column means. Raises Undecidable, and ValueError for text that is not an
    instant."""
    if len(text) == _DATE_LENGTH:
        return date.fromisoformat(text)
    instant = read_instant(text)
    known = _known_day(instant, zones)
    return known if known is not None else _day_elsewhere(instant, zones.home)


def is_zone_free(text: str) -> bool:
    """Whether a value is a plain date, or midnight UTC, the form in which a zone-independent column returns a date."""
    return len(text) == _DATE_LENGTH or read_instant(text).time() == time()


@lru_cache(maxsize=4096)
def is_midnight(text: str, zones: Zones) -> bool:
    """Whether a value of a date column is a plain date, or midnight in a zone of the settings."""
    return len(text) == _DATE_LENGTH or _known_day(read_instant(text), zones) is not None


def _known_day(instant: datetime, zones: Zones) -> date | None:
    at_home = instant.astimezone(zones.home)
    if _is_midnight(at_home) or _is_midnight(instant):
        return at_home.date() if _is_midnight(at_home) else instant.date()
    elsewhere = {local.date() for local in map(instant.astimezone, zones.people) if _is_midnight(local)}
    # Two of these zones may be a day apart, such as Honolulu and Kiritimati. Then the result is ambiguous.
    return elsewhere.pop() if len(elsewhere) == 1 else None


def _is_midnight(local: datetime) -> bool:
    # Where clocks go forward at midnight, a day starts at one o'clock.
    before = (local.astimezone(UTC) - _MOMENT).astimezone(local.tzinfo)
    return local.time() == time() or before.date() < local.date()


def _day_elsewhere(instant: datetime, home: ZoneInfo) -> date:
    local = instant.astimezone(home)
    passed = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second)
    west = (local.utcoffset() or timedelta()) - passed
    if passed == _HALF or west == _FARTHEST_WEST:
        raise Undecidable(
            f"{instant:%Y-%m-%dT%H:%MZ}, which is {local:%H:%M} in {home.key}, may be midnight of {local.date()} "
            f"or of {local.date() + _DAY}: name the time zone of the person who chose the day in {ZONES_SETTING}, "
            "then send the row again"
        )
    return local.date() if west > _FARTHEST_WEST else local.date() + _DAY

"""When a timer fires: NCRONTAB expressions and fixed intervals."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from devhost.timespan import parse_time_span

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
HORIZON = timedelta(days=366 * 9)


class Schedule(Protocol):
    """Says when a timer fires."""

    @property
    def adjusts(self) -> bool:
        """What the function sees as AdjustForDST."""

    def next_after(self, moment: datetime) -> datetime:
        """The first firing after `moment`. Both are local times without time zone."""


@dataclass(frozen=True)
class Interval:
    """Fires every `period`, counted from the last firing."""

    period: timedelta
    adjusts: bool = False

    def next_after(self, moment: datetime) -> datetime:
        """The moment plus the period."""
        return moment + self.period


@dataclass(frozen=True)
class Cron:
    """An NCRONTAB expression: second, minute, hour, day of month, month, day of week (0 is Sunday).

    A day must satisfy both day fields, unlike in Unix cron, where one of two is enough.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    adjusts: bool = True

    def next_after(self, moment: datetime) -> datetime:
        """The first matching second after a moment; ValueError when none comes within nine years."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day, end = start.replace(hour=0, minute=0, second=0), start + HORIZON
        while day < end:
            if self._matches_day(day) and (found := self._first_on(day, start)):
                return found
            day += timedelta(days=1)
        raise ValueError("the schedule never fires")

    def _matches_day(self, day: datetime) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _first_on(self, day: datetime, start: datetime) -> datetime | None:
        for hour in self.hours:
            if day + timedelta(hours=hour + 1) <= start:
                continue
            for minute in self.minutes:
                for second in self.seconds:
                    if (candidate := day.replace(hour=hour, minute=minute, second=second)) >= start:
                        return candidate
        return None


def parse_schedule(text: str) -> Schedule:
    """Read a timer's schedule: six NCRONTAB fields, five (then second 0), or a TimeSpan.

    ValueError says what is wrong with any other.
    """
    fields = text.split()
    if len(fields) == 1:
        period = parse_time_span(text)
        if period <= timedelta(0):
            raise ValueError(f"{text!r} is no interval: it must be longer than nothing")
        return Interval(period)
    if len(fields) == 5:
        fields = ["0", *fields]
    if len(fields) != 6:
        raise ValueError(f"{text!r} is no schedule; write six fields: second minute hour day month weekday")
    return Cron(
        seconds=_read_field(fields[0], 0, 59),
        minutes=_read_field(fields[1], 0, 59),
        hours=_read_field(fields[2], 0, 23),
        days=frozenset(_read_field(fields[3], 1, 31)),
        months=frozenset(_read_field(fields[4], 1, 12, MONTHS)),
        weekdays=frozenset(_read_field(fields[5], 0, 6, DAYS)),
    )


def _read_field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> tuple[int, ...]:
    values: set[int] = set()
    for part in text.split(","):
        values.update(_read_part(part, low, high, names))
    return tuple(sorted(values))


def _read_part(part: str, low: int, high: int, names: tuple[str, ...]) -> Iterable[int]:
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    start = low if span == "*" else _read_number(first, low, names)
    # "5/15" means from 5 on in steps of 15, just as "*/15" means from the first value on.
    end = _read_number(last, low, names) if last else (high if span == "*" or step else start)
    width = int(step) if step.isdigit() else 1
    if not low <= start <= end <= high or width < 1 or (step and not step.isdigit()):
        raise ValueError(f"{part!r} is not within {low} to {high}")
    return range(start, end + 1, width)


def _read_number(text: str, low: int, names: tuple[str, ...]) -> int:
    if text.lower()[:3] in names and text.isalpha():
        return names.index(text.lower()[:3]) + low
    if not text.isdigit():
        raise ValueError(f"{text!r} is no number")
    return int(text)

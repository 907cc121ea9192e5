"""Rows on their way into the database, a thousand at a time."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import count
from random import Random

from simulators.dataverse.events import SqlValue
from simulators.dataverse.store import Writer, guid_text
from simulators.dataverse.values import TIME_ZONE, instant_text

CHUNK = 1_000

type Values = dict[str, SqlValue]


class Rows:
    """Collects rows of several tables and writes them in chunks, so that memory does not grow with their number."""

    def __init__(self, writer: Writer, now: str) -> None:
        self.writer = writer
        self.now = now
        self._pending: dict[str, list[tuple[SqlValue, ...]]] = {}

    def add(self, table: str, key: str, values: Values) -> None:
        """Take one row; the standard columns are filled in here."""
        row: Values = {
            "statecode": 0,
            "statuscode": 1,
            **values,
            f"{table}id": key,
            "createdon": self.now,
            "modifiedon": self.now,
            "versionnumber": self.writer.next_version(),
        }
        names = self.writer.schema.tables[table].column_names
        pending = self._pending.setdefault(table, [])
        pending.append(tuple(map(row.get, names)))
        if len(pending) >= CHUNK:
            self._flush(table)

    def flush(self) -> None:
        for table in self._pending:
            self._flush(table)

    def _flush(self, table: str) -> None:
        self.writer.insert_many(table, self.writer.schema.tables[table].column_names, self._pending[table])
        self._pending[table].clear()


def ids_of(numbers: Random) -> Callable[[], str]:
    """Return a maker of reproducible GUIDs.

    Like the service's own they begin with a counter, so that rows of one transaction are neighbours in the indexes.
    """
    counter = count(numbers.getrandbits(31))
    return lambda: guid_text(next(counter) << 96 | numbers.getrandbits(96))


@lru_cache(maxsize=4096)
def local_midnight(day: date) -> str:
    """Return the UTC instant of the organization's local midnight: how a UserLocal date is stored and read."""
    return instant_text(datetime(day.year, day.month, day.day, tzinfo=TIME_ZONE))


@lru_cache(maxsize=4096)
def local_day(instant: str | None) -> str | None:
    """Return the date that the organization's people see for a stored instant."""
    return datetime.fromisoformat(instant).astimezone(TIME_ZONE).date().isoformat() if instant else None


def workday(numbers: Random) -> date:
    """Return a day around the change to summer time, when local midnight moves."""
    return date(2026, 2, 1) + timedelta(days=numbers.randrange(85))

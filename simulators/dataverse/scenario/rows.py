"""Writes rows into the database in chunks of a thousand."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import count
from random import Random

from simulators.dataverse.events import SqlValue
from simulators.dataverse.schema import STANDARD_COLUMNS
from simulators.dataverse.store import Writer, guid_text
from simulators.dataverse.values import TIME_ZONE, instant_text

CHUNK = 1_000

type Values = dict[str, SqlValue]


class Rows:
    """Collects rows of several tables and writes them in chunks, so that memory does not grow with their number."""

    def __init__(self, writer: Writer, now: str) -> None:
        self.writer = writer
        self.now = now
        self._pending: dict[str, _Pending] = {}

    def add(self, table: str, key: str, values: Values) -> None:
        """Take one active row. Its id, version and dates are set here, whatever `values` contains."""
        pending = self._pending.get(table) or self._open(table)
        given = (key, self.now, self.now, 0, 1, self.writer.next_version())
        pending.rows.append((*given, *map(values.get, pending.names)))
        if len(pending.rows) >= CHUNK:
            self._flush(table, pending)

    def flush(self) -> None:
        for table, pending in self._pending.items():
            self._flush(table, pending)

    def _open(self, table: str) -> "_Pending":
        own = {f"{table}id", *STANDARD_COLUMNS}
        names = tuple(name for name in self.writer.schema.tables[table].column_names if name not in own)
        self._pending[table] = pending = _Pending((f"{table}id", *STANDARD_COLUMNS), names, [])
        return pending

    def _flush(self, table: str, pending: "_Pending") -> None:
        self.writer.insert_many(table, (*pending.given, *pending.names), pending.rows)
        pending.rows.clear()


@dataclass(frozen=True)
class _Pending:
    given: tuple[str, ...]
    names: tuple[str, ...]
    rows: list[tuple[SqlValue, ...]]


def ids_of(numbers: Random) -> Callable[[], str]:
    """Return a generator function of reproducible GUIDs.

    Like the service's own GUIDs they start with a counter, so that rows of one transaction are neighbours in the
    indexes.
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

"""Application Insights for tests: a log as the tables `traces` and `requests`, and queries asked of them in KQL."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb_kql

LINE = re.compile(r"^\[(\S+ [\d:]+),(\d{3})\] (\w+) +(\S+): (.*)$")
EXECUTED = re.compile(r"^Executed 'Functions\.(\w+)' \((Succeeded|Failed), ")
SEVERITY = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3, "CRITICAL": 4}
TABLES = {
    "traces": "timestamp TIMESTAMP, message VARCHAR, severityLevel INTEGER, category VARCHAR",
    "requests": "timestamp TIMESTAMP, name VARCHAR, success BOOLEAN",
}


@dataclass(frozen=True)
class Line:
    """A line of a log."""

    at: datetime
    level: str
    category: str
    text: str


@dataclass(frozen=True)
class Log:
    """The lines of a log, oldest first."""

    lines: Sequence[Line]

    @classmethod
    def of_hosts(cls, run_dir: Path) -> "Log":
        """What the hosts of a system have written so far."""
        texts = [path.read_text("utf-8") for path in sorted(run_dir.glob("host-*.log"))]
        return cls(sorted(_lines("\n".join(texts)), key=lambda line: line.at))

    def since(self, instant: datetime) -> "Log":
        """The lines from an instant on."""
        return replace(self, lines=[line for line in self.lines if line.at >= instant])

    def ask(self, query: str, window: timedelta, later: timedelta = timedelta()) -> list[dict[str, Any]]:
        """The rows that a query finds in the last `window` of the log, asked so much later than its end."""
        now, end = datetime.now(UTC), max((line.at for line in self.lines), default=datetime.now(UTC)) + later
        shifted = [replace(line, at=line.at + (now - end)) for line in self.lines if line.at > end - window]
        with duckdb_kql.connect() as database:
            for table, columns in TABLES.items():
                database.execute(f"CREATE TABLE {table} ({columns})")
            _fill(database, "traces", [_trace(line) for line in shifted])
            _fill(database, "requests", [row for line in shifted if (row := _request(line))])
            found = duckdb_kql.query(database, query)
            return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def _fill(database: Any, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        # By columns, because row by row takes many times as long.
        columns = [list(column) for column in zip(*rows, strict=True)]
        database.execute(f"INSERT INTO {table} SELECT {', '.join(['unnest(?)'] * len(columns))}", columns)


def _lines(text: str) -> Iterable[Line]:
    for line in text.splitlines():
        if found := LINE.match(line):
            clock, millis, level, category, message = found.groups()
            at = datetime.fromisoformat(f"{clock}.{millis}").astimezone(UTC)
            yield Line(at, level, category, message)


def _naive(at: datetime) -> datetime:
    """As the database takes an instant in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None)


def _trace(line: Line) -> tuple[Any, ...]:
    return (_naive(line.at), line.text, SEVERITY[line.level], line.category)


def _request(line: Line) -> tuple[Any, ...] | None:
    found = EXECUTED.match(line.text)
    return (_naive(line.at), found[1], found[2] == "Succeeded") if found else None

"""The organization's database: one SQLite file with one writer at a time and concurrent readers."""

import asyncio
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from simulators.dataverse.events import Event, SqlValue
from simulators.dataverse.schema import Schema, Table
from simulators.odata import register_functions

type Row = Sequence[SqlValue]

# In KiB. An invoice of 100,000 lines is written into indexes that are much larger than what a reader needs.
WRITER_CACHE, READER_CACHE = 48_000, 8_000

_BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS sim_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sim_invoice (
  invoice_id TEXT PRIMARY KEY, number TEXT, company TEXT, currency TEXT, contract TEXT, lines INTEGER, seed TEXT,
  proforma_total INTEGER, actuals_expected INTEGER, connections_expected INTEGER);
CREATE TABLE IF NOT EXISTS sim_produced (
  invoice_id TEXT NOT NULL, kind TEXT NOT NULL, row_id TEXT NOT NULL, import_id TEXT, type INTEGER, amount INTEGER,
  billing_type INTEGER);
CREATE INDEX IF NOT EXISTS sim_produced_invoice ON sim_produced (invoice_id);
CREATE TABLE IF NOT EXISTS sim_authvalue (endpoint_id TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sim_billed (line_id TEXT PRIMARY KEY, billed_id TEXT NOT NULL) WITHOUT ROWID;
"""


class Store:
    """Runs functions over a connection off the event loop.

    `write` gives one caller at a time the writer inside a transaction: it commits when the function returns and rolls
    back when it raises. `read` sees the last commit and never waits for the writer.
    """

    def __init__(self, schema: Schema, folder: Path) -> None:
        self.schema = schema
        self.path = folder / "dataverse.sqlite"
        self.tell: Callable[[list[Event]], None] = lambda _: None
        self.committed: Callable[[sqlite3.Connection, list[Event]], None] = lambda *_: None
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer_pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._reader_pool = ThreadPoolExecutor(2, thread_name_prefix="reader")
        self._writer_pool.submit(self._prepare).result()

    async def write[T](self, work: Callable[["Writer"], T]) -> T:
        """Return what `work` returns, after its changes are committed and their events told."""
        loop = asyncio.get_running_loop()
        result, events = await loop.run_in_executor(self._writer_pool, self._write, work)
        if events:
            self.tell(events)
        return result

    async def read[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns over the last committed state."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader_pool, self._read, work)

    def setting(self, name: str, default: Callable[[], str]) -> str:
        """Return a value that stays the same for the life of the folder."""
        return self.prepare(lambda writer: _setting(writer, name, default))

    def prepare[T](self, work: Callable[["Writer"], T]) -> T:
        """Run a write before the event loop starts. It raises no events."""
        return self._writer_pool.submit(self._write, work).result()[0]

    def close(self) -> None:
        self._writer_pool.shutdown()
        self._reader_pool.shutdown()
        for connection in self._connections:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            cache = WRITER_CACHE if threading.current_thread().name.startswith("writer") else READER_CACHE
            connection.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY;"
                f"PRAGMA cache_size=-{cache}; PRAGMA journal_size_limit=16000000;"
            )
            register_functions(connection)
            connection.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type]
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def _prepare(self) -> None:
        connection = self._connection()
        for table in self.schema.tables.values():
            for statement in _ddl(table):
                connection.execute(statement)
        connection.executescript(_BOOKKEEPING)
        newest = [
            connection.execute(f'SELECT MAX(versionnumber) FROM "{name}"').fetchone()[0] or 0  # noqa: S608 - own names
            for name in self.schema.tables
        ]
        self._writer = Writer(self.schema, connection, max(*newest, 1_000_000))

    def _write[T](self, work: Callable[["Writer"], T]) -> tuple[T, list[Event]]:
        writer = self._writer
        writer.events = []
        writer.connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(writer)
        except BaseException:
            writer.connection.execute("ROLLBACK")
            raise
        writer.connection.execute("COMMIT")
        self.committed(writer.connection, writer.events)
        return result, writer.events

    def _read[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            return work(connection)
        finally:
            connection.execute("COMMIT")


class Writer:
    """The writing connection, with the counter of row versions and the events of the running transaction."""

    def __init__(self, schema: Schema, connection: sqlite3.Connection, version: int) -> None:
        self.schema = schema
        self.connection = connection
        self.events: list[Event] = []
        self._version = version

    def next_version(self) -> int:
        self._version += 1
        return self._version

    def insert(self, table: str, row: dict[str, SqlValue]) -> None:
        """Insert one row; the version is given here."""
        row = row | {"versionnumber": self.next_version()}
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        self.connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', tuple(row.values()))  # noqa: S608

    def update(self, table: str, key: str, changes: dict[str, SqlValue]) -> None:
        """Change one row by its primary key; the version moves on."""
        changes = changes | {"versionnumber": self.next_version()}
        sets = ", ".join(f'"{name}" = ?' for name in changes)
        sql = f'UPDATE "{table}" SET {sets} WHERE "{self.schema.tables[table].key}" = ?'  # noqa: S608 - own names
        self.connection.execute(sql, (*changes.values(), key))

    def row(self, table: str, key: str) -> dict[str, SqlValue] | None:
        """Return a row by its primary key."""
        names, own = self.schema.tables[table].column_names, self.schema.tables[table].key
        columns = ", ".join(f'"{name}"' for name in names)
        sql = f'SELECT {columns} FROM "{table}" WHERE "{own}" = ?'  # noqa: S608 - names come from the schema
        found = self.connection.execute(sql, (key,)).fetchone()
        return dict(zip(names, found, strict=True)) if found else None

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happens inside when it raises, rows and events, and nothing else of the transaction."""
        events = len(self.events)
        self.connection.execute("SAVEPOINT inner")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK TO inner")
            del self.events[events:]
            raise
        finally:
            self.connection.execute("RELEASE inner")

    def event(self, message: str, table: str, key: str, changes: dict[str, SqlValue]) -> Event:
        """Return the event for a change, with the row as it is now."""
        return Event(message, table, key, changes, self.row(table, key) or {})

    def insert_many(self, table: str, names: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows of the same columns; versions are the caller's."""
        columns = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        self.connection.executemany(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', rows)  # noqa: S608


class _ExactSum:
    """SUM that neither overflows 64 bits nor turns to floating point."""

    def __init__(self) -> None:
        self.total: int | None = None

    def step(self, value: int | None) -> None:
        if value is not None:
            self.total = value + (self.total or 0)

    def finalize(self) -> str | None:
        return None if self.total is None else str(self.total)


def new_id() -> str:
    """Return a random GUID in lower case."""
    return guid_text(secrets.randbits(128))


def guid_text(bits: int) -> str:
    """Return 128 bits as a GUID of version 4."""
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _setting(writer: Writer, name: str, default: Callable[[], str]) -> str:
    found = writer.connection.execute("SELECT value FROM sim_settings WHERE name = ?", (name,)).fetchone()
    if found:
        return str(found[0])
    value = default()
    writer.connection.execute("INSERT INTO sim_settings VALUES (?, ?)", (name, value))
    return value


def _ddl(table: Table) -> list[str]:
    columns = [f'"{table.key}" TEXT PRIMARY KEY NOT NULL']
    columns += [column.ddl for column in table.columns.values() if column.name != table.key]
    name = table.logical_name
    statements = [f'CREATE TABLE IF NOT EXISTS "{name}" ({", ".join(columns)})']
    # Every index includes the primary key, so that a page in the default order needs no sorting.
    statements += [
        f'CREATE INDEX IF NOT EXISTS "{name}_{index}" ON "{name}" ("{index}", "{table.key}")' for index in table.indexes
    ]
    for key, members in table.keys.items():
        listed = ", ".join(f'"{member}"' for member in members)
        statements.append(f'CREATE UNIQUE INDEX IF NOT EXISTS "{name}_key_{key}" ON "{name}" ({listed})')
    return statements

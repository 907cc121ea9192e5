"""The database of the simulated Finance: SQLite with one writer at a time; readers never wait for it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulators.finance.entities import ENTITIES, Entity
from simulators.odata import register_functions

# Record ids start beyond 32 bits, as in the real service, so that code that stores them in 32 bits fails.
FIRST_RECORD_ID = 5637144576

_STATE = """
CREATE TABLE IF NOT EXISTS journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT, key TEXT, executionid TEXT, project TEXT, action TEXT);
CREATE TABLE IF NOT EXISTS projects (
  recid INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, description TEXT DEFAULT '',
  operationtype TEXT DEFAULT 'Import', projectcategory TEXT DEFAULT 'Project', generatedatapackage TEXT DEFAULT 'No');
CREATE TABLE IF NOT EXISTS project_entities (
  recid INTEGER PRIMARY KEY, definitiongroupid TEXT COLLATE NOCASE, entityname TEXT COLLATE NOCASE,
  sourceformat TEXT DEFAULT '', autogeneratemapping TEXT DEFAULT 'Yes', executionunit INTEGER DEFAULT 1,
  levelinexecutionunit INTEGER DEFAULT 1, sequenceinlevel INTEGER DEFAULT 1,
  UNIQUE (definitiongroupid, entityname));
CREATE TABLE IF NOT EXISTS executions (
  id TEXT COLLATE NOCASE PRIMARY KEY, project TEXT COLLATE NOCASE, company TEXT, status TEXT, polls INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS executions_by_project ON executions (project, status);
CREATE TABLE IF NOT EXISTS jobs (
  recid INTEGER PRIMARY KEY, jobid TEXT COLLATE NOCASE, definitiongroupid TEXT COLLATE NOCASE,
  entityname TEXT COLLATE NOCASE, stagingstatus TEXT DEFAULT 'NotRun', targetstatus TEXT DEFAULT 'NotRun',
  stagingrecordscreatedcount INTEGER DEFAULT 0, stagingrecordsupdatedcount INTEGER DEFAULT 0,
  stagingerrorcount INTEGER DEFAULT 0, targetrecordscreatedcount INTEGER DEFAULT 0,
  targetrecordsupdatedcount INTEGER DEFAULT 0, targeterrorcount INTEGER DEFAULT 0, UNIQUE (jobid, entityname));
CREATE INDEX IF NOT EXISTS jobs_by_project ON jobs (definitiongroupid);
CREATE TABLE IF NOT EXISTS staging (
  executionid TEXT, entity TEXT, chunk INTEGER, payload BLOB,
  PRIMARY KEY (executionid, entity, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS errors (
  executionid TEXT COLLATE NOCASE, entity TEXT COLLATE NOCASE, step TEXT, row INTEGER, key TEXT, field TEXT,
  message TEXT, raw TEXT);
CREATE INDEX IF NOT EXISTS errors_by_execution ON errors (executionid, entity, row);
CREATE TABLE IF NOT EXISTS key_files (
  executionid TEXT COLLATE NOCASE, entity TEXT COLLATE NOCASE, url TEXT, polls INTEGER,
  PRIMARY KEY (executionid, entity));
CREATE TABLE IF NOT EXISTS proposal_lines (
  recid INTEGER PRIMARY KEY, company TEXT, proposalid TEXT COLLATE NOCASE, actual INTEGER, amount INTEGER);
CREATE INDEX IF NOT EXISTS proposal_lines_by_proposal ON proposal_lines (company, proposalid);
CREATE TABLE IF NOT EXISTS vouchers (series TEXT PRIMARY KEY, last INTEGER);
CREATE TABLE IF NOT EXISTS import_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, company TEXT, severity TEXT, subject TEXT, message TEXT);
"""

_INDEXES = """
CREATE UNIQUE INDEX IF NOT EXISTS headers_by_key ON headers (dataareaid, invoiceproposalid);
CREATE UNIQUE INDEX IF NOT EXISTS actuals_by_key ON actuals (actualsimportid, dataareaid);
CREATE INDEX IF NOT EXISTS actuals_by_actual ON actuals (actualid);
CREATE INDEX IF NOT EXISTS actuals_by_proposal ON actuals (invoiceproposalid);
CREATE INDEX IF NOT EXISTS actuals_to_import ON actuals (dataareaid, transactiontype) WHERE state = 0;
CREATE UNIQUE INDEX IF NOT EXISTS connections_by_key ON connections (connectionid);
CREATE INDEX IF NOT EXISTS connections_by_first ON connections (transaction1id);
CREATE INDEX IF NOT EXISTS connections_by_second ON connections (transaction2id);
"""


def _table_of(entity: Entity) -> str:
    columns = [
        "recid INTEGER PRIMARY KEY",
        "recversion INTEGER NOT NULL DEFAULT 1",
        "dataareaid TEXT NOT NULL DEFAULT ''",
        # Processing state of the row: 0 none, 1 in a journal or on a proposal, 2 posted.
        "state INTEGER NOT NULL DEFAULT 0",
    ]
    for name, kind in entity.fields.items():
        default = kind.empty if isinstance(kind.empty, int) else f"'{kind.empty}'"
        columns.append(f"{name.lower()} {kind.sql} NOT NULL DEFAULT {default}")
    return f"CREATE TABLE IF NOT EXISTS {entity.table} ({', '.join(columns)});"


class StoreClosed(Exception):
    """A write after shutdown began."""


class Store:
    """One database file: `writing()` is a transaction under the writer's lock, `reading()` a connection a thread."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "finance.sqlite"
        self._lock = threading.Lock()
        self._closed = False
        self._local = threading.local()
        self._writer = self._connect()
        # Random GUID keys touch pages all over the file. A large cache and rare checkpoints write each page less often.
        self._writer.executescript("PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16000;")
        self._writer.executescript(_STATE + "".join(map(_table_of, ENTITIES.values())) + _INDEXES)
        self._abandon_executions()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection inside one transaction: committed at the end, rolled back on an error."""
        with self._lock:
            if self._closed:
                raise StoreClosed
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.rollback()
                raise
            self._writer.commit()

    def close(self) -> None:
        """Let the current write finish and refuse all later ones. Threads cannot be cancelled; they stop at their
        next write."""
        with self._lock:
            self._closed = True

    def reading(self) -> sqlite3.Connection:
        """Return this thread's reading connection; it sees what is committed."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Give a long read its own connection: an open cursor pins its connection to an old snapshot."""
        connection = self._connect()
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        return self.reading().execute(sql, parameters).fetchall()

    def change(self, sql: str, parameters: tuple[Any, ...]) -> None:
        """Run one statement in a transaction of its own."""
        with self.writing() as db:
            db.execute(sql, parameters)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None, timeout=30)
        connection.row_factory = sqlite3.Row
        register_functions(connection)
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;")
        return connection

    def _abandon_executions(self) -> None:
        """Mark executions of an earlier process as failed, as a restart of the batch server does."""
        with self.writing() as db:
            db.execute("UPDATE executions SET status = 'Failed' WHERE status IN ('NotRun', 'Executing', 'Unknown')")
            db.execute("DELETE FROM staging")

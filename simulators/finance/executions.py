"""The record of executions: data projects, jobs, statuses, counts and errors."""

import sqlite3
from dataclasses import dataclass

from simulators.finance.answers import ServiceRefused, action_failed
from simulators.finance.manifest import Manifest
from simulators.finance.staging import RowError
from simulators.finance.store import Store
from simulators.finance.switches import Switches

BUSY = (
    "DMF1996 A deadlock occurred because the data project '{project}' is being imported by another execution. DMF2025 "
    "ImportFromPackage must not be called in parallel for one data project."
)


@dataclass(frozen=True)
class ImportRequest:
    """The parameters of one import call."""

    action: str
    package_url: str
    project: str
    execution_id: str
    execute: bool
    overwrite: bool
    company: str


class Executions:
    """The database of executions."""

    def __init__(self, store: Store, switches: Switches) -> None:
        self._store = store
        self._switches = switches
        self.clashes = 0

    def check(self, request: ImportRequest) -> None:
        """Refuse a used execution id, and a data project that exists when overwriting was not asked for."""
        with self._store.writing() as db:
            self._check(db, request)

    def _check(self, db: sqlite3.Connection, request: ImportRequest) -> None:
        if db.execute("SELECT 1 FROM executions WHERE id = ?", (request.execution_id,)).fetchone():
            raise action_failed(
                request.action, f"An execution with the execution id '{request.execution_id}' already exists."
            )
        exists = db.execute("SELECT 1 FROM projects WHERE name = ?", (request.project,)).fetchone()
        if exists and not request.overwrite:
            text = f"The data project '{request.project}' exists and overwrite has not been specified."
            raise action_failed(request.action, text)

    def register(self, request: ImportRequest) -> bool:
        """Check once more and record a new execution; False when it failed at once because its data project is busy.

        Registered executions are not found by their id until they are taken up.
        """
        with self._store.writing() as db:
            self._check(db, request)
            busy = request.project in self._switches.busy_projects or _is_busy(db, request.project)
            self.clashes += busy
            if busy and self._switches.busy_project == "refuse":
                raise action_failed(request.action, BUSY.format(project=request.project))
            db.execute(
                "INSERT INTO executions (id, project, company, status) VALUES (?, ?, ?, ?)",
                (request.execution_id, request.project, request.company, "Failed" if busy else "Unknown"),
            )
            db.execute("INSERT OR IGNORE INTO projects (name) VALUES (?)", (request.project,))
            if busy:
                add_errors(db, request.execution_id, "", "staging", [whole(BUSY.format(project=request.project))])
        return not busy

    def forget(self) -> int:
        """Clean up the history: of a finished execution nothing remains but its rows. Return the number of
        executions."""
        over = "SELECT id FROM executions WHERE status NOT IN ('Unknown', 'NotRun', 'Executing')"
        with self._store.writing() as db:
            for table, column in (("jobs", "jobid"), ("errors", "executionid"), ("key_files", "executionid")):
                db.execute(f"DELETE FROM {table} WHERE {column} IN ({over})")  # noqa: S608 - our own names
            return db.execute(f"DELETE FROM executions WHERE id IN ({over})").rowcount  # noqa: S608

    def take_up(self, request: ImportRequest, manifest: Manifest) -> None:
        """Set up the data project by the manifest and create a job for each entity. From now on the execution can be
        found."""
        with self._store.writing() as db:
            _define(db, request.project, manifest)
            for part in manifest.entities:
                db.execute(
                    "INSERT OR IGNORE INTO jobs (jobid, definitiongroupid, entityname) VALUES (?, ?, ?)",
                    (request.execution_id, request.project, part.entity_name),
                )
            _set_status(db, request.execution_id, "NotRun")

    def set_status(self, execution_id: str, status: str) -> None:
        """Move the execution to a status."""
        with self._store.writing() as db:
            _set_status(db, execution_id, status)

    def set_job(self, execution_id: str, label: str, **values: str | int) -> None:
        """Set columns of one job, for instance `stagingstatus="Executing"`."""
        with self._store.writing() as db:
            self.change_job(db, execution_id, label, **values)

    def change_job(self, db: sqlite3.Connection, execution_id: str, label: str, **values: str | int) -> None:
        """Set columns of one job inside the caller's transaction."""
        changes = ", ".join(f"{name} = ?" for name in values)
        sql = f"UPDATE jobs SET {changes} WHERE jobid = ? AND entityname = ?"  # noqa: S608 - names from our own code
        db.execute(sql, (*values.values(), execution_id, label))

    def add_errors(self, execution_id: str, label: str, step: str, errors: list[RowError]) -> None:
        """Keep rejected rows; an error of a whole entity is row 0."""
        with self._store.writing() as db:
            add_errors(db, execution_id, label, step, errors)

    def status(self, action: str, execution_id: str) -> str:
        """Return the status, or the error that Finance gives during the first polls and for unknown ids."""
        rows = self._store.rows("SELECT status, polls FROM executions WHERE id = ?", (execution_id,))
        if not rows or rows[0]["status"] == "Unknown":
            raise not_found(action, execution_id)
        if rows[0]["polls"] < self._switches.not_found_polls:
            with self._store.writing() as db:
                db.execute("UPDATE executions SET polls = polls + 1 WHERE id = ?", (execution_id,))
            raise not_found(action, execution_id)
        return str(rows[0]["status"])

    def company_of(self, action: str, execution_id: str) -> str:
        """Return the legal entity of an execution."""
        rows = self._store.rows("SELECT company FROM executions WHERE id = ?", (execution_id,))
        if not rows:
            raise not_found(action, execution_id)
        return str(rows[0]["company"])

    def errors(self, execution_id: str, label: str | None = None, step: str | None = None) -> list[sqlite3.Row]:
        """Return rejected rows in file order, of one entity and step when given."""
        sql = "SELECT * FROM errors WHERE executionid = ?"
        parameters: tuple[str, ...] = (execution_id,)
        if label is not None:
            sql, parameters = f"{sql} AND entity = ?", (*parameters, label)
        if step is not None:
            sql, parameters = f"{sql} AND step = ?", (*parameters, step)
        return self._store.rows(f"{sql} ORDER BY entity, row, rowid", parameters)


def _define(db: sqlite3.Connection, project: str, manifest: Manifest) -> None:
    db.execute("UPDATE projects SET description = ? WHERE name = ?", (manifest.description[:60], project))
    db.execute("DELETE FROM project_entities WHERE definitiongroupid = ?", (project,))
    for part in manifest.entities:
        db.execute(
            "INSERT OR REPLACE INTO project_entities (definitiongroupid, entityname, sourceformat, executionunit, "
            "levelinexecutionunit, sequenceinlevel) VALUES (?, ?, ?, ?, ?, ?)",
            (project, part.entity_name, part.source_format, part.unit, part.level, part.sequence),
        )


def _is_busy(db: sqlite3.Connection, project: str) -> bool:
    sql = "SELECT 1 FROM executions WHERE project = ? AND status IN ('Unknown', 'NotRun', 'Executing')"
    return db.execute(sql, (project,)).fetchone() is not None


def _set_status(db: sqlite3.Connection, execution_id: str, status: str) -> None:
    db.execute("UPDATE executions SET status = ? WHERE id = ?", (status, execution_id))


def add_errors(db: sqlite3.Connection, execution_id: str, label: str, step: str, errors: list[RowError]) -> None:
    """Keep rejected rows inside the caller's transaction."""
    db.executemany(
        "INSERT INTO errors (executionid, entity, step, row, key, field, message, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(execution_id, label, step, one.row, one.key, one.field, one.message, one.raw) for one in errors],
    )


def whole(message: str) -> RowError:
    """An error of a whole entity or execution."""
    return RowError(0, "", "", message)


def not_found(action: str, execution_id: str) -> ServiceRefused:
    """The refusal of an execution that is not there, or not there yet."""
    return action_failed(action, f"Execution details were not found for execution id: {execution_id}")

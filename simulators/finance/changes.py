"""OData writes on `ProjActualsImports`, and new data projects.

POST never updates and PATCH never inserts: this is not an upsert as in Dataverse.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simulators.finance.answers import WRITE_EXCEPTION, ServiceRefused
from simulators.finance.entities import ACTUALS, COMPANIES, DEFAULT_COMPANY
from simulators.finance.fields import DATE, Kind, Stored, ValueRefused, new_guid
from simulators.finance.queries import QUERY_EXCEPTION, Options, crosses_companies
from simulators.finance.rules import RowRefused, Rules
from simulators.finance.sets import ACTUAL_SET, EntitySet, etag
from simulators.finance.store import Store
from simulators.finance.switches import Switches
from simulators.finance.target import Writer, record

NOTHING_FOUND = "No resources were found when selecting for update."

type Values = dict[str, Stored]


class Changer:
    """Writes single rows. Every method takes the connection of an open transaction: `with changer.changing() as db`."""

    def __init__(self, store: Store, switches: Switches) -> None:
        self._store = store
        self._switches = switches

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Open the transaction of one request, or of one changeset of a batch."""
        with self._store.writing() as db:
            yield db

    def create(self, db: sqlite3.Connection, entity_set: EntitySet, body: bytes, duplicate_status: int) -> Values:
        """Insert a row and return its key; raises ServiceRefused when the key exists or the entity refuses it."""
        values = _read(entity_set, body)
        if entity_set is not ACTUAL_SET:
            return _insert(db, entity_set, values)
        company = str(values.pop("dataAreaId", "") or DEFAULT_COMPANY).lower()
        if company not in COMPANIES:
            raise _write_failed(f"Error: The company '{company}' does not exist.")
        values.setdefault(ACTUALS.key, new_guid())
        key = str(values[ACTUALS.key])
        if _find(db, company, key) is not None:
            raise _duplicate(key, duplicate_status)
        self._write(db, company, values, "created")
        return {"dataAreaId": company, ACTUALS.key: key}

    def update(
        self, db: sqlite3.Connection, key: dict[str, str], options: Options, body: bytes, tag: str | None
    ) -> None:
        """Change the given fields of an actual; raises ServiceRefused with 400 when it is not there or not in view."""
        self._expect(db, key, options, tag)
        values = _read(ACTUAL_SET, body)
        values.pop("dataAreaId", None)
        values[ACTUALS.key] = key[ACTUALS.key]
        self._write(db, key["dataAreaId"], values, "updated")

    def delete(self, db: sqlite3.Connection, key: dict[str, str], options: Options, tag: str | None) -> None:
        """Remove an actual."""
        row = self._expect(db, key, options, tag)
        db.execute("DELETE FROM actuals WHERE recid = ?", (row["recid"],))

    def _expect(self, db: sqlite3.Connection, key: dict[str, str], options: Options, tag: str | None) -> sqlite3.Row:
        in_view = crosses_companies(options) or key["dataAreaId"] == DEFAULT_COMPANY
        row = _find(db, key["dataAreaId"], key[ACTUALS.key]) if in_view else None
        if row is None:
            raise ServiceRefused(400, NOTHING_FOUND, WRITE_EXCEPTION)
        if tag not in {None, "*", etag(row["recversion"], row["recid"])}:
            text = "An update conflict occurred due to another user process deleting the record or changing one or more"
            raise ServiceRefused(412, f"Cannot edit a record in {ACTUALS.label}. {text} fields in the record.")
        return row

    def _write(self, db: sqlite3.Connection, company: str, values: Values, action: str) -> None:
        writer = Writer(ACTUALS, list(values), company, Rules(self._switches, db, company))
        try:
            writer.write(list(values.values()), 1)
        except RowRefused as refused:
            raise _write_failed("; ".join(f"Warning: {line}" for line in refused.lines)) from refused
        key = ACTUALS.key_text(company, str(values[ACTUALS.key]))
        record(db, [(ACTUALS.label, key, "odata", "", action)])


def _read(entity_set: EntitySet, body: bytes) -> Values:
    """Return the stored form of a JSON body; numbers are read as exact text."""
    try:
        given = json.loads(body, parse_float=str, parse_int=str)
    except ValueError as error:
        raise ServiceRefused(400, f"The payload is not valid JSON: {error}", QUERY_EXCEPTION) from error
    if not isinstance(given, dict):
        raise ServiceRefused(400, "The payload is not an entity.", QUERY_EXCEPTION)
    names = [name for name in given if "@odata." not in name]
    for name in names:
        if name not in entity_set.properties:
            text = f"The property '{name}' does not exist on type '{entity_set.type_name}'."
            raise ServiceRefused(400, text, QUERY_EXCEPTION)
    return {name: _stored(entity_set.properties[name], name, given[name]) for name in names}


def _stored(kind: Kind, name: str, value: Any) -> Stored:
    if value is None or value == "":
        return kind.empty
    if not isinstance(value, str):
        raise ServiceRefused(400, f"Cannot convert the value of property '{name}' to {kind.edm}.", QUERY_EXCEPTION)
    try:
        return kind.parse(value[:10] if kind is DATE else value)
    except ValueRefused as refused:
        raise _write_failed(f"Warning: {refused}") from refused


def _insert(db: sqlite3.Connection, entity_set: EntitySet, values: Values) -> Values:
    for name in entity_set.mandatory:
        if not values.get(name):
            raise _write_failed(f"Warning: Field '{name}' must be filled in.")
    marks = ", ".join("?" * len(values))
    columns = ", ".join(name.lower() for name in values)
    try:
        db.execute(f"INSERT INTO {entity_set.table} ({columns}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
    except sqlite3.IntegrityError as error:
        raise _write_failed("Info: Cannot create a record. The record already exists.", 500) from error
    return {name: values[name] for name in entity_set.key}


def _find(db: sqlite3.Connection, company: str, key: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = db.execute(
        "SELECT recid, recversion FROM actuals WHERE dataareaid = ? AND actualsimportid = ?", (company, key)
    ).fetchone()
    return found


def _duplicate(key: str, status: int) -> ServiceRefused:
    table = f"{ACTUALS.label} ({ACTUALS.source})"
    text = f"Info: Cannot create a record in {table}. Actuals import ID: {key}.\nThe record already exists."
    return _write_failed(text, status)


def _write_failed(infolog: str, status: int = 400) -> ServiceRefused:
    text = f"Write failed for table row of type '{ACTUALS.name}'. Infolog: {infolog}."
    return ServiceRefused(status, text, WRITE_EXCEPTION)

"""The second step of an import: rows through the entity, found by key, then created or updated."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulators.finance.entities import Entity
from simulators.finance.fields import Stored
from simulators.finance.rules import Row, RowRefused, Rules
from simulators.finance.staging import RowError


@dataclass
class Written:
    """The effect of a chunk on the target."""

    created: int = 0
    updated: int = 0
    errors: list[RowError] = field(default_factory=list)


@dataclass(frozen=True)
class Origin:
    """The source of rows, for the journal of accepted rows."""

    execution_id: str
    project: str


class Writer:
    """Writes rows of one entity with one set of columns into one company; insert or update by key."""

    def __init__(self, entity: Entity, columns: list[str], company: str, rules: Rules) -> None:
        self._entity = entity
        self._columns = columns
        self._company = company if entity.by_company else ""
        self._rules = rules
        self._db = rules.db
        self._key_at = columns.index(entity.key)
        self._empty: Row = {name: kind.empty for name, kind in entity.fields.items()}
        self._prepare()

    def _prepare(self) -> None:
        table = self._entity.table
        names = [name.lower() for name in self._columns]
        marks = ", ".join("?" * (len(names) + 1))
        fields = ", ".join(name.lower() for name in self._entity.fields)
        where = " AND ".join(f"{column} = ?" for column in self._entity.key_columns)
        self._find = f"SELECT recid FROM {table} WHERE {where}"  # noqa: S608 - names are our own constants
        self._hold = f"SELECT {fields} FROM {table} WHERE recid = ?"  # noqa: S608
        self._insert = f"INSERT INTO {table} (dataareaid, {', '.join(names)}) VALUES ({marks})"  # noqa: S608
        changes = ", ".join(f"{name} = ?" for name in names)
        self._update = f"UPDATE {table} SET {changes}, recversion = recversion + 1 WHERE recid = ?"  # noqa: S608

    def write(self, values: list[Stored], number: int) -> bool:
        """Write one row; True when it was created. Raises RowRefused."""
        key = str(values[self._key_at])
        if not key:
            raise RowRefused(self._entity.key, [f"Field '{self._entity.key}' must be filled in."])
        found = self._db.execute(self._find, self._key(key)).fetchone()
        row = dict(self._empty) if found is None else self._held(found[0])
        row.update(zip(self._columns, values, strict=True))
        self._rules.check(self._entity, row, number)
        if found is None:
            self._db.execute(self._insert, (self._company, *values))
        else:
            self._db.execute(self._update, (*values, found[0]))
        return found is None

    def write_chunk(self, rows: Iterable[tuple[int, list[Stored]]], origin: Origin) -> Written:
        """Write the rows that the entity accepts, record each in the journal, and return those that it refused."""
        written = Written()
        journal = []
        for number, values in rows:
            key = self._entity.key_text(self._company, str(values[self._key_at]))
            try:
                created = self.write(values, number)
            except RowRefused as refused:
                written.errors.append(RowError(number, key, refused.field.upper(), "\n".join(refused.lines)))
                continue
            written.created += created
            written.updated += not created
            action = "created" if created else "updated"
            journal.append((self._entity.label, key, origin.execution_id, origin.project, action))
        record(self._db, journal)
        return written

    def _held(self, recid: int) -> Row:
        return dict(zip(self._empty, self._db.execute(self._hold, (recid,)).fetchone(), strict=True))

    def _key(self, key: str) -> tuple[str, ...]:
        return (self._company, key) if self._entity.by_company else (key,)


def record(db: sqlite3.Connection, journal: list[tuple[str, str, str, str, str]]) -> None:
    """Append accepted rows to the journal: entity, key, execution id, project, created or updated."""
    db.executemany("INSERT INTO journal (entity, key, executionid, project, action) VALUES (?, ?, ?, ?, ?)", journal)

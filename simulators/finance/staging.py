"""The first step of an import: from the file into the staging table, all rows of an entity or none."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from simulators.finance.entities import Entity
from simulators.finance.fields import Kind, Stored, ValueRefused
from simulators.finance.manifest import EntityPart
from simulators.finance.package import FileRefused, open_rows
from simulators.finance.store import Store

CHUNK_ROWS = 500


@dataclass(frozen=True)
class RowError:
    """One row that went no further: its 1-based number in the file, its key, and why."""

    row: int
    key: str
    field: str
    message: str
    raw: str = ""


@dataclass
class Staged:
    """What the staging step leaves: field names in file order, rows held in chunks, and the rows it refused."""

    columns: list[str] = field(default_factory=list)
    count: int = 0
    chunks: int = 0
    errors: list[RowError] = field(default_factory=list)


@dataclass(frozen=True)
class Column:
    """One column of the file. Columns stand in file order; an empty cell is the field's empty value."""

    field: str
    kind: Kind


def stage(
    store: Store, path: Path, part: EntityPart, entity: Entity, execution_id: str, *, longest: Mapping[str, int]
) -> Staged:
    """Read the entity's file into the staging table.

    Raises FileRefused when the whole entity fails: wrong encoding or columns, a key that occurs twice in the file, or a
    value that is longer than its column in `longest`.
    """
    staged = Staged()
    with open_rows(path, part, entity) as (header, rows):
        columns = _columns(part, entity, header)
        staged.columns = [column.field for column in columns]
        fitting = _fitting(rows, {header.index(name): most for name, most in longest.items() if name in header})
        parsed = _parsed_rows(fitting, len(header), columns, entity, staged)
        try:
            for chunk in _chunks(_unique(parsed, staged.columns, entity)):
                _hold(store, execution_id, entity, staged, chunk)
        except FileRefused:
            discard(store, execution_id, entity)
            raise
    return staged


def staged_chunks(
    db: sqlite3.Connection, execution_id: str, entity: Entity
) -> Iterator[list[tuple[int, list[Stored]]]]:
    """Yield the held rows in file order, chunk by chunk, each row with its number."""
    sql = "SELECT payload FROM staging WHERE executionid = ? AND entity = ? AND chunk = ?"
    chunk = 0
    while found := db.execute(sql, (execution_id, entity.table, chunk)).fetchone():
        yield [(number, values) for number, values in orjson.loads(found[0])]
        chunk += 1


def discard(store: Store, execution_id: str, entity: Entity) -> None:
    """Clear the staging rows of one entity of one execution."""
    with store.writing() as db:
        db.execute("DELETE FROM staging WHERE executionid = ? AND entity = ?", (execution_id, entity.table))


def _columns(part: EntityPart, entity: Entity, header: list[str]) -> list[Column]:
    staging = entity.staging
    for source, target in part.mapping.items():
        if target not in staging:
            raise FileRefused(f"DMF1966 The mapping is incorrect for entity {entity.label} and field {target}.")
        if source not in header:
            raise FileRefused(f"DMF2060 The field {source} is in the mapping but absent from the source file.")
    for name in header:
        if name not in part.mapping:
            raise FileRefused(f"DMF1966 The column {name} of the source file is not mapped for entity {entity.label}.")
    if len(set(header)) != len(header):
        raise FileRefused("DMF2050 The header row of the source file names a column twice.")
    names = [staging[part.mapping[name]] for name in header]
    return [Column(name, entity.fields[name]) for name in names]


def _fitting(rows: Iterable[list[str]], longest: Mapping[int, int]) -> Iterator[list[str]]:
    for row in rows:
        if any(at < len(row) and len(row[at]) > most for at, most in longest.items()):
            raise FileRefused("DMF1968 String or binary data would be truncated. The statement has been terminated.")
        yield row


def _parsed_rows(
    rows: Iterable[list[str]], width: int, columns: list[Column], entity: Entity, staged: Staged
) -> Iterator[tuple[int, list[Stored]]]:
    readers = [(column.kind.parse, column.kind.empty) for column in columns]
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise FileRefused(f"DMF2018 Row {number} of the source file has {len(row)} columns instead of {width}.")
        try:
            yield number, [parse(text) if text else empty for text, (parse, empty) in zip(row, readers, strict=True)]
        except ValueRefused:
            staged.errors.extend(_field_errors(number, row, columns, entity))


def _field_errors(number: int, row: list[str], columns: list[Column], entity: Entity) -> Iterator[RowError]:
    key = next((text for text, column in zip(row, columns, strict=True) if column.field == entity.key), "")
    for text, column in zip(row, columns, strict=True):
        try:
            if text:
                column.kind.parse(text)
        except ValueRefused as refused:
            yield RowError(number, key, column.field.upper(), str(refused), orjson.dumps(row).decode())


def _unique(
    rows: Iterable[tuple[int, list[Stored]]], columns: list[str], entity: Entity
) -> Iterator[tuple[int, list[Stored]]]:
    if entity.key not in columns:
        raise FileRefused(f"DMF2060 The key field {entity.key.upper()} of entity {entity.label} is not mapped.")
    position = columns.index(entity.key)
    seen: set[Stored] = set()
    for number, values in rows:
        key = str(values[position]).lower()
        if key in seen:
            raise FileRefused(
                f"DMF1959 Violation of PRIMARY KEY constraint in the staging table of entity {entity.label}. DMF2057 "
                f"Cannot insert duplicate key. The duplicate key value is ({values[position]})."
            )
        seen.add(key)
        yield number, values


def _chunks(rows: Iterable[tuple[int, list[Stored]]]) -> Iterator[list[Any]]:
    chunk: list[tuple[int, list[Stored]]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _hold(store: Store, execution_id: str, entity: Entity, staged: Staged, chunk: list[Any]) -> None:
    row = (execution_id, entity.table, staged.chunks, orjson.dumps(chunk))
    with store.writing() as db:
        db.execute("INSERT INTO staging VALUES (?, ?, ?, ?)", row)
    staged.chunks += 1
    staged.count += len(chunk)

"""`$select` and `$expand`: which columns a query fetches, and how fetched rows become JSON."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from simulators.dataverse.calls import FORMATTED_VALUE, LOOKUP_NAME, NAVIGATION, Call
from simulators.dataverse.errors import bad_query, unknown_property
from simulators.dataverse.events import SqlValue
from simulators.dataverse.schema import Column, Schema, Table
from simulators.dataverse.store import Row
from simulators.dataverse.values import Convert, converter, formatted
from simulators.odata import Expand, parse_expand, parse_select

MAX_EXPANDS = 15


@dataclass(frozen=True)
class Annotations:
    """Which annotations the caller asked for."""

    formatted: bool
    lookup: bool
    navigation: bool

    @classmethod
    def of(cls, call: Call) -> "Annotations":
        return cls(call.wants(FORMATTED_VALUE), call.wants(LOOKUP_NAME), call.wants(NAVIGATION))

    def __bool__(self) -> bool:
        return self.formatted or self.lookup or self.navigation


class Level:
    """The objects of one table in an answer: the rows themselves, or those that a lookup leads to.

    Expanded objects are fetched and rendered once per page however many rows point to them: a page of invoice lines
    leads to a handful of projects.
    """

    def __init__(self, schema: Schema, table: Table, names: Sequence[str] | None, annotations: Annotations) -> None:
        self.schema, self.table, self.annotations = schema, table, annotations
        self.selected = _selected(table, names)
        self.names = tuple(column.wire_name for column in self.selected)
        self.columns = [f't0."{column.name}"' for column in self.selected]
        self.children: list[tuple[str, int, Level]] = []
        self._converted: list[tuple[str, int, Convert]] = [
            (column.wire_name, index, convert)
            for index, column in enumerate(self.selected)
            if (convert := converter(column)) is not None
        ]
        self._shown: dict[str, int] = self._name_columns() if annotations.formatted else {}

    def expand(self, expands: Sequence[Expand]) -> None:
        """Add what is expanded below. Raises ServiceError."""
        for expand in expands:
            lookup = self.table.navigations.get(expand.navigation)
            if lookup is None:
                raise unknown_property(expand.navigation, self.table.logical_name)
            if expand.filter or expand.orderby or expand.top is not None:
                raise bad_query(
                    "Only $select and $expand are allowed in the $expand of a single-valued navigation property."
                )
            child = Level(self.schema, self.schema.tables[lookup.target], expand.select, self.annotations)
            child.expand(expand.expand)
            self.columns.append(f't0."{lookup.column}"')
            self.children.append((expand.navigation, len(self.columns) - 1, child))

    def render(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> list[dict[str, object]]:
        """Return the objects of fetched rows, expanded ones inside."""
        below = [
            (name, index, child.load(connection, {row[index] for row in rows})) for name, index, child in self.children
        ]
        found = [self._object(row) for row in rows]
        for name, index, objects in below:
            for row, item in zip(rows, found, strict=True):
                item[name] = objects.get(row[index])
        return found

    def load(self, connection: sqlite3.Connection, keys: Iterable[SqlValue]) -> dict[SqlValue, orjson.Fragment]:
        """Return the rendered objects with these primary keys."""
        # A lookup to a row that the caller may not see is expanded to null.
        wanted = [key for key in keys if key is not None and self.table.logical_name not in self.schema.hidden]
        sql = (
            f'SELECT {", ".join(self.columns)} FROM "{self.table.logical_name}" t0 '  # noqa: S608 - names of the schema
            f'WHERE t0."{self.table.key}" IN (SELECT value FROM json_each(?))'
        )
        rows = connection.execute(sql, (json.dumps(wanted),)).fetchall() if wanted else []
        objects = self.render(connection, rows)
        return {row[0]: orjson.Fragment(orjson.dumps(item)) for row, item in zip(rows, objects, strict=True)}

    def _object(self, row: Row) -> dict[str, object]:
        item: dict[str, object] = dict(zip(self.names, row, strict=False))
        for name, index, convert in self._converted:
            value = row[index]
            if value is not None:
                item[name] = convert(value)  # type: ignore[arg-type]
        if self.annotations:
            self._annotate(item, row)
        return item

    def _annotate(self, item: dict[str, object], row: Row) -> None:
        for index, column in enumerate(self.selected):
            value, name = row[index], column.wire_name
            if value is None:
                continue
            shown = row[self._shown[name]] if name in self._shown else formatted(column, value, self.schema)
            if self.annotations.formatted and shown is not None:
                item[f"{name}@{FORMATTED_VALUE}"] = shown
            if self.annotations.lookup and column.lookup:
                item[f"{name}@{LOOKUP_NAME}"] = column.lookup.target
            if self.annotations.navigation and column.lookup:
                item[f"{name}@{NAVIGATION}"] = column.lookup.navigation

    def _name_columns(self) -> dict[str, int]:
        """Fetch the primary names behind lookups: they are what people see of them."""
        places: dict[str, int] = {}
        for column in self.selected:
            if column.lookup:
                target = self.schema.tables[column.lookup.target]
                places[column.wire_name] = len(self.columns)
                self.columns.append(
                    f'(SELECT n."{target.primary_name}" FROM "{target.logical_name}" n '  # noqa: S608 - as above
                    f'WHERE n."{target.key}" = t0."{column.name}")'
                )
        return places


class Selection:
    """What one query answers of its rows. Raises ServiceError for names that the table does not have."""

    def __init__(self, schema: Schema, table: Table, call: Call) -> None:
        select, expand = call.options.get("$select"), call.options.get("$expand")
        self.names = parse_select(select) if select is not None else None
        self.expands = parse_expand(expand) if expand is not None else ()
        if _count(self.expands) > MAX_EXPANDS:
            raise bad_query(f"Exceeds the maximum number of $expand allowed: {MAX_EXPANDS}.")
        self.root = Level(schema, table, self.names, Annotations.of(call))
        self.root.expand(self.expands)
        self.columns = [*self.root.columns, 't0."versionnumber"']

    def json(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> list[dict[str, object]]:
        """Return the rows of an answer, each with its ETag."""
        version = len(self.columns) - 1
        found = self.root.render(connection, rows)
        return [{"@odata.etag": f'W/"{row[version]}"', **item} for row, item in zip(rows, found, strict=True)]

    @property
    def context(self) -> str:
        """What stands in brackets behind the set's name in `@odata.context`."""
        return _context(self.names, self.expands)


def _selected(table: Table, names: Sequence[str] | None) -> list[Column]:
    """Return the columns to show, the primary key first."""
    if names is None or "*" in names:
        return list(table.columns.values())
    chosen = {table.key: table.columns[table.key]}
    for name in names:
        if name not in table.properties:
            raise unknown_property(name, table.logical_name)
        column = table.properties[name]
        chosen[column.name] = column
    # A sum of money means nothing without its currency: the service adds it unasked.
    if any(column.type == "money" for column in chosen.values()) and "transactioncurrencyid" in table.columns:
        chosen.setdefault("transactioncurrencyid", table.columns["transactioncurrencyid"])
    return list(chosen.values())


def _count(expands: Sequence[Expand]) -> int:
    return sum(1 + _count(expand.expand) for expand in expands)


def _context(names: Sequence[str] | None, expands: Sequence[Expand]) -> str:
    inner = [f"{expand.navigation}{_context(expand.select, expand.expand) or '()'}" for expand in expands]
    parts = [*(names or ()), *inner]
    return f"({','.join(parts)})" if parts else ""

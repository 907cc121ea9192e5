"""Row addresses: `set(guid)` and `set(column=value,...)`."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from simulators.dataverse.errors import ServiceError, no_such_key, no_such_row, unknown_segment
from simulators.dataverse.events import SqlValue
from simulators.dataverse.schema import Schema, Table
from simulators.odata import DATAVERSE, Compare, Literal, ODataError, Path, parse_filter, split_top
from simulators.odata.sql import encode

_ADDRESS = re.compile(r"^/?(\w+)\((.*)\)$", re.DOTALL)
_GUID = re.compile(r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")


@dataclass(frozen=True)
class Address:
    """One row of a table, by `key` (its GUID) or by the `alternate` key's stored column values."""

    table: Table
    key: str | None
    alternate: dict[str, SqlValue]

    def find(self, connection: sqlite3.Connection) -> str | None:
        """Return the GUID of the row, or None when there is no such row."""
        conditions = {self.table.key: self.key} if self.key else self.alternate
        where = " AND ".join(f'"{name}" = ?' for name in conditions)
        sql = f'SELECT "{self.table.key}" FROM "{self.table.logical_name}" WHERE {where}'  # noqa: S608 - schema names
        found = connection.execute(sql, tuple(conditions.values())).fetchone()
        return str(found[0]) if found else None

    def missing(self) -> ServiceError:
        if self.key:
            return no_such_row(self.table.logical_name, self.key)
        return no_such_key(self.table.logical_name)


def is_guid(text: str) -> bool:
    return _GUID.match(text) is not None


def parse_address(schema: Schema, segment: str) -> Address | None:
    """Return the row that a path segment names, or None when it names no row. Raises ServiceError."""
    match = _ADDRESS.match(segment)
    if match is None:
        return None
    table = schema.sets.get(match[1])
    if table is None:
        raise unknown_segment(match[1])
    inner = match[2].strip()
    if is_guid(inner):
        return Address(table, inner.lower(), {})
    return _by_columns(table, inner)


def _by_columns(table: Table, text: str) -> Address:
    values: dict[str, SqlValue] = {}
    try:
        for part in split_top(text, ","):
            name, value = _column_value(table, part)
            values[name] = value
    except ODataError as error:
        raise _bad_key(table) from error
    if set(values) == {table.key}:
        return Address(table, str(values[table.key]), {})
    if not any(set(values) == set(members) for members in table.keys.values()):
        raise _bad_key(table)
    return Address(table, None, values)


def _column_value(table: Table, part: str) -> tuple[str, SqlValue]:
    name, _, literal = part.partition("=")
    column = table.properties.get(name.strip())
    if column is None:
        raise _bad_key(table)
    comparison = parse_filter(f"x eq {literal}", DATAVERSE)
    match comparison:
        case Compare("eq", Path(), Literal() as value):
            return column.name, encode(column.sql("t0"), value, "eq")
    raise _bad_key(table)


def _bad_key(table: Table) -> ServiceError:
    return ServiceError(
        400,
        "0x80060888",
        f"The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{table.logical_name}'. "
        "Ensure that the names and number of key properties match the declared or alternate key properties for the "
        f"resource 'Microsoft.Dynamics.CRM.{table.logical_name}'.",
    )


def url_of(prefix: str, table: Table, key: str) -> str:
    return f"{prefix}/{table.set_name}({key})"


def names_of(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)

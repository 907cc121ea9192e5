"""Sets that are computed at each read: a table in memory for one query."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from simulators.finance.fields import Stored
from simulators.finance.sets import EntitySet
from simulators.odata import register_functions


class Computed:
    """The rows of one set, by property name. A property that a row does not name has the empty value of its kind."""

    def __init__(self, entity_set: EntitySet, rows: Iterable[Mapping[str, Stored]]) -> None:
        self._set = entity_set
        self._rows = list(rows)

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Return all rows of a query. The record id is the place of the row, from 0."""
        connection = sqlite3.connect(":memory:")
        connection.row_factory = sqlite3.Row
        register_functions(connection)
        properties = self._set.properties
        columns = ", ".join(f"{name.lower()} {kind.sql}" for name, kind in properties.items())
        connection.execute(f"CREATE TABLE {self._set.table} (recid INTEGER PRIMARY KEY, {columns})")
        marks = ", ".join("?" * (len(properties) + 1))
        connection.executemany(
            f"INSERT INTO {self._set.table} VALUES ({marks})",  # noqa: S608 - our own names
            [
                (place, *(row.get(name, kind.empty) for name, kind in properties.items()))
                for place, row in enumerate(self._rows)
            ],
        )
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

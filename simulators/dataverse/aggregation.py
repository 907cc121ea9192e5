"""`$apply`: filter, groupby and aggregate."""

import re
import sqlite3
from dataclasses import dataclass, field

import orjson

from simulators.dataverse.calls import Call, Reply, json_reply
from simulators.dataverse.errors import ServiceError, bad_query
from simulators.dataverse.schema import Schema, Table
from simulators.dataverse.source import Source
from simulators.dataverse.store import Row
from simulators.dataverse.values import decimal_text
from simulators.odata import DATAVERSE, Path, Sql, parse_filter, split_top, to_sql
from simulators.odata import Column as SqlColumn

MAX_GROUPS = 5_000
_STEP = re.compile(r"^(filter|groupby|aggregate)\((.*)\)$", re.DOTALL)
_GROUPS = re.compile(r"^\(([^()]*)\)(?:\s*,\s*(aggregate\(.*\)))?$", re.DOTALL)
_MEASURE = re.compile(r"^([\w/]+) with (sum|min|max|countdistinct) as (\w+)$")
_COUNT = re.compile(r"^\$count as (\w+)$")
_FUNCTIONS = {"sum": "exact_sum({})", "min": "MIN({})", "max": "MAX({})", "countdistinct": "COUNT(DISTINCT {})"}


@dataclass
class _Query:
    source: Source
    condition: Sql = field(default_factory=lambda: Sql("1"))
    names: list[str] = field(default_factory=list)
    columns: list[SqlColumn] = field(default_factory=list)
    groups: int = 0

    def group(self, name: str) -> None:
        column = self._column(name)
        if column.kind in {"datetime", "date"}:
            raise bad_query("Grouping by a date and time value is not supported.")
        self.names.append(name.replace("/", "_"))
        self.columns.append(column)
        self.groups += 1

    def measure(self, text: str) -> None:
        if match := _COUNT.match(text):
            self.names.append(match[1])
            self.columns.append(SqlColumn("COUNT(*)", "integer"))
            return
        match = _MEASURE.match(text)
        if match is None:
            raise bad_query(f"Syntax error in $apply expression '{text}'.")
        column = self._column(match[1])
        if match[2] == "sum" and column.kind not in {"decimal", "integer"}:
            raise bad_query(f"The property '{match[1]}' cannot be used in an aggregate with method 'sum'.")
        counted = match[2] == "countdistinct"
        self.names.append(match[3])
        sql = _FUNCTIONS[match[2]].format(column.sql)
        self.columns.append(SqlColumn(sql, "integer" if counted else column.kind, 0 if counted else column.scale))

    def _column(self, name: str) -> SqlColumn:
        return self.source.column(Path(tuple(name.split("/")), 0))

    def json(self, row: Row) -> dict[str, object]:
        return {
            name: _value(column, row[i]) for i, (name, column) in enumerate(zip(self.names, self.columns, strict=True))
        }


def aggregate(schema: Schema, connection: sqlite3.Connection, call: Call, table: Table, limit: int) -> Reply:
    """Answer `$apply`. Raises ServiceError when more than `limit` rows would be aggregated."""
    query = _parse(Source(schema, table), call.options["$apply"])
    _check_limit(connection, query, limit)
    columns = ", ".join(column.sql for column in query.columns)
    sql = f"SELECT {columns} FROM {query.source.sql} WHERE {query.condition.text}"  # noqa: S608 - schema names
    if query.groups:
        sql += f" GROUP BY {', '.join(column.sql for column in query.columns[: query.groups])} LIMIT {MAX_GROUPS}"
    rows = connection.execute(sql, query.condition.parameters)
    context = f"{call.prefix}/$metadata#{table.set_name}({','.join(query.names)})"
    return json_reply({"@odata.context": context, "value": [query.json(row) for row in rows]})


def _check_limit(connection: sqlite3.Connection, query: _Query, limit: int) -> None:
    inner = f"SELECT 1 FROM {query.source.sql} WHERE {query.condition.text} LIMIT {limit + 1}"  # noqa: S608
    found = connection.execute(f"SELECT COUNT(*) FROM ({inner})", query.condition.parameters).fetchone()[0]  # noqa: S608
    if found > limit:
        raise ServiceError(400, "0x8004E023", "AggregateQueryRecordLimit exceeded. Cannot perform this operation.")


def _parse(source: Source, text: str) -> _Query:
    query = _Query(source)
    for step in split_top(text, "/"):
        match = _STEP.match(step.strip())
        if match is None or query.names:
            raise bad_query(f"Syntax error in $apply expression '{step}'.")
        if match[1] == "filter":
            query.condition = to_sql(parse_filter(match[2], DATAVERSE), source.column, DATAVERSE)
        elif match[1] == "aggregate":
            _measures(query, match[2])
        else:
            _groups(query, match[2])
    if not query.names:
        raise bad_query("$apply needs a groupby or an aggregate.")
    return query


def _groups(query: _Query, text: str) -> None:
    match = _GROUPS.match(text.strip())
    if match is None:
        raise bad_query(f"Syntax error in $apply expression '{text}'.")
    for name in match[1].split(","):
        query.group(name.strip())
    if match[2]:
        _measures(query, match[2].removeprefix("aggregate(").removesuffix(")"))


def _measures(query: _Query, text: str) -> None:
    for part in split_top(text, ","):
        query.measure(part.strip())


def _value(column: SqlColumn, value: object) -> object:
    if value is None:
        return None
    if column.kind == "decimal":
        return orjson.Fragment(decimal_text(int(str(value)), column.scale))
    if column.kind == "boolean":
        return bool(value)
    return int(str(value)) if column.kind == "integer" else value

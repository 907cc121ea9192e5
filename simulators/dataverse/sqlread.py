"""`GET /set?sql=SELECT ...`: runs a statement over the tables, as rows of JSON in pages."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import orjson

from simulators.dataverse.calls import Call, Reply, json_reply
from simulators.dataverse.errors import ServiceError, bad_query
from simulators.dataverse.events import SqlValue
from simulators.dataverse.schema import Column, Schema, Table
from simulators.dataverse.source import seen
from simulators.dataverse.statement import (
    MOST_ROWS,
    Condition,
    Constant,
    Group,
    Item,
    Name,
    Statement,
    Test,
    parse_statement,
    refused,
)
from simulators.dataverse.switches import Switches
from simulators.dataverse.values import converter, decimal_text

_TOKEN = re.compile(r'^<cookie pagenumber="(\d+)" rows="(\d+)" />$')
_WORD = re.compile(r"\bJOIN\s+\[?(\w+)", re.IGNORECASE)


def joined_tables(text: str) -> list[str]:
    """The tables that a statement joins; reading them needs a privilege too."""
    return [name.lower() for name in _WORD.findall(text)]


def answer_sql(schema: Schema, switches: Switches, connection: sqlite3.Connection, call: Call, table: Table) -> Reply:
    """Answer a statement about a table. Raises ServiceError."""
    if switches.sqlUnsupported:
        raise bad_query("sql query parameter is not supported.")
    if strange := [name for name in call.options if name not in {"sql", "$skiptoken"}]:
        raise bad_query(f"The query parameter {min(strange)} is not supported together with sql.")
    statement = parse_statement(call.options["sql"])
    if statement.table != table.logical_name:
        raise refused(f"FROM names '{statement.table}', and the address names '{table.set_name}'.")
    query = Select(schema, statement)
    number, offset = _place(call)
    size = min(MOST_ROWS, switches.shortPages or MOST_ROWS)
    asked = min(each for each in (statement.top, statement.fetch, 1 << 62) if each is not None)
    limit = min(size + 1, asked - offset)
    rows = query.rows(connection, limit, statement.offset + offset) if limit > 0 else []
    content: dict[str, object] = {"@odata.context": f"{call.prefix}/$metadata#{table.set_name}"}
    content["value"] = [query.json(row) for row in rows[:size]]
    if len(rows) > size:
        content["@odata.nextLink"] = _next_link(call, number + 1, offset + size)
    return json_reply(content)


def _place(call: Call) -> tuple[int, int]:
    token = call.options.get("$skiptoken")
    if token is None:
        return 1, 0
    match = _TOKEN.match(token)
    if match is None:
        raise bad_query("Malformed XML in the Paging Cookie")
    return int(match[1]), int(match[2])


def _next_link(call: Call, number: int, rows: int) -> str:
    query = "&".join(part for part in call.query.split("&") if not part.startswith("$skiptoken"))
    token = f"%3Ccookie%20pagenumber=%22{number}%22%20rows=%22{rows}%22%20/%3E"
    return f"{call.prefix}/{call.path.strip('/')}?{query}&$skiptoken={token}"


@dataclass(frozen=True)
class _Shown:
    """One column of the answer."""

    name: str
    sql: str
    convert: Callable[[int], object] | None


class Select:
    """A statement over the tables of a schema."""

    def __init__(self, schema: Schema, statement: Statement) -> None:
        self.schema, self.statement = schema, statement
        self.tables: dict[str, Table] = {statement.alias: self._table(statement.table)}
        for join in statement.joins:
            self.tables[join.alias] = self._table(join.table)
        self.parameters: list[SqlValue] = []
        self.shown = [self._show(item) for item in statement.items]
        self.where = self._condition(statement.where) if statement.where else "1"

    def rows(self, connection: sqlite3.Connection, limit: int, offset: int) -> Sequence[Sequence[SqlValue]]:
        """Fetch rows behind an offset."""
        statement = self.statement
        columns = ", ".join(shown.sql for shown in self.shown)
        sql = f"SELECT {'DISTINCT ' if statement.distinct else ''}{columns} FROM {self._from()} WHERE {self.where}"  # noqa: S608
        if statement.groups:
            sql += f" GROUP BY {', '.join(self._sql(name) for name in statement.groups)}"
        if orders := self._orders():
            sql += f" ORDER BY {', '.join(orders)}"
        return connection.execute(f"{sql} LIMIT ? OFFSET ?", (*self.parameters, limit, offset)).fetchall()

    def json(self, row: Sequence[SqlValue]) -> dict[str, object]:
        return {
            shown.name: shown.convert(value) if shown.convert and value is not None else value  # type: ignore[arg-type]
            for shown, value in zip(self.shown, row, strict=True)
        }

    def _from(self) -> str:
        first = self.tables[self.statement.alias]
        parts = [f'{seen(self.schema, first)} "{self.statement.alias}"']
        for join in self.statement.joins:
            word = "LEFT JOIN" if join.outer else "JOIN"
            source = f'{seen(self.schema, self.tables[join.alias])} "{join.alias}"'
            parts.append(f"{word} {source} ON {self._sql(join.left)} = {self._sql(join.right)}")
        return " ".join(parts)

    def _orders(self) -> list[str]:
        aliases = {item.alias.lower(): shown.sql for item, shown in zip(self.statement.items, self.shown, strict=True)}
        found = [
            (aliases.get(name.column, "") if not name.table else "") or self._sql(name)
            for name, _ in self.statement.orders
        ]
        own = [f"{sql} DESC" if down else sql for sql, (_, down) in zip(found, self.statement.orders, strict=True)]
        is_plain = (
            not self.statement.distinct
            and not self.statement.groups
            and not any(item.function for item in self.statement.items)
        )
        key = f'"{self.statement.alias}"."{self.tables[self.statement.alias].key}"'
        return [*own, key] if is_plain else own

    def _show(self, item: Item) -> _Shown:
        if item.column is None:
            return _Shown(item.alias or "count", "COUNT(*)", None)
        column, sql = self._column(item.column), self._sql(item.column)
        if not item.function:
            return _Shown(item.alias or column.wire_name, sql, converter(column))
        return _aggregated(item, column, sql)

    def _table(self, name: str) -> Table:
        if name not in self.schema.tables:
            raise ServiceError(400, "0x80040217", f"The entity with a name = '{name}' was not found.")
        return self.schema.tables[name]

    def _column(self, name: Name) -> Column:
        return self._found(name)[1]

    def _sql(self, name: Name) -> str:
        alias, column = self._found(name)
        return f'"{alias}"."{column.name}"'

    def _found(self, name: Name) -> tuple[str, Column]:
        places = [name.table] if name.table else list(self.tables)
        for alias in places:
            if alias not in self.tables:
                raise refused(f"there is no table '{alias}' in FROM.")
            if column := self.tables[alias].columns.get(name.column):
                return alias, column
        table = self.tables[places[0]].logical_name
        raise ServiceError(
            400,
            "0x80041103",
            f"'{table}' entity doesn't contain attribute with Name = '{name.column}' and NameMapping = 'Logical'.",
        )

    def _condition(self, condition: Condition) -> str:
        if isinstance(condition, Group):
            parts = [f"({self._condition(part)})" for part in condition.parts]
            return f"NOT {parts[0]}" if condition.word == "NOT" else f" {condition.word} ".join(parts)
        return self._test(condition)

    def _test(self, test: Test) -> str:
        column, sql = self._column(test.column), self._sql(test.column)
        if test.operator == "LIKE":
            self.parameters.append(str(test.values[0]))
            return f"{sql} LIKE ?"
        self.parameters += [_stored(column, value) for value in test.values]
        match test.operator:
            case "IN":
                return f"{sql} IN ({', '.join('?' * len(test.values))})"
            case "BETWEEN":
                return f"{sql} BETWEEN ? AND ?"
            case "IS NULL" | "IS NOT NULL":
                return f"{sql} {test.operator}"
        return f"{sql} {test.operator} ?"


def _aggregated(item: Item, column: Column, sql: str) -> _Shown:
    name, scale = item.alias or f"{item.function.lower()}_{column.name}", column.scale
    if item.function == "COUNT":
        return _Shown(name, f"COUNT({sql})", None)
    if item.function in {"MIN", "MAX"}:
        return _Shown(name, f"{item.function}({sql})", converter(column))
    if column.type not in {"int", "bigint", "money", "decimal"}:
        raise refused(f"{item.function} of {column.name} is no number.")
    if item.function == "SUM":
        return _Shown(name, f"exact_sum({sql})", lambda value: orjson.Fragment(decimal_text(int(value), scale)))
    return _Shown(name, f"AVG({sql}) / 1{'0' * scale}.0", None)


def _stored(column: Column, value: Constant) -> SqlValue:
    if column.type in {"money", "decimal"} and isinstance(value, Decimal):
        exact = value.scaleb(column.scale)
        return int(exact) if exact == exact.to_integral_value() else str(value)
    if column.type in {"int", "bigint", "choice", "bool"} and isinstance(value, Decimal):
        return int(value)
    if column.type == "guid" and isinstance(value, str):
        return value.lower()
    if column.type == "instant" and isinstance(value, str):
        return _instant(value)
    if column.type in {"text", "memo", "day"}:
        return str(value)
    raise refused(f"'{value}' is no value of {column.name}.")


def _instant(text: str) -> str:
    try:
        return datetime.fromisoformat(text.replace("Z", "")).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise refused(f"'{text}' is no date.") from error

"""`$select` and `$expand`: which columns a query fetches, and how a fetched row becomes JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from simulators.dataverse.calls import FORMATTED_VALUE, LOOKUP_NAME, NAVIGATION, Call
from simulators.dataverse.errors import bad_query, unknown_property
from simulators.dataverse.events import SqlValue
from simulators.dataverse.schema import Column, Table
from simulators.dataverse.source import Source
from simulators.dataverse.store import Row
from simulators.dataverse.values import Convert, converter, formatted
from simulators.odata import Expand, parse_expand, parse_select

MAX_EXPANDS = 15


@dataclass(frozen=True)
class Field:
    name: str
    index: int
    convert: Convert | None
    column: Column
    name_index: int | None = None


@dataclass
class Level:
    """One object of the answer: the row itself or one that a lookup leads to."""

    table: Table
    key_index: int
    fields: list[Field] = field(default_factory=list)
    children: list[tuple[str, "Level"]] = field(default_factory=list)


class Selection:
    """The columns of one query. Raises ServiceError for names that the table does not have."""

    def __init__(self, source: Source, call: Call) -> None:
        self.source = source
        self.call = call
        self.columns: list[str] = []
        self._annotated = call.wants(FORMATTED_VALUE), call.wants(LOOKUP_NAME), call.wants(NAVIGATION)
        select, expand = call.options.get("$select"), call.options.get("$expand")
        self.names = parse_select(select) if select is not None else None
        self.expands = parse_expand(expand) if expand is not None else ()
        if _count(self.expands) > MAX_EXPANDS:
            raise bad_query(f"Exceeds the maximum number of $expand allowed: {MAX_EXPANDS}.")
        self.version_index = self._add('t0."versionnumber"')
        self.root = self._level((), self.names, self.expands)

    def json(self, row: Row) -> dict[str, object]:
        """Return one row of the answer with its ETag."""
        found: dict[str, object] = {"@odata.etag": f'W/"{row[self.version_index]}"'}
        self._fill(found, self.root, row)
        return found

    @property
    def context(self) -> str:
        """What stands in brackets behind the set's name in `@odata.context`."""
        return _context(self.names, self.expands)

    def _fill(self, found: dict[str, object], level: Level, row: Row) -> None:
        for item in level.fields:
            value = row[item.index]
            if value is None:
                found[item.name] = None
                continue
            found[item.name] = item.convert(value) if item.convert else value  # type: ignore[arg-type]
            if any(self._annotated):
                self._annotate(found, item, value, row)
        for navigation, child in level.children:
            if row[child.key_index] is None:
                found[navigation] = None
            else:
                inner: dict[str, object] = {}
                found[navigation] = inner
                self._fill(inner, child, row)

    def _annotate(self, found: dict[str, object], item: Field, value: SqlValue, row: Row) -> None:
        text, target, navigation = self._annotated
        if text:
            shown = row[item.name_index] if item.name_index else formatted(item.column, value, self.source.schema)
            if shown is not None:
                found[f"{item.name}@{FORMATTED_VALUE}"] = shown
        if item.column.lookup and target:
            found[f"{item.name}@{LOOKUP_NAME}"] = item.column.lookup.target
        if item.column.lookup and navigation:
            found[f"{item.name}@{NAVIGATION}"] = item.column.lookup.navigation

    def _level(self, path: tuple[str, ...], names: Sequence[str] | None, expands: Sequence[Expand]) -> Level:
        alias, table = self.source.reach(path)
        level = Level(table, self._add(f'{alias}."{table.key}"'))
        for column in _selected(table, names):
            level.fields.append(self._field(alias, column))
        for expand in expands:
            if expand.navigation not in table.navigations:
                raise unknown_property(expand.navigation, table.logical_name)
            if expand.filter or expand.orderby or expand.top is not None:
                raise bad_query(
                    "Only $select and $expand are allowed in the $expand of a single-valued navigation property."
                )
            child = self._level((*path, expand.navigation), expand.select, expand.expand)
            level.children.append((expand.navigation, child))
        return level

    def _field(self, alias: str, column: Column) -> Field:
        index = self._add(f'{alias}."{column.name}"')
        name_index = None
        if column.lookup and self._annotated[0]:
            target = self.source.schema.tables[column.lookup.target]
            name_index = self._add(
                f'(SELECT n."{target.primary_name}" FROM "{target.logical_name}" n '  # noqa: S608 - names of the schema
                f'WHERE n."{target.key}" = {alias}."{column.name}")'
            )
        return Field(column.wire_name, index, converter(column), column, name_index)

    def _add(self, expression: str) -> int:
        self.columns.append(expression)
        return len(self.columns) - 1


def _selected(table: Table, names: Sequence[str] | None) -> list[Column]:
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

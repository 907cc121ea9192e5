"""The tables as the service knows them, read from tables.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from simulators.odata import Column as SqlColumn
from simulators.odata import Kind
from simulators.own_columns import OwnColumns

type ColumnType = Literal[
    "text", "memo", "int", "bigint", "bool", "choice", "money", "decimal", "guid", "instant", "day"
]

MONEY_SCALE = 4
STANDARD_COLUMNS = {
    "createdon": "instant",
    "modifiedon": "instant",
    "statecode": "choice statecode",
    "statuscode": "choice statuscode",
    "versionnumber": "bigint",
}
_KINDS: dict[ColumnType, Kind] = {
    "text": "string",
    "memo": "string",
    "int": "integer",
    "bigint": "integer",
    "bool": "boolean",
    "choice": "integer",
    "money": "decimal",
    "decimal": "decimal",
    "guid": "guid",
    "instant": "datetime",
    "day": "date",
}


@dataclass(frozen=True)
class Lookup:
    """A many-to-one relationship: stored under `column`, expanded under `navigation`, read as `_<column>_value`."""

    column: str
    navigation: str
    target: str

    @property
    def wire_name(self) -> str:
        return f"_{self.column}_value"


@dataclass(frozen=True)
class Column:
    """One attribute. `scale` counts the decimals, `length` the characters of a text, `choice` names the options."""

    name: str
    type: ColumnType
    scale: int = 0
    length: int = 0
    choice: str = ""
    lookup: Lookup | None = None
    label: str = ""
    behavior: str = ""
    """What its metadata say of a date; "" for what its type means."""

    @property
    def wire_name(self) -> str:
        """The name that the Web API gives it."""
        return self.lookup.wire_name if self.lookup else self.name

    @property
    def ddl(self) -> str:
        if self.type in {"text", "memo"}:
            return f'"{self.name}" TEXT COLLATE NOCASE'
        return f'"{self.name}" {"TEXT" if self.type in {"guid", "instant", "day"} else "INTEGER"}'

    def sql(self, alias: str) -> SqlColumn:
        """Return how to compare it when its table goes by `alias`."""
        return SqlColumn(f'{alias}."{self.name}"', _KINDS[self.type], self.scale)


@dataclass(frozen=True)
class Table:
    logical_name: str
    set_name: str
    primary_name: str
    columns: Mapping[str, Column]
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    indexes: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    dualwrite: tuple[str, ...] = ()
    key: str = ""
    schema_name: str = ""
    privilege: str = ""
    """What its privileges are named after. That is the schema name, but for some old tables."""
    is_owned: bool = True
    """Whether its rows belong to users. If not, a role has a privilege on all of them or on none."""

    @cached_property
    def properties(self) -> Mapping[str, Column]:
        """Columns by their Web API name."""
        return {column.wire_name: column for column in self.columns.values()}

    @cached_property
    def navigations(self) -> Mapping[str, Lookup]:
        """Lookups by navigation property; the case of the name counts."""
        return {column.lookup.navigation: column.lookup for column in self.columns.values() if column.lookup}

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(self.columns)


@dataclass(frozen=True)
class Schema:
    """`hidden` are tables of which the caller sees no row, because all rows belong to others."""

    tables: Mapping[str, Table]
    choices: Mapping[str, Mapping[int, str]]
    hidden: frozenset[str] = frozenset()

    @cached_property
    def sets(self) -> Mapping[str, Table]:
        return {table.set_name: table for table in self.tables.values()}


def load_schema(own: OwnColumns | None = None) -> Schema:
    """Return the tables of tables.toml, with columns of the tenant's own."""
    text = Path(__file__).with_name("tables.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    choices = {
        name: {int(value): label for value, label in options.items()}
        for name, options in content.pop("choices").items()
    }
    added = {name: _with_own(entry, (own or {}).get(name, {})) for name, entry in content.items()}
    return Schema({name: _table(name, entry) for name, entry in added.items()}, choices)


def _with_own(entry: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    custom = [*entry.get("custom", ()), *columns]
    return {**entry, "columns": {**entry.get("columns", {}), **columns}, "custom": custom} if columns else entry


def _table(name: str, entry: dict[str, Any]) -> Table:
    specs = STANDARD_COLUMNS | entry.get("columns", {})
    lookups = entry.get("lookups", {})
    labels = entry.get("labels", {})
    key = entry.get("key", f"{name}id")
    columns = [Column(key, "guid")]
    columns += [_column(column, spec, labels.get(column, "")) for column, spec in specs.items()]
    columns += [_lookup(column, spec) for column, spec in lookups.items()]
    keys = entry.get("keys", {})
    schema_name = entry.get("schema", name)
    return Table(
        logical_name=name,
        set_name=entry["set"],
        primary_name=entry["name"],
        columns={column.name: column for column in columns},
        key=key,
        schema_name=schema_name,
        privilege=entry.get("privilege", schema_name),
        is_owned=entry.get("owned", True),
        keys={name: tuple(members) for name, members in keys.items()},
        indexes=_names(entry, "indexes"),
        writable=_names(entry, "writable"),
        custom=_names(entry, "custom"),
        dualwrite=_names(entry, "dualwrite"),
    )


def _names(entry: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(entry.get(key, []))


def _column(name: str, spec: str, label: str) -> Column:
    type_name, _, argument = spec.partition(" ")
    column_type = cast("ColumnType", type_name)
    if column_type == "choice":
        return Column(name, column_type, choice=argument, label=label)
    if column_type == "bool":
        return Column(name, column_type, choice="boolean", label=label)
    if column_type == "text":
        return Column(name, column_type, length=int(argument), label=label)
    scale = MONEY_SCALE if column_type == "money" else int(argument or 0)
    return Column(name, column_type, scale=scale, label=label)


def _lookup(name: str, spec: str) -> Column:
    navigation, target = spec.split(" -> ")
    return Column(name, "guid", lookup=Lookup(name, navigation, target))

"""Dataverse's own definitions of its tables, and where the paths of a map lead in them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from operate.doctor.visit import Visit
from operate.maps.tables import Column, Tables
from shared.concurrently import both, concurrently
from shared.maps.table_map import TableMap

_TABLE = "LogicalName,SchemaName,EntitySetName,PrimaryIdAttribute,Privileges"
_LOOKUP_KINDS = {"Lookup", "Customer", "Owner"}

type Path = tuple[str, ...]


class Gap(Exception):
    """Dataverse lacks a table, a column or a lookup. The text says which one, for an operator."""


@dataclass(frozen=True)
class Table:
    """A table by its definition. `lookups` are the tables behind its navigation properties, whose case counts."""

    name: str
    set: str
    key: str
    privileges: Mapping[str, str]
    columns: Mapping[str, Column] = field(repr=False)
    lookups: Mapping[str, str] = field(repr=False)

    def column(self, name: str) -> Column:
        """A column, as a query names it. Raises Gap."""
        plain = name.removeprefix("_").removesuffix("_value") if name.startswith("_") else name
        found = self.columns.get(plain)
        if found is None:
            raise Gap(f"{self.name} has no column {name}{_near(name, self.columns)}")
        if found.type in _LOOKUP_KINDS and plain == name:
            raise Gap(f"{name} of {self.name} is a lookup: a path goes on behind it, or names _{name}_value")
        if not found.readable:
            raise Gap(f"column {name} of {self.name} cannot be read")
        return found

    def behind(self, navigation: str) -> str:
        """The table behind a navigation property. Raises Gap."""
        if navigation not in self.lookups:
            raise Gap(f"{self.name} has no navigation property {navigation}{_near(navigation, self.lookups)}")
        return self.lookups[navigation]


def _near(name: str, known: Iterable[str]) -> str:
    same = [each for each in known if each.lower() == name.lower()]
    return f"; it is written {same[0]}" if same else ""


async def table_of(visit: Visit, *, entity_set: str = "", name: str = "") -> Table:
    """The table of an entity set, or of a logical name. Raises Gap, and the errors of reading."""
    condition = f"EntitySetName eq '{entity_set}'" if entity_set else f"LogicalName eq '{name}'"
    found = await visit.dataverse.read("EntityDefinitions", {"$select": _TABLE, "$filter": condition})
    if not found:
        raise Gap(f"there is no table {entity_set or name}")
    row = found[0]
    logical = str(row["LogicalName"])
    tables = Tables(visit.dataverse)
    columns, lookups = await both(tables.columns(logical), tables.lookups(logical))
    return Table(
        name=logical,
        set=str(row["EntitySetName"]),
        key=str(row["PrimaryIdAttribute"]),
        privileges={str(each["PrivilegeType"]): str(each["Name"]) for each in row["Privileges"]},
        columns=columns,
        lookups={lookup.navigation: lookup.table for lookup in lookups},
    )


@dataclass(frozen=True)
class Reached:
    """The tables that the paths of a map lead to, and the paths that lead nowhere with the reason."""

    tables: Mapping[Path, Table]
    gaps: Mapping[Path, Gap]

    @property
    def root(self) -> Table:
        """The table of the map. Raises Gap."""
        return self.table(())

    def table(self, path: Path) -> Table:
        """The table behind a path of navigation properties. Raises Gap."""
        for length in range(len(path) + 1):
            if gap := self.gaps.get(path[:length]):
                raise gap
        return self.tables[path]

    def column(self, steps: Path) -> Column:
        """The column at the end of a path. Raises Gap."""
        return self.table(steps[:-1]).column(steps[-1])


def paths_of(table_map: TableMap) -> list[Path]:
    """All paths of a map that go to Finance, the company and the customer: lookups, then the column."""
    others = (tuple(path.split(".")) for path in (table_map.company, table_map.customer) if path)
    return [*(pair.steps for pair in table_map.outgoing if pair.steps), *others]


async def reach(visit: Visit, table_map: TableMap) -> Reached:
    """Follow all lookups of a map, hop by hop. Raises the errors of reading."""
    tables: dict[Path, Table] = {}
    gaps: dict[Path, Gap] = {}
    prefixes = {steps[:length] for steps in paths_of(table_map) for length in range(len(steps))} | {()}
    for length in range(max(map(len, prefixes)) + 1):
        # What hangs behind a gap is a part of that gap.
        level = [path for path in sorted(prefixes) if len(path) == length and (not path or path[:-1] in tables)]
        found = await concurrently(*(_next(visit, table_map, tables, path) for path in level))
        for path, result in zip(level, found, strict=True):
            if isinstance(result, Gap):
                gaps[path] = result
            else:
                tables[path] = result
    return Reached(tables, gaps)


async def _next(visit: Visit, table_map: TableMap, tables: Mapping[Path, Table], path: Path) -> Table | Gap:
    try:
        if not path:
            return await table_of(visit, entity_set=table_map.source.set)
        return await table_of(visit, name=tables[path[:-1]].behind(path[-1]))
    except Gap as gap:
        return gap

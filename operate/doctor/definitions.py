"""Dataverse's own definitions of its tables, and where the paths of a map lead in them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from operate.doctor.tables import Column, Lookup, Tables
from operate.doctor.visit import Visit
from shared.concurrently import both, concurrently
from shared.maps.dual_write_paths import LOOKUP_TYPES
from shared.maps.table_map import TableMap

_TABLE = "LogicalName,SchemaName,EntitySetName,PrimaryIdAttribute,Privileges"

type Path = tuple[str, ...]


class Gap(Exception):
    """Dataverse lacks a table, a column or a lookup. The text says which one, for an operator."""


@dataclass(frozen=True)
class Table:
    """A table by its definition. Of its lookups, the case of the navigation property counts."""

    name: str
    set: str
    key: str
    privileges: Mapping[str, str]
    columns: Mapping[str, Column] = field(repr=False)
    lookups: Sequence[Lookup] = field(repr=False)

    def column(self, name: str) -> Column:
        """A column, as a query names it. Raises Gap."""
        plain = name.removeprefix("_").removesuffix("_value") if name.startswith("_") else name
        found = self.columns.get(plain)
        if found is None:
            meant = [each for each in self.columns if each == name.lower()]
            raise Gap(f"{self.name} has no column {name}{_meant(meant)}")
        if found.type in LOOKUP_TYPES and plain == name:
            raise Gap(f"{name} of {self.name} is a lookup: a path goes on behind it, or names _{name}_value")
        if not found.readable:
            raise Gap(f"column {name} of {self.name} cannot be read")
        return found

    def behind(self, navigation: str) -> str:
        """The table behind a navigation property. Raises Gap."""
        found = next((each for each in self.lookups if each.navigation == navigation), None)
        if found is None:
            # What dual-write's own paths name is the column, in small letters.
            hop = navigation.lower()
            meant = [each.navigation for each in self.lookups if hop in (each.navigation.lower(), each.column)]
            raise Gap(f"{self.name} has no navigation property {navigation}{_meant(meant)}")
        return found.table


def _meant(names: Sequence[str]) -> str:
    if len(names) > 1:
        # A polymorphic lookup has a navigation property for each table.
        return f"; it is one of {', '.join(names)}"
    return f"; it is written {names[0]}" if names else ""


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
        lookups=lookups,
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
    return await reach_from(visit, table_map.source.set, paths_of(table_map))


async def reach_from(visit: Visit, entity_set: str, paths: Iterable[Path]) -> Reached:
    """Follow the lookups of some paths from the table of an entity set. Raises the errors of reading."""
    tables: dict[Path, Table] = {}
    gaps: dict[Path, Gap] = {}
    prefixes = {steps[:length] for steps in paths for length in range(len(steps))} | {()}
    for length in range(max(map(len, prefixes)) + 1):
        # What hangs behind a gap is a part of that gap.
        level = [path for path in sorted(prefixes) if len(path) == length and (not path or path[:-1] in tables)]
        found = await concurrently(*(_next(visit, entity_set, tables, path) for path in level))
        for path, result in zip(level, found, strict=True):
            if isinstance(result, Gap):
                gaps[path] = result
            else:
                tables[path] = result
    return Reached(tables, gaps)


async def _next(visit: Visit, entity_set: str, tables: Mapping[Path, Table], path: Path) -> Table | Gap:
    try:
        if not path:
            return await table_of(visit, entity_set=entity_set)
        return await table_of(visit, name=tables[path[:-1]].behind(path[-1]))
    except Gap as gap:
        return gap


async def selective(visit: Visit, entity_set: str, paths: set[Path]) -> set[Path]:
    """The paths, and the key of each row on their way of which no column is read: such a row would come with all its
    columns. Raises Gap, and the errors of reading."""
    on_the_way = {path[:length] for path in paths for length in range(1, len(path))}
    bare = on_the_way - {path[:-1] for path in paths}
    if not bare:
        return paths
    reached = await reach_from(visit, entity_set, [(*hop, "") for hop in bare])
    return paths | {(*hop, reached.table(hop).key) for hop in bare}

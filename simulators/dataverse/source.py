"""What a query reads from: a table and the tables that it reaches over lookups."""

from collections.abc import Sequence

from simulators.dataverse.errors import unknown_property
from simulators.dataverse.schema import Schema, Table
from simulators.odata import Column as SqlColumn
from simulators.odata import Path


class Source:
    """Collects the joins that the parts of one query need; each path of lookups is joined once."""

    def __init__(self, schema: Schema, table: Table) -> None:
        self.schema = schema
        self.table = table
        self._reached: dict[tuple[str, ...], tuple[str, Table]] = {(): ("t0", table)}
        self._joins: list[str] = []

    def reach(self, path: Sequence[str]) -> tuple[str, Table]:
        """Return alias and table at the end of navigation properties."""
        steps = tuple(path)
        if steps not in self._reached:
            self._reached[steps] = self._join(*self.reach(steps[:-1]), steps[-1])
        return self._reached[steps]

    def column(self, path: Path) -> SqlColumn:
        """Answer a path of a filter, an order or a group. Raises ServiceError for an unknown name."""
        alias, table = self.reach(path.segments[:-1])
        name = path.segments[-1]
        if name not in table.properties:
            raise unknown_property(name, table.logical_name)
        return table.properties[name].sql(alias)

    @property
    def sql(self) -> str:
        return f"{seen(self.schema, self.table)} t0 {' '.join(self._joins)}"

    def _join(self, alias: str, table: Table, navigation: str) -> tuple[str, Table]:
        if navigation not in table.navigations:
            raise unknown_property(navigation, table.logical_name)
        lookup = table.navigations[navigation]
        target = self.schema.tables[lookup.target]
        name = f"t{len(self._reached)}"
        self._joins.append(
            f'LEFT JOIN {seen(self.schema, target)} {name} ON {name}."{target.key}" = {alias}."{lookup.column}"'
        )
        return name, target


def seen(schema: Schema, table: Table) -> str:
    """What a query of a table reads: its rows, or none if all of them are hidden from the caller."""
    name = f'"{table.logical_name}"'
    return f"(SELECT * FROM {name} WHERE 0)" if table.logical_name in schema.hidden else name  # noqa: S608 - own names

"""Paths of dual-write: its hops are logical names of lookups in lower case. The Web API expands navigation properties,
whose case counts, and a polymorphic lookup has one for each table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.maps.table_map import TableMap

LOOKUP_TYPES = frozenset({"Lookup", "Customer", "Owner"})
"""The types of a column that refers to a row of another table, as Dataverse's `AttributeType` says them."""


class PathUnknown(Exception):
    """A path leads nowhere, or to more than one place. The text says at which step."""


@dataclass(frozen=True)
class Hop:
    """A lookup: its column, its navigation property, and the table it leads to."""

    column: str
    navigation: str
    table: str


@dataclass(frozen=True)
class Described:
    """What the metadata says: `table` is the one that is mapped; columns with their types, days with their behaviour
    (`localDay`, `localDate`, `date`), hops and entity sets by table; `members` are the enumerations of Finance by its
    column in capitals. Without a table nothing is known."""

    table: str = ""
    hops: Mapping[str, Sequence[Hop]] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    days: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sets: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def type_of(self, path: str) -> str:
        """The type of the column at the end of a path of the Web API, or "" if it is not known."""
        table, column = self._end(path)
        return self.columns.get(table, {}).get(column, "")

    def day_kind(self, path: str) -> str:
        """The rule for the days of a column, or "" for a column without days."""
        table, column = self._end(path)
        return self.days.get(table, {}).get(column, "")

    def _end(self, path: str) -> tuple[str, str]:
        *hops, column = path.split(".")
        table = self.table
        for hop in hops:
            table = next((each.table for each in self.hops.get(table, ()) if each.navigation == hop), "")
        return table, column


def translate_path(path: str, related: str, described: Described, shipped: TableMap) -> str:
    """A path of dual-write in the Web API's names. `related` is the entity set that the lookup refers to. Raises
    PathUnknown."""
    steps = path.split(".")
    if not described.table:
        return _as_shipped(path, shipped)
    ends = _ends([((), described.table)], steps[:-1], described)
    fitting = [(names, table) for names, table in ends if _column(described, table, steps[-1])]
    if len(fitting) > 1 and related:
        fitting = [each for each in fitting if described.sets.get(each[1], each[1]) == related] or fitting
    if not fitting:
        raise PathUnknown(_why(steps, ends, described))
    if len(fitting) > 1:
        tables = ", ".join(table for _, table in fitting)
        raise PathUnknown(f"{steps[-2]} refers to several tables with a column {steps[-1]} ({tables}): choose one")
    names, table = fitting[0]
    return ".".join([*names, _column(described, table, steps[-1])])


def _ends(
    starts: list[tuple[tuple[str, ...], str]], hops: Sequence[str], described: Described
) -> list[tuple[tuple[str, ...], str]]:
    """All places to which the hops lead, each with its navigation properties and its table."""
    for hop in hops:
        starts = [
            ((*names, each.navigation), each.table)
            for names, table in starts
            for each in described.hops.get(table, ())
            if each.column == hop.lower()
        ]
    return starts


def _column(described: Described, table: str, name: str) -> str:
    """The name of a column in the Web API, or "". A lookup itself is read as the id of its row."""
    kind = described.columns.get(table, {}).get(name.lower(), "")
    if not kind:
        return ""
    return f"_{name.lower()}_value" if kind in LOOKUP_TYPES else name.lower()


def _why(steps: Sequence[str], ends: list[tuple[tuple[str, ...], str]], described: Described) -> str:
    if ends:
        return f"table {ends[0][1]} has no column {steps[-1]}"
    for number in range(1, len(steps)):
        if not _ends([((), described.table)], steps[:number], described):
            return f"there is no lookup {steps[number - 1]} on its way"
    return f"{'.'.join(steps)} leads nowhere"


def _as_shipped(path: str, shipped: TableMap) -> str:
    """The path as the shipped map spells it. Without metadata, no other path through a lookup can be translated."""
    spelled = {pair.source.lower(): pair.source for pair in shipped.fields if pair.source}
    if path.lower() in spelled:
        return spelled[path.lower()]
    if "." in path:
        raise PathUnknown("without the metadata of Dataverse its navigation properties are not known")
    return path.lower()

"""The tables of Dataverse as its metadata describes them: columns, lookups, choices."""

from collections.abc import Mapping
from dataclasses import dataclass

from operate.doctor.onlooker import NotThere, Onlooker
from shared.maps.transforms import Row

_CAST = "EntityDefinitions(LogicalName='{}')/Attributes/Microsoft.Dynamics.CRM.{}AttributeMetadata"
_CHOICES = frozenset({"Picklist", "State", "Status", "Boolean"})


@dataclass(frozen=True)
class Column:
    """A column and its type, as `AttributeType` says it: Money, Picklist, Lookup, DateTime, String ..."""

    name: str
    type: str
    readable: bool
    writable: bool


@dataclass(frozen=True)
class Lookup:
    """A column that refers to a row of another table, and the navigation property by which it is expanded."""

    column: str
    navigation: str
    table: str


@dataclass(frozen=True)
class Behaviour:
    """Dataverse's DateTimeBehavior of a column, and whether a time is shown."""

    name: str
    has_time: bool


class Tables:
    """Reads the metadata. Every method raises the errors of `Onlooker`."""

    def __init__(self, dataverse: Onlooker) -> None:
        self._dataverse = dataverse

    async def of_set(self, entity_set: str) -> str:
        """The logical name of the table of an entity set. Raises NotThere."""
        options = {"$select": "LogicalName", "$filter": f"EntitySetName eq '{entity_set}'"}
        rows = await self._dataverse.read("EntityDefinitions", options)
        if not rows:
            raise NotThere(self._dataverse.name, f"entity set {entity_set}")
        return str(rows[0]["LogicalName"])

    async def columns(self, table: str) -> Mapping[str, Column]:
        """The columns of a table by their logical names."""
        rows = await self._dataverse.read(
            f"EntityDefinitions(LogicalName='{table}')/Attributes",
            {"$select": "LogicalName,AttributeType,AttributeOf,IsValidForRead,IsValidForUpdate"},
        )
        # The texts beside choices and lookups are listed, and are no properties of the Web API.
        found = [_column(row) for row in rows if not row.get("AttributeOf")]
        return {column.name: column for column in found}

    async def lookups(self, table: str) -> list[Lookup]:
        """The lookups of a table. A polymorphic one has a lookup for each table that it may refer to."""
        names = ("ReferencingAttribute", "ReferencingEntityNavigationPropertyName", "ReferencedEntity")
        rows = await self._dataverse.read(
            f"EntityDefinitions(LogicalName='{table}')/ManyToOneRelationships", {"$select": ",".join(names)}
        )
        return [Lookup(*(str(row[name]) for name in names)) for row in rows]

    async def options(self, table: str, column: Column) -> Mapping[bool | int, str] | None:
        """The values of a choice with their labels, None for a column of another type."""
        if column.type not in _CHOICES:
            return None
        expand = "OptionSet,GlobalOptionSet" if column.type == "Picklist" else "OptionSet"
        options = {"$select": "LogicalName", "$filter": f"LogicalName eq '{column.name}'", "$expand": expand}
        rows = await self._dataverse.read(_CAST.format(table, column.type), options)
        found = next((row.get(name) for row in rows for name in expand.split(",") if row.get(name)), None) or {}
        if column.type == "Boolean":
            return {False: _label(found["FalseOption"]), True: _label(found["TrueOption"])}
        return {int(option["Value"]): _label(option) for option in found.get("Options", [])}

    async def behaviours(self, table: str) -> Mapping[str, Behaviour]:
        """How each column of a table that holds days or instants behaves."""
        options = {"$select": "LogicalName,Format,DateTimeBehavior"}
        rows = await self._dataverse.read(_CAST.format(table, "DateTime"), options)
        return {str(row["LogicalName"]): _behaviour(row) for row in rows}

    async def days(self, table: str) -> Mapping[str, str]:
        """The rule of a map for each column of a table that holds days or instants, as the column behaves."""
        return {name: _rule(behaviour) for name, behaviour in (await self.behaviours(table)).items()}

    async def set_of(self, table: str) -> str:
        """The entity set of a table."""
        row = await self._dataverse.one(f"EntityDefinitions(LogicalName='{table}')", {"$select": "EntitySetName"})
        return str(row["EntitySetName"])


def _column(row: Mapping[str, object]) -> Column:
    return Column(
        str(row["LogicalName"]),
        str(row["AttributeType"]),
        readable=row.get("IsValidForRead") is not False,
        writable=row.get("IsValidForUpdate") is not False,
    )


def _label(option: Row) -> str:
    label = (option.get("Label") or {}).get("UserLocalizedLabel") or {}
    return str(label.get("Label") or "no label")


def _behaviour(row: Row) -> Behaviour:
    behavior = row.get("DateTimeBehavior")
    return Behaviour(
        str(behavior.get("Value", "")) if isinstance(behavior, dict) else "", row.get("Format") != "DateOnly"
    )


def _rule(behaviour: Behaviour) -> str:
    if behaviour.name != "UserLocal":
        return "date"
    # Without a time, the instant is midnight in the zone of the user who chose the day.
    return "localDate" if behaviour.has_time else "localDay"

"""EntityDefinitions: the metadata of the organization's tables."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulators.dataverse.attributes import Described, describe, is_polymorphic, kind_of, label, metadata_id, virtual
from simulators.dataverse.calls import Call, Reply, json_reply
from simulators.dataverse.errors import ServiceError, bad_query, unknown_segment
from simulators.dataverse.privileges import names_of, privilege_id
from simulators.dataverse.schema import Schema, Table
from simulators.odata import (
    DATAVERSE,
    And,
    Compare,
    Expand,
    Expression,
    In,
    Literal,
    Not,
    Or,
    Path,
    parse_expand,
    parse_filter,
    parse_select,
)

_ENTITY = re.compile(r"^EntityDefinitions\((?:LogicalName='(\w+)'|([0-9a-fA-F-]{36}))\)$")
_ATTRIBUTE = re.compile(r"^Attributes\((?:LogicalName='(\w+)'|([0-9a-fA-F-]{36}))\)$")
_CAST = re.compile(r"^Microsoft\.Dynamics\.CRM\.(\w+)AttributeMetadata$")
_BESIDE = ("ManyToOneRelationships", "OneToManyRelationships", "ManyToManyRelationships", "Keys")
_EXPANDED = ("OptionSet", "GlobalOptionSet")
"""Navigation properties: without $expand they are not there."""
_OF_TYPES = ("MaxLength", "Precision", "Format", "DateTimeBehavior", "Targets")
"""Properties of attributes of some types only. They need a cast to that type."""


@dataclass(frozen=True)
class Metadata:
    schema: Schema

    def reply(self, call: Call) -> Reply | None:
        """Answer a request below EntityDefinitions, or return None for another one. Raises ServiceError."""
        head, *rest = call.segments
        if head == "EntityDefinitions" and not rest:
            return _list(call, "EntityDefinitions", (self.entity(table) for table in self.schema.tables.values()))
        match = _ENTITY.match(head)
        if match is None:
            return None
        table = self._table(match[1] or match[2])
        if not rest:
            return json_reply(
                {"@odata.context": _context(call, "EntityDefinitions/$entity")} | _pick(call, self.entity(table))
            )
        return self._below(call, table, rest)

    def _below(self, call: Call, table: Table, rest: list[str]) -> Reply:
        match rest:
            case ["Attributes"]:
                return _list(call, "Attributes", self._all(table), base=True)
            case ["Attributes", cast] if match := _CAST.match(cast):
                chosen = [column for column in table.columns.values() if kind_of(table, column) == match[1]]
                return _list(call, f"Attributes/{cast}", (describe(self.schema, table, column) for column in chosen))
            case [name] if name in _BESIDE:
                return _list(call, name, self._beside(table, name))
            case [attribute, *cast] if match := _ATTRIBUTE.match(attribute):
                return self._one(call, table, match[1] or match[2], cast)
        raise unknown_segment(rest[0])

    def _beside(self, table: Table, name: str) -> Iterable[Described]:
        match name:
            case "ManyToOneRelationships":
                return self._relationships(table)
            case "OneToManyRelationships":
                return self._referencing(table)
        return _keys(table) if name == "Keys" else ()

    def _one(self, call: Call, table: Table, name: str, cast: list[str]) -> Reply:
        for column in table.columns.values():
            if name in {column.name, metadata_id(f"{table.logical_name}.{column.name}")}:
                kind = _CAST.match(cast[0]) if cast else None
                if cast and (kind is None or kind[1] != kind_of(table, column)):
                    raise unknown_segment(cast[0])
                described = _pick(call, describe(self.schema, table, column))
                return json_reply({"@odata.context": _context(call, "Attributes/$entity")} | described)
        raise ServiceError(404, "0x80060888", f"Could not find attribute '{name}'.")

    def _all(self, table: Table) -> Iterable[Described]:
        for column in table.columns.values():
            yield describe(self.schema, table, column)
            if column.type in {"choice", "bool"}:
                yield virtual(table, column)

    def _table(self, name: str) -> Table:
        for table in self.schema.tables.values():
            if name in {table.logical_name, metadata_id(table.logical_name)}:
                return table
        raise ServiceError(404, "0x80060888", f"Could not find an entity with specified entity key: '{name}'.")

    def entity(self, table: Table) -> Described:
        """A table as its definition describes it."""
        return {
            "MetadataId": metadata_id(table.logical_name),
            "LogicalName": table.logical_name,
            "SchemaName": table.schema_name,
            "EntitySetName": table.set_name,
            "LogicalCollectionName": table.set_name,
            "PrimaryIdAttribute": table.key,
            "PrimaryNameAttribute": table.primary_name,
            "IsOptimisticConcurrencyEnabled": True,
            "ChangeTrackingEnabled": False,
            "IsCustomEntity": "_" in table.logical_name,
            "IsPrivate": False,
            "OwnershipType": "UserOwned" if table.is_owned else "OrganizationOwned",
            "DisplayName": label(table.logical_name),
            "Privileges": [_privilege(table, verb, name) for verb, name in names_of(table).items()],
        }

    def _relationships(self, table: Table) -> Iterable[Described]:
        for lookup in table.navigations.values():
            yield self._relationship(table, lookup.column, lookup.navigation, lookup.target)
            if is_polymorphic(table.columns[lookup.column]):
                yield self._relationship(table, lookup.column, f"{lookup.column}_contact", "contact")

    def _referencing(self, table: Table) -> Iterable[Described]:
        for other in self.schema.tables.values():
            yield from (each for each in self._relationships(other) if each["ReferencedEntity"] == table.logical_name)

    def _relationship(self, table: Table, column: str, navigation: str, target: str) -> Described:
        known = self.schema.tables.get(target)
        return {
            "@odata.type": "#Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
            "MetadataId": metadata_id(f"{table.logical_name}.{navigation}"),
            "SchemaName": f"{table.logical_name}_{navigation}",
            "ReferencingEntity": table.logical_name,
            "ReferencingAttribute": column,
            "ReferencedEntity": target,
            "ReferencedAttribute": known.key if known else f"{target}id",
            "ReferencingEntityNavigationPropertyName": navigation,
            "ReferencedEntityNavigationPropertyName": f"{table.logical_name}_{column}",
        }


def _keys(table: Table) -> Iterable[Described]:
    for name, members in table.keys.items():
        yield {
            "MetadataId": metadata_id(f"{table.logical_name}.key.{name}"),
            "LogicalName": name,
            "SchemaName": name,
            "EntityLogicalName": table.logical_name,
            "KeyAttributes": list(members),
            "EntityKeyIndexStatus": "Active",
            "DisplayName": label(name),
        }


def _privilege(table: Table, verb: str, name: str) -> Described:
    return {
        "Name": name,
        "PrivilegeId": privilege_id(name),
        "PrivilegeType": verb,
        "CanBeBasic": table.is_owned,
        "CanBeLocal": table.is_owned,
        "CanBeDeep": table.is_owned,
        "CanBeGlobal": True,
    }


def _list(call: Call, name: str, described: Iterable[Described], *, base: bool = False) -> Reply:
    text = call.options.get("$filter")
    matches = _matcher(parse_filter(text, DATAVERSE)) if text else lambda _: True
    found = [_pick(call, entry, base=base) for entry in described if matches(entry)]
    return json_reply({"@odata.context": _context(call, name), "value": found})


def _matcher(tree: Expression) -> Callable[[Described], bool]:
    match tree:
        case And(terms):
            return lambda entry: all(_matcher(term)(entry) for term in terms)
        case Or(terms):
            return lambda entry: any(_matcher(term)(entry) for term in terms)
        case Not(term):
            return lambda entry: not _matcher(term)(entry)
        case Compare("eq" | "ne" as operator, Path(segments), Literal() as literal):
            return lambda entry: (_named(entry, segments[-1]) == literal.value) is (operator == "eq")
        case In(path, values):
            return lambda entry: _named(entry, path.segments[-1]) in values
    raise bad_query("Metadata queries take eq and ne only.")


def _named(entry: Described, name: str) -> object:
    if name not in entry:
        raise bad_query(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.MetadataBase'.")
    return entry[name]


def _pick(call: Call, entry: Described, *, base: bool = False) -> Described:
    """The selected members and those that are expanded. `base` are attributes of all types, without a cast."""
    expanded = call.options.get("$expand")
    expands = {each.navigation: each for each in parse_expand(expanded)} if expanded else {}
    text = call.options.get("$select")
    names = {"MetadataId", "@odata.type", *(parse_select(text) if text else entry)} - {*_EXPANDED}
    if strange := [name for name in (*names, *expands) if _is_strange(entry, name, base=base and text is not None)]:
        kind = "AttributeMetadata" if "AttributeType" in entry else "MetadataBase"
        raise bad_query(f"Could not find a property named '{min(strange)}' on type 'Microsoft.Dynamics.CRM.{kind}'.")
    picked = {name: value for name, value in entry.items() if name in names}
    return picked | {name: _inner(entry[name], expand) for name, expand in expands.items()}


def _is_strange(entry: Described, name: str, *, base: bool) -> bool:
    if base and name in (*_OF_TYPES, *_EXPANDED):
        return True
    # An attribute that was asked for by name may be asked for a member of another type: it is left out.
    return name not in entry and name not in (*_OF_TYPES, "@odata.type")


def _inner(value: object, expand: Expand) -> object:
    if not isinstance(value, dict) or expand.select is None:
        return value
    return {name: inner for name, inner in value.items() if name in {"MetadataId", *expand.select}}


def _context(call: Call, name: str) -> str:
    return f"{call.prefix}/$metadata#{name}"

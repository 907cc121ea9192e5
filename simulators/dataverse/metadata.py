"""EntityDefinitions: the metadata of the organization's tables."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

from simulators.dataverse.calls import Call, Reply, json_reply
from simulators.dataverse.errors import ServiceError, bad_query, unknown_segment
from simulators.dataverse.schema import Column, Schema, Table
from simulators.odata import DATAVERSE, And, Compare, Expression, In, Literal, Not, Or, Path, parse_filter, parse_select

_ENTITY = re.compile(r"^EntityDefinitions\((?:LogicalName='(\w+)'|([0-9a-fA-F-]{36}))\)$")
_ATTRIBUTE = re.compile(r"^Attributes\(LogicalName='(\w+)'\)$")
_PICKLIST = "Microsoft.Dynamics.CRM.PicklistAttributeMetadata"
_TYPES = {
    "text": "String",
    "memo": "Memo",
    "int": "Integer",
    "bigint": "BigInt",
    "bool": "Boolean",
    "choice": "Picklist",
    "money": "Money",
    "decimal": "Decimal",
    "guid": "Uniqueidentifier",
    "instant": "DateTime",
    "day": "DateTime",
}

type Described = dict[str, object]


@dataclass(frozen=True)
class Metadata:
    schema: Schema

    def reply(self, call: Call) -> Reply | None:
        """Answer a request below EntityDefinitions, or return None for another one. Raises ServiceError."""
        head, *rest = call.segments
        if head == "EntityDefinitions" and not rest:
            return _list(call, "EntityDefinitions", (self._entity(table) for table in self.schema.tables.values()))
        match = _ENTITY.match(head)
        if match is None:
            return None
        table = self._table(match[1] or match[2])
        if not rest:
            return json_reply(
                {"@odata.context": _context(call, "EntityDefinitions/$entity")} | _pick(call, self._entity(table))
            )
        return self._below(call, table, rest)

    def _below(self, call: Call, table: Table, rest: list[str]) -> Reply:
        columns = list(table.columns.values())
        match rest:
            case ["Attributes"]:
                return _list(call, "Attributes", (self._attribute(table, column) for column in columns))
            case ["Attributes", cast] if cast == _PICKLIST:
                chosen = (column for column in columns if column.type == "choice" and column.choice not in _STATES)
                return _list(call, _PICKLIST, (self._picklist(table, column) for column in chosen))
            case ["ManyToOneRelationships"]:
                return _list(call, "ManyToOneRelationships", _relationships(table))
            case [attribute, *_] if match := _ATTRIBUTE.match(attribute):
                if match[1] not in table.columns:
                    raise ServiceError(404, "0x80060888", f"Could not find attribute '{match[1]}'.")
                described = self._picklist(table, table.columns[match[1]])
                return json_reply({"@odata.context": _context(call, "Attributes/$entity")} | _pick(call, described))
        raise unknown_segment(rest[0])

    def _table(self, name: str) -> Table:
        for table in self.schema.tables.values():
            if name in {table.logical_name, _id(table.logical_name)}:
                return table
        raise ServiceError(404, "0x80060888", f"Could not find an entity with specified entity key: '{name}'.")

    def _entity(self, table: Table) -> Described:
        return {
            "MetadataId": _id(table.logical_name),
            "LogicalName": table.logical_name,
            "SchemaName": table.logical_name,
            "EntitySetName": table.set_name,
            "LogicalCollectionName": table.set_name,
            "PrimaryIdAttribute": table.key,
            "PrimaryNameAttribute": table.primary_name,
            "IsOptimisticConcurrencyEnabled": True,
            "ChangeTrackingEnabled": False,
            "IsCustomEntity": "_" in table.logical_name,
            "DisplayName": _label(table.logical_name),
        }

    def _attribute(self, table: Table, column: Column) -> Described:
        kind = "Lookup" if column.lookup else _TYPES[column.type]
        described: Described = {
            "@odata.type": f"#Microsoft.Dynamics.CRM.{kind}AttributeMetadata",
            "MetadataId": _id(f"{table.logical_name}.{column.name}"),
            "LogicalName": column.name,
            "SchemaName": column.lookup.navigation if column.lookup else column.name,
            "AttributeType": kind,
            "EntityLogicalName": table.logical_name,
            "IsPrimaryId": column.name == table.key,
            "IsPrimaryName": column.name == table.primary_name,
            "IsCustomAttribute": column.name in table.custom,
            "DisplayName": _label(column.label or column.name),
        }
        if column.length:
            described["MaxLength"] = column.length
        if column.type in {"money", "decimal"}:
            described["Precision"] = column.scale
        if column.type in {"instant", "day"}:
            described["DateTimeBehavior"] = {"Value": "UserLocal" if column.type == "instant" else "DateOnly"}
        return described

    def _picklist(self, table: Table, column: Column) -> Described:
        options = self.schema.choices.get(column.choice, {})
        return self._attribute(table, column) | {
            "OptionSet": {"Options": [{"Value": value, "Label": _label(label)} for value, label in options.items()]}
        }


_STATES = {"statecode", "statuscode", "invoicestate", "invoicestatus", "jobstate", "jobstatus"}


def _relationships(table: Table) -> Iterable[Described]:
    for lookup in table.navigations.values():
        yield {
            "SchemaName": f"{table.logical_name}_{lookup.column}",
            "ReferencingEntity": table.logical_name,
            "ReferencingAttribute": lookup.column,
            "ReferencedEntity": lookup.target,
            "ReferencedAttribute": f"{lookup.target}id",
            "ReferencingEntityNavigationPropertyName": lookup.navigation,
        }


def _list(call: Call, name: str, described: Iterable[Described]) -> Reply:
    text = call.options.get("$filter")
    matches = _matcher(parse_filter(text, DATAVERSE)) if text else lambda _: True
    found = [_pick(call, entry) for entry in described if matches(entry)]
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


def _pick(call: Call, entry: Described) -> Described:
    text = call.options.get("$select")
    if text is None:
        return entry
    # MaxLength and the like exist for some attribute types only: asking for one is no fault.
    names = {"MetadataId", "@odata.type", *parse_select(text)}
    expanded = {part.partition("(")[0].strip() for part in call.options.get("$expand", "").split(",")}
    return {name: value for name, value in entry.items() if name in names | expanded}


def _context(call: Call, name: str) -> str:
    return f"{call.prefix}/$metadata#{name}"


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name))


def _label(text: str) -> Described:
    label = {"Label": text, "LanguageCode": 1033}
    return {"LocalizedLabels": [label], "UserLocalizedLabel": label}

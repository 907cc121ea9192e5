"""How the metadata describe a column."""

import re
from uuid import NAMESPACE_OID, uuid5

from simulators.dataverse.schema import Column, Schema, Table

type Described = dict[str, object]

STATES = {"statecode", "invoicestate", "jobstate", "stepstate"}
STATUSES = {"statuscode", "invoicestatus", "jobstatus", "stepstatus"}
_TYPES = {
    "text": "String",
    "memo": "Memo",
    "int": "Integer",
    "bigint": "BigInt",
    "bool": "Boolean",
    "money": "Money",
    "decimal": "Decimal",
    "guid": "Uniqueidentifier",
    "instant": "DateTime",
    "day": "DateTime",
}
_OWN = ("createdon", "modifiedon", "versionnumber")
_LOCAL_CHOICES = {"paymentterms", "accessmode", "authtype", "contract", "stepmode", "stepstage", "imagetype"}
_WITH_TIME = re.compile(r"(datetime|edon)$")


def kind_of(table: Table, column: Column) -> str:
    """The AttributeType."""
    if column.lookup:
        return "Customer" if is_polymorphic(column) else "Lookup"
    if column.type == "choice":
        return "State" if column.choice in STATES else "Status" if column.choice in STATUSES else "Picklist"
    if column.name == table.key:
        return "Uniqueidentifier"
    return _TYPES[column.type]


def is_polymorphic(column: Column) -> bool:
    """Whether a lookup may lead to several tables, each with a navigation property of its own."""
    return bool(column.lookup) and column.lookup.navigation == f"{column.name}_{column.lookup.target}"  # type: ignore[union-attr]


def describe(schema: Schema, table: Table, column: Column) -> Described:
    """An attribute with the members of its own type. What must be expanded stands under its name."""
    kind = kind_of(table, column)
    writable = column.name != table.key and column.name not in _OWN
    described: Described = {
        "@odata.type": f"#Microsoft.Dynamics.CRM.{kind if kind != 'Customer' else 'Lookup'}AttributeMetadata",
        "MetadataId": metadata_id(f"{table.logical_name}.{column.name}"),
        "LogicalName": column.name,
        "SchemaName": column.lookup.navigation if column.lookup else column.name,
        "AttributeType": kind,
        "AttributeTypeName": {"Value": f"{kind}Type"},
        "AttributeOf": None,
        "EntityLogicalName": table.logical_name,
        "IsPrimaryId": column.name == table.key,
        "IsPrimaryName": column.name == table.primary_name,
        "IsCustomAttribute": column.name in table.custom,
        "IsValidForRead": True,
        "IsValidODataAttribute": True,
        "IsValidForCreate": writable,
        "IsValidForUpdate": writable,
        "RequiredLevel": {"Value": "None", "CanBeChanged": True},
        "DisplayName": label(column.label or column.name),
    }
    return described | _of_its_type(schema, column)


def virtual(table: Table, column: Column) -> Described:
    """The attribute with the text of a choice. It is listed like others, and is no property of the Web API."""
    name = f"{column.name}name"
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.AttributeMetadata",
        "MetadataId": metadata_id(f"{table.logical_name}.{name}"),
        "LogicalName": name,
        "SchemaName": name,
        "AttributeType": "Virtual",
        "AttributeTypeName": {"Value": "VirtualType"},
        "AttributeOf": column.name,
        "EntityLogicalName": table.logical_name,
        "IsPrimaryId": False,
        "IsPrimaryName": False,
        "IsCustomAttribute": column.name in table.custom,
        "IsValidForRead": True,
        "IsValidODataAttribute": False,
        "IsValidForCreate": False,
        "IsValidForUpdate": False,
        "RequiredLevel": {"Value": "None", "CanBeChanged": True},
        "DisplayName": label(""),
    }


def _of_its_type(schema: Schema, column: Column) -> Described:
    if column.lookup:
        targets = [column.lookup.target, *(["contact"] if is_polymorphic(column) else [])]
        return {"Targets": targets}
    match column.type:
        case "text":
            own: Described = {"MaxLength": column.length}
        case "money" | "decimal":
            own = {"Precision": column.scale}
        case "instant" | "day":
            own = _date(column)
        case "bool":
            no, yes = (_option(value, schema.choices["boolean"][value]) for value in (0, 1))
            own = {"OptionSet": {**_set(column.name, is_global=False), "FalseOption": no, "TrueOption": yes}}
        case "choice":
            own = _options(schema, column)
        case _:
            own = {}
    return own


def _date(column: Column) -> Described:
    behavior = column.behavior or ("UserLocal" if column.type == "instant" else "DateOnly")
    shown = "DateAndTime" if _WITH_TIME.search(column.name) else "DateOnly"
    return {"Format": shown, "DateTimeBehavior": {"Value": behavior}}


def _options(schema: Schema, column: Column) -> Described:
    shared = column.choice not in _LOCAL_CHOICES | STATES | STATUSES
    found = [_option(value, text) for value, text in schema.choices.get(column.choice, {}).items()]
    described = {**_set(column.choice, is_global=shared), "Options": found}
    return {"OptionSet": described, "GlobalOptionSet": described if shared else None}


def _set(name: str, *, is_global: bool) -> Described:
    return {"MetadataId": metadata_id(f"choice.{name}"), "Name": name, "IsGlobal": is_global}


def _option(value: int, text: str) -> Described:
    return {"Value": value, "Label": label(text), "Color": None, "IsManaged": True}


def metadata_id(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name))


def label(text: str) -> Described:
    found = {"Label": text, "LanguageCode": 1033}
    return {"LocalizedLabels": [found], "UserLocalizedLabel": found}

"""RetrieveMetadataChanges: definitions by an EntityQueryExpression, with the members of each type in one answer."""

import json
from collections.abc import Callable
from typing import Any

from simulators.dataverse.attributes import Described, describe
from simulators.dataverse.errors import bad_query
from simulators.dataverse.metadata import Metadata
from simulators.dataverse.schema import Schema

STAMP = "1000000!01/01/2026 00:00:00"


def changes(schema: Schema, text: str) -> dict[str, object]:
    """The answer to a query. Conditions compare by Equals only. Raises ServiceError."""
    try:
        query = json.loads(text)
        tables, columns = _matcher(query.get("Criteria")), _matcher((query.get("AttributeQuery") or {}).get("Criteria"))
        wanted = {*query["Properties"]["PropertyNames"], "MetadataId"}
        names = (query.get("AttributeQuery") or {}).get("Properties", {}).get("PropertyNames", [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_query(f"The value of parameter 'Query' is not an EntityQueryExpression: {error}") from error
    found = []
    for table in schema.tables.values():
        entity = Metadata(schema).entity(table)
        if not tables(entity):
            continue
        picked = {name: value for name, value in entity.items() if name in wanted}
        if "Attributes" in wanted:
            described = (describe(schema, table, column) for column in table.columns.values())
            picked["Attributes"] = [_pick(each, names) for each in described if columns(each)]
        found.append(picked)
    return {"EntityMetadata": found, "ServerVersionStamp": STAMP, "DeletedMetadata": None}


def _pick(described: Described, names: list[str]) -> Described:
    # Asking for a member of another type is no fault here: that is what this function is for.
    return {name: value for name, value in described.items() if name in {"@odata.type", "MetadataId", *names}}


def _matcher(criteria: dict[str, Any] | None) -> Callable[[Described], bool]:
    conditions = (criteria or {}).get("Conditions", [])
    if any(each["ConditionOperator"] != "Equals" for each in conditions):
        raise bad_query("Conditions of metadata queries compare by Equals only.")
    return lambda described: all(described.get(each["PropertyName"]) == each["Value"]["Value"] for each in conditions)

"""The entity of each map in Finance: whether it is there and public, its label and key in Data Management, and its
columns.
"""

import re
from collections.abc import Awaitable, Callable, Sequence

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.visit import Visit
from shared.maps.table_map import TableMap
from shared.maps.transforms import Row
from shared.services.odata import quote_text

_COMPANY = "DATAAREAID"
_ENTITIES = "Data management > Data entities"
_REFRESH = "Data management > Framework parameters > Entity settings > Refresh entity list"

type LookAtMap = Callable[[Visit, str, TableMap], Awaitable[Finding]]


async def _each(visit: Visit, look: LookAtMap) -> list[Finding]:
    return [await look(visit, name, each) for name, each in visit.maps.items()]


async def look_at_entities(visit: Visit) -> Sequence[Finding]:
    """Finance has the entity of each map, in Data Management, and public where the map says so."""
    return await _each(visit, _entity)


async def _entity(visit: Visit, name: str, table_map: TableMap) -> Finding:
    target = table_map.target
    public = f", public as {target.set}" if target.set else ""
    expected = f"{target.aot} is enabled for Data Management{public}"
    options = {
        "$filter": f"Name eq {quote_text(target.aot)}",
        "$select": "Name,PublicCollectionName,DataServiceEnabled,DataManagementEnabled",
    }
    rows = await visit.finance.read("/metadata/DataEntities", options)
    if not rows:
        step = f"Correct target.aot of the map {name} (docs/maps.md), or compare the release of Finance"
        return Finding(Verdict.FAIL, f"Finance has no entity {target.aot}", expected, step, name)
    if not rows[0]["DataManagementEnabled"]:
        seen = f"{target.aot} is not enabled for Data Management, so no package can bring its rows"
        step = f"Name an entity in target of the map {name} that is enabled for Data Management"
        return Finding(Verdict.FAIL, seen, expected, step, name)
    return _publication(name, table_map, rows[0], expected)


def _publication(name: str, table_map: TableMap, row: Row, expected: str) -> Finding:
    target, found = table_map.target, row["PublicCollectionName"] if row["DataServiceEnabled"] else None
    if target.set and found != target.set:
        seen = f"{target.aot} is public as {found}" if found else f"{target.aot} is not public"
        step = f"Correct target.set of the map {name}: rows are compared through it (docs/maps.md)"
        return Finding(Verdict.FAIL, seen, expected, step, name)
    shown = f"public as {found}" if found else "not public, so its rows cannot be read back"
    return Finding(Verdict.OK, f"{target.aot} is enabled for Data Management, {shown}", expected, about=name)


async def look_at_labels(visit: Visit) -> Sequence[Finding]:
    """Data Management knows the entity of each map by the label that packages name, enabled, with the map's key."""
    if not await visit.finance.read("DataManagementEntities", {"$select": "EntityName", "$top": "1"}):
        seen = "Finance's list of entities is empty: it has never been refreshed"
        return [Finding(Verdict.FAIL, seen, "Finance's list of entities is filled", _REFRESH)]
    return await _each(visit, _label)


async def _label(visit: Visit, name: str, table_map: TableMap) -> Finding:
    target = table_map.target
    expected = f"{target.aot} has the label {target.entity}, is enabled, and has the map's integration key"
    options = {
        "$filter": f"TargetName eq {quote_text(target.aot)}",
        "$select": "EntityName,EntityKey,EntityIsEnabled",
    }
    rows = await visit.finance.read("DataManagementEntities", options)
    if not rows:
        return Finding(Verdict.FAIL, f"the list of entities has no {target.aot}", expected, _REFRESH, name)
    row = next((each for each in rows if _same(each["EntityName"], target.entity)), None)
    if row is None:
        label = str(rows[0]["EntityName"])
        step = f"Set target.entity of the map {name} to {label} (docs/maps.md)"
        return Finding(Verdict.FAIL, f"{target.aot} has the label {label}", expected, step, name)
    return _enabled(name, table_map, row, expected)


def _enabled(name: str, table_map: TableMap, row: Row, expected: str) -> Finding:
    if row["EntityIsEnabled"] != "Yes":
        step = f"{_ENTITIES} > {table_map.target.entity}: enable it"
        return Finding(Verdict.FAIL, f"{table_map.target.entity} is not enabled", expected, step, name)
    key = {*re.findall(r"\w+", str(row["EntityKey"]).upper())} - {_COMPANY}
    if key != set(table_map.integrationKey):
        seen = f"the key in Finance is {row['EntityKey']}, in the map {', '.join(table_map.integrationKey)}"
        step = f"{_ENTITIES} > {table_map.target.entity}: compare the key. Rows that are sent again are found by it"
        return Finding(Verdict.WARN, seen, expected, step, name)
    return Finding(Verdict.OK, f"label {row['EntityName']}, enabled, key {row['EntityKey']}", expected, about=name)


def _same(label: object, wanted: str) -> bool:
    return str(label).strip().lower() == wanted.strip().lower()


async def look_at_columns(visit: Visit) -> Sequence[Finding]:
    """The entity of each map has the map's columns. Finance describes the columns of public entities alone."""
    public = {name: each for name, each in visit.maps.items() if each.target.set}
    if not public:
        seen = "no map names a public entity, and Finance describes the columns of no other"
        step = "Look at the mapping of each entity in Data management > Data entities"
        return [Finding(Verdict.UNKNOWN, seen, "the columns of the maps in Finance", step)]
    return [await _columns(visit, name, each) for name, each in public.items()]


async def _columns(visit: Visit, name: str, table_map: TableMap) -> Finding:
    target = table_map.target
    expected = (
        f"{target.set} has the {len(table_map.columns)} columns of the map; Finance describes public entities alone"
    )
    options = {"$filter": f"EntitySetName eq {quote_text(str(target.set))}", "$select": "Name,EntitySetName,Properties"}
    rows = await visit.finance.read("/metadata/PublicEntities", options)
    if not rows:
        step = f"Correct target.set of the map {name} (docs/maps.md)"
        return Finding(Verdict.FAIL, f"Finance has no public entity with the set {target.set}", expected, step, name)
    properties = {str(each["Name"]).upper(): each for each in rows[0]["Properties"]}
    wanted = (*table_map.columns, *table_map.incoming, *([target.key.upper()] if target.key else []))
    if missing := sorted({column for column in wanted if column not in properties}):
        step = f"Correct these columns in the map {name} (docs/maps.md), or compare the release of Finance"
        return Finding(Verdict.FAIL, f"{target.set} has no {', '.join(missing)}", expected, step, name)
    return _required(name, table_map, properties, expected)


def _required(name: str, table_map: TableMap, properties: dict[str, Row], expected: str) -> Finding:
    required = {column for column, each in properties.items() if each.get("IsMandatory")} - {_COMPANY}
    if left_out := sorted(required - set(table_map.columns)):
        seen = f"{table_map.target.set} requires {', '.join(left_out)}, which the map does not send"
        step = f"Send them with the map {name} (docs/maps.md), unless Finance fills them itself"
        return Finding(Verdict.WARN, seen, expected, step, name)
    return Finding(Verdict.OK, f"all {len(table_map.columns)} columns are there", expected, about=name)


CHECKS = (
    Check("finance-entities", "Entities in Finance", "finance", look_at_entities),
    Check("finance-labels", "Labels and keys in Data Management", "finance", look_at_labels),
    Check("finance-columns", "Columns in Finance", "finance", look_at_columns),
)

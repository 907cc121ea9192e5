"""The privileges of the app's user: their names, their depth, and what is refused without them."""

from collections.abc import Iterator, Mapping
from uuid import NAMESPACE_OID, uuid5

from simulators.dataverse.calls import Call
from simulators.dataverse.errors import not_permitted
from simulators.dataverse.fetchxml import linked_tables
from simulators.dataverse.organization import user_id
from simulators.dataverse.schema import Schema, Table
from simulators.dataverse.sqlread import joined_tables
from simulators.dataverse.switches import Switches, listed, pairs
from simulators.dataverse.webhooks.registration import TABLES
from simulators.odata import Expand, ODataError, parse_expand

VERBS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share")
GLOBAL = "Global"
BYPASS = "prvBypassCustomBusinessLogic"
_BYPASSING = "mscrm.bypassbusinesslogicexecution"
_OWNED_ONLY = ("Assign", "Share")
# Who may not see definitions lacks prvReadEntity; functions about a user need to read users.
_VERBS = {"GET": "Read", "HEAD": "Read", "DELETE": "Delete"}
_OF_FUNCTIONS = {
    "EntityDefinitions": "prvReadEntity",
    "Attributes": "prvReadAttribute",
    "ManyToOneRelationships": "prvReadRelationship",
    "RetrieveVersion": "prvReadOrganization",
    "RetrieveCurrentOrganization": "prvReadOrganization",
}


def names_of(table: Table) -> dict[str, str]:
    """The privileges of a table, by their type. Old tables share those of another one."""
    verbs = VERBS if table.is_owned else tuple(verb for verb in VERBS if verb not in _OWNED_ONLY)
    return {verb: f"prv{verb}{table.privilege}" for verb in verbs}


def privilege_id(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name))


def held(schema: Schema, switches: Switches) -> dict[str, str]:
    """The privileges of the app's user with their depth: all, but for what the switches take away."""
    depths = pairs(switches.privilegeDepths)
    missing = {*listed(switches.missingPrivileges), *_forbidden(schema, switches), *_of_administrators(schema)}
    names = [*(name for table in schema.tables.values() for name in names_of(table).values()), BYPASS]
    return {name: depths.get(name, GLOBAL) for name in names if name not in missing}


def _of_administrators(schema: Schema) -> Iterator[str]:
    """Who registers webhooks is an administrator, which the app's user is not."""
    for table in TABLES:
        yield from (name for verb, name in names_of(schema.tables[table]).items() if verb != "Read")


def _forbidden(schema: Schema, switches: Switches) -> Iterator[str]:
    for name in listed(switches.forbidTables):
        if table := schema.sets.get(name):
            yield from names_of(table).values()
    for name in listed(switches.forbidWritesOf):
        if table := schema.sets.get(name):
            yield from (privilege for verb, privilege in names_of(table).items() if verb != "Read")


def unseen(schema: Schema, switches: Switches) -> frozenset[str]:
    """The tables of which the user sees no row: its privilege to read ends at rows of its own, and it owns none."""
    shallow = {name for name, depth in pairs(switches.privilegeDepths).items() if depth != GLOBAL}
    return frozenset(name for name, table in schema.tables.items() if names_of(table)["Read"] in shallow)


def permit(schema: Schema, switches: Switches, call: Call) -> None:
    """Refuse what the user has no privilege for. Raises ServiceError."""
    forbidden = listed(switches.forbidTables)
    for segment in call.path.strip("/").split("/"):
        name = segment.partition("(")[0].removeprefix("Microsoft.Dynamics.CRM.")
        if name in forbidden and name not in schema.sets:
            raise not_permitted(_OF_FUNCTIONS.get(name, "prvReadUser"), name, user_id(call.user))
    verb = _VERBS.get(call.method, "Write")
    missing = {*listed(switches.missingPrivileges), *_forbidden(schema, switches)}
    for table, needed in _needed(schema, call, verb):
        if (name := names_of(table)[needed]) in missing:
            raise not_permitted(name, table.logical_name, user_id(call.user))
    if _BYPASSING in call.headers and BYPASS in missing:
        raise not_permitted(BYPASS, "none", user_id(call.user))


def _needed(schema: Schema, call: Call, verb: str) -> Iterator[tuple[Table, str]]:
    table = schema.sets.get(call.path.partition("(")[0].partition("/")[0])
    if table is None:
        return
    yield table, verb
    beside = [*joined_tables(call.options.get("sql", "")), *linked_tables(call.options.get("fetchXml", ""))]
    for name in beside:
        if joined := schema.tables.get(name):
            yield joined, "Read"
    try:
        expands = parse_expand(call.options["$expand"]) if "$expand" in call.options else ()
    except ODataError:
        return
    yield from ((reached, "Read") for reached in _reached(schema, table, expands))


def _reached(schema: Schema, table: Table, expands: tuple[Expand, ...]) -> Iterator[Table]:
    for expand in expands:
        if lookup := table.navigations.get(expand.navigation):
            target = schema.tables[lookup.target]
            yield target
            yield from _reached(schema, target, expand.expand)


def as_role_privileges(found: Mapping[str, str], business_unit: str) -> list[dict[str, object]]:
    """Privileges as the functions about them return them."""
    return [
        {
            "Depth": depth,
            "PrivilegeId": privilege_id(name),
            "BusinessUnitId": business_unit,
            "PrivilegeName": name,
            "RecordFilterId": "00000000-0000-0000-0000-000000000000",
            "RecordFilterUniqueName": "",
        }
        for name, depth in found.items()
    ]

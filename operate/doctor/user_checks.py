"""The organization, and the app's user in it: its row, its time zone, its privileges."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.definitions import Gap, Reached, Table, reach, table_of
from operate.doctor.visit import Visit
from shared.configuration.time_zones import zone_name
from shared.maps.transforms import Row
from shared.project_operations.codes import DETAILS

_DEFAULT = "Microsoft.Dynamics.CRM.EndpointAccessType'Default'"
_ORGANIZATION = f"RetrieveCurrentOrganization(AccessType={_DEFAULT})"
_USER = "fullname,applicationid,azureactivedirectoryobjectid,isdisabled,accessmode,_businessunitid_value"
_BY_NAMES = "Microsoft.Dynamics.CRM.RetrieveUserSetOfPrivilegesByNames(PrivilegeNames=@names)"
_BY_NAME = "Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeName(PrivilegeName='{}')"
_GLOBAL, _HELD = "Global", ("RolePrivileges",)
_BYPASS = "prvBypassCustomBusinessLogic"
"""What Dataverse asks of a caller that sends MSCRM.BypassBusinessLogicExecution, as the write-back does."""
_USERS_PAGE = "Power Platform admin center > the environment > Settings > Users + permissions > Application users"

_MODES: dict[object, str] = {
    0: "Read-Write",
    1: "Administrative",
    2: "Read",
    3: "Support User",
    4: "Non-interactive",
    5: "Delegated Admin",
}
_WORKING_MODES = (0, 4)
"""systemuser.accessmode. Application users are non-interactive; read-write is a person's, and works as well."""

WINDOWS: dict[str, str] = json.loads(Path(__file__).with_name("windows_zones.json").read_text(encoding="utf-8"))
"""Windows' names of time zones and a place in each, as Unicode's CLDR has them: windowsZones, territory 001 (Unicode
License v3, https://www.unicode.org/license.txt)."""


async def look_at_organization(visit: Visit) -> Finding:
    """The environment is in operation, in a version with the Web API 9.2."""
    detail = (await visit.dataverse.one(_ORGANIZATION, needs=("Detail",)))["Detail"] or {}
    version, state = str(detail.get("OrganizationVersion", "")), str(detail.get("State", ""))
    seen = f"{detail.get('UniqueName', 'the organization')} has version {version} and is {state.lower() or 'unknown'}"
    expected = "an enabled organization of version 9.2 or later"
    if state and state != "Enabled":
        step = "Enable the environment in the Power Platform admin center, and end its administration mode"
        return Finding(Verdict.FAIL, seen, expected, step)
    if numbers(version)[:2] < (9, 2):
        return Finding(Verdict.WARN, seen, expected, "Update the environment in the Power Platform admin center")
    return Finding(Verdict.OK, seen, expected)


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers, because 1.0.9 is older than 1.0.10."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


async def look_at_user(visit: Visit) -> Finding:
    """The app's user is enabled, may work with rows, and belongs to the app's registration."""
    row = await visit.dataverse.one(f"systemusers({await visit.user_id()})", {"$select": _USER})
    client = visit.settings.client_id
    expected = f"an enabled application user of the client id {client}" if client else "an enabled application user"
    application, mode = str(row.get("applicationid") or ""), row.get("accessmode", "")
    seen = f"{row.get('fullname')}, client id {application or 'none'}, {_MODES.get(mode, f'access mode {mode}')}"
    problem = _problem_of_user(row, application, str(client or ""))
    if problem is None:
        return Finding(Verdict.OK, seen, expected)
    return Finding(Verdict.FAIL, f"{seen}: {problem[0]}", expected, problem[1])


def _problem_of_user(row: Row, application: str, client: str) -> tuple[str, str] | None:
    if row.get("isdisabled"):
        return "it is disabled", f"Activate it: {_USERS_PAGE}"
    if row.get("accessmode") not in _WORKING_MODES:
        return "users of this access mode cannot read or write all rows", f"Make a new application user: {_USERS_PAGE}"
    if not application:
        return "it is no application user", f"Make the app an application user: {_USERS_PAGE}"
    if client and application.lower() != client.lower():
        return "it is the user of another application", "Correct SIGN_IN_CLIENT_ID, or make its own application user"
    return None


async def look_at_time_zone(visit: Visit) -> Finding:
    """The user's time zone has the offsets of the setting, through a whole year. Names say little: many zones of
    Windows are one of IANA, and the other way round."""
    windows, home = await _windows_zone(visit), visit.settings.zone.home
    expected = f"the offsets of DATAVERSE_TIME_ZONE, which is {home.key}"
    name = _iana(windows)
    if name is None:
        step = "Compare it with DATAVERSE_TIME_ZONE yourself: the app does not know this name of a time zone"
        return Finding(Verdict.UNKNOWN, f"the app's user has {windows}", expected, step)
    seen = f"the app's user has {windows}, which is {name}"
    different = _first_difference(home, ZoneInfo(name), visit.now())
    if different is None:
        return Finding(Verdict.OK, seen, expected)
    seen = f"{seen}: from {different:%Y-%m-%d} on it differs from {home.key}, and dates may be a day off"
    return Finding(Verdict.FAIL, seen, expected, f"azd env set DATAVERSE_TIME_ZONE {name} && azd provision")


async def _windows_zone(visit: Visit) -> str:
    """Windows' name of the user's time zone."""
    settings = f"usersettingscollection({await visit.user_id()})"
    code = (await visit.dataverse.one(settings, {"$select": "timezonecode"}))["timezonecode"]
    options = {"$select": "standardname", "$filter": f"timezonecode eq {code}"}
    rows = await visit.dataverse.read("timezonedefinitions", options)
    return str(rows[0]["standardname"]) if rows else f"time zone {code}"


def _iana(windows: str) -> str | None:
    try:
        return zone_name(WINDOWS[windows])
    except (KeyError, ValueError):
        return None


def _first_difference(one: ZoneInfo, other: ZoneInfo, now: datetime) -> datetime | None:
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = (start + timedelta(hours=number) for number in range(366 * 24))
    return next((each for each in hours if _offset(each, one) != _offset(each, other)), None)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


@dataclass(frozen=True)
class Need:
    """A privilege that the app's user needs, and what for."""

    name: str
    about: str
    table: str = ""


async def look_at_privileges(visit: Visit) -> list[Finding]:
    """The user may read all rows of every table that a map touches, and write those that are written back. With less
    depth than Global, Dataverse leaves rows out of lists and says nothing."""
    reached = [await reach(visit, table_map) for table_map in visit.maps.values()]
    needs = [*_of_tables(reached), *await _of_the_rules(visit), *await _of_the_write_back(visit)]
    held = await _held(visit, [need.name for need in needs])
    found = [finding for need in needs if (finding := _judge(need, held.get(need.name, set())))]
    seen = f"{len({need.name for need in needs})} privileges, all with depth Global"
    return found or [Finding(Verdict.OK, seen, "each of them with depth Global")]


def _of_tables(reached: Iterable[Reached]) -> list[Need]:
    tables = {table.name: table for each in reached for table in each.tables.values()}
    return [need for table in tables.values() for need in _need(table, "Read")]


def _need(table: Table, verb: str) -> list[Need]:
    """The privilege for a table. One without privileges of its own is open to all users."""
    name = table.privileges.get(verb)
    return [Need(name, f"{table.name}, {verb.lower()}", table.name)] if name else []


async def _of_the_rules(visit: Visit) -> list[Need]:
    """What the rules of the job read beside the maps."""
    try:
        return _need(await table_of(visit, entity_set=DETAILS), "Read")
    except Gap:
        return []


async def _of_the_write_back(visit: Visit) -> list[Need]:
    backs = {each.writeBack.table for each in visit.maps.values() if each.writeBack and each.written_back}
    found = [Need(_BYPASS, "write-back, without business logic")] if backs else []
    for name in sorted(backs):
        try:
            found += _need(await table_of(visit, name=name), "Write")
        except Gap:
            continue  # the check of the columns says so
    return found


async def _held(visit: Visit, names: Sequence[str]) -> dict[str, set[str]]:
    """The depths of each privilege that the user has. Those that seem too small are asked for one by one: that function
    is documented to count the roles of teams."""
    user = f"systemusers({await visit.user_id()})"
    options = {"@names": json.dumps(sorted(set(names)), separators=(",", ":"))}
    held = _depths((await visit.dataverse.one(f"{user}/{_BY_NAMES}", options, needs=_HELD))["RolePrivileges"])
    for name in sorted(set(names)):
        if _GLOBAL not in held.get(name, set()):
            row = await visit.dataverse.one(f"{user}/{_BY_NAME.format(name)}", needs=_HELD)
            held.setdefault(name, set()).update(_depths(row["RolePrivileges"]).get(name, set()))
    return held


def _depths(privileges: Iterable[Mapping[str, object]]) -> dict[str, set[str]]:
    """The depths of each privilege; several roles may give several."""
    found: dict[str, set[str]] = {}
    for each in privileges:
        found.setdefault(str(each["PrivilegeName"]), set()).add(str(each["Depth"]))
    return found


def _judge(need: Need, depths: Collection[str]) -> Finding | None:
    if _GLOBAL in depths:
        return None
    expected = f"{need.name} with depth Global (Organization)"
    step = f"Give a security role of the app's user {need.name} at the level Organization"
    if not depths:
        return Finding(Verdict.FAIL, f"the app's user has no {need.name}", expected, step, need.about)
    seen = f"{need.name} has depth {', '.join(sorted(depths))} only"
    hidden = f": rows of {need.table} that belong to others are never seen" if need.table else ""
    return Finding(Verdict.FAIL, seen + hidden, expected, step, need.about)


CHECKS = (
    Check("dataverse-organization", "The Dataverse environment", "dataverse", look_at_organization),
    Check("dataverse-user", "The app's user in Dataverse", "dataverse", look_at_user),
    Check("user-time-zone", "Time zone of the app's user", "dataverse", look_at_time_zone),
    Check("dataverse-privileges", "Privileges of the app's user", "dataverse", look_at_privileges),
)

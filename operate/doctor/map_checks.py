"""The maps themselves: whether dual-write also carries their rows, and which files the app works with."""

from collections.abc import Iterator

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.live_maps import Running, is_installed, running
from operate.doctor.visit import Visit
from shared.maps.table_map import TableMap
from shared.storage.maps_in_use import SetAside

_STOP = (
    "Stop the map {} in Finance (Data management, Dual-write), before an invoice is confirmed (docs/go-live.md, step 6)"
)
_PROJECTS = "DualWriteProjectConfigurations"


async def look_at_running_maps(visit: Visit) -> list[Finding]:
    """No map of dual-write carries the rows that this app carries. Dataverse knows the maps that run with it as
    source."""
    if not await is_installed(visit.dataverse):
        return [Finding(Verdict.OK, "no dual-write in this Dataverse", "no map of dual-write runs for these rows")]
    found, unread = await running(visit.dataverse)
    return [_running(name, table_map, found, unread) for name, table_map in visit.maps.items()]


def _running(name: str, table_map: TableMap, found: list[Running], unread: int) -> Finding:
    expected = f"no map of dual-write carries {table_map.source.set}"
    live = next((each for each in found if each.is_of(table_map)), None)
    if live:
        seen = (
            f"dual-write runs version {live.version} of {live.entity} and sends the same rows: Finance gets them twice"
        )
        return Finding(Verdict.FAIL, seen, expected, _STOP.format(live.entity), name)
    if unread:
        rows = "1 row" if unread == 1 else f"{unread} rows"
        seen = f"none seen, but {rows} of dual-write's runtime could not be read: it may be the one of this map"
        step = f"Look whether {table_map.target.entity} runs in Finance (Data management, Dual-write)"
        return Finding(Verdict.UNKNOWN, seen, expected, step, name)
    # The rows are lost when the database is restored, so this proves nothing.
    return Finding(Verdict.OK, f"no map of {table_map.source.set} is seen running", expected, "", name)


async def look_at_projects(visit: Visit) -> list[Finding]:
    """Finance's own list of dual-write's projects says the same. It also holds connection strings, which are not
    read."""
    select = "ProjectName,Status,AsyncMode,InternalEntityName,ExternalEntityName"
    rows = await visit.finance.read(_PROJECTS, {"$select": select})
    if not rows:
        expected = "no project of dual-write is enabled for these rows"
        return [Finding(Verdict.OK, "no dual-write: Finance has no projects of it", expected)]
    return [_project(name, table_map, rows) for name, table_map in visit.maps.items()]


def _project(name: str, table_map: TableMap, rows: list[dict[str, object]]) -> Finding:
    expected = f"the project of {table_map.source.set} is Disabled"
    statuses = [str(row.get("Status")) for row in rows if _is_of(row, table_map)]
    if "Enabled" in statuses:
        seen = "Finance says that dual-write's project for these rows is Enabled"
        return Finding(Verdict.FAIL, seen, expected, _STOP.format(table_map.target.entity), name)
    if "Queueing" in statuses:
        seen = "dual-write's project for these rows is paused: it queues them, and sends them when it is resumed"
        return Finding(Verdict.WARN, seen, expected, _STOP.format(table_map.target.entity), name)
    if strange := sorted({status for status in statuses if status != "Disabled"}):
        step = f"Look at the map {table_map.target.entity} in Finance (Data management, Dual-write)"
        return Finding(Verdict.UNKNOWN, f"the app does not know the status {strange[0]}", expected, step, name)
    return Finding(
        Verdict.OK, "the project is Disabled" if statuses else "no project for these rows", expected, "", name
    )


def _is_of(row: dict[str, object], table_map: TableMap) -> bool:
    """Whether a project pairs Dataverse's set with Finance's entity. Which of the two names is Finance's is not taken
    for granted."""
    names = {str(row.get(name) or "").lower() for name in ("InternalEntityName", "ExternalEntityName")}
    return (
        table_map.source.set.lower() in names
        or {table_map.target.entity.lower(), table_map.target.aot.lower()} & names != set()
    )


async def look_at_files(visit: Visit) -> list[Finding]:
    """The maps in use are those that are active, and the shipped maps have not changed since they were stored."""
    return [await _file(visit, name) for name in visit.maps]


async def _file(visit: Visit, name: str) -> Finding:
    in_use = visit.ports.in_use
    expected = "the active map is in use, and stored beside the map that this version is shipped with"
    aside = next((each for each in in_use.set_aside if each.stage == name), None)
    if aside:
        return Finding(Verdict.WARN, " ".join(_unusable(visit, aside)), expected, _mend(name, aside), name)
    used = in_use.chosen.get(name)
    if used is None:
        return Finding(Verdict.OK, f"the shipped map, version {visit.maps[name].version}", expected, "", name)
    told = f"version {used.version} ({used.digest[:12]}), active since {used.at:%Y-%m-%d %H:%M} UTC by {used.by}"
    shipped = visit.ports.map_choice.shipped[name]
    base = await visit.ports.map_choice.files.base_of(name, used.digest)
    if base not in ("", shipped.file_digest):
        seen = f"{told}; the shipped map has changed since it was stored (now version {shipped.version})"
        return Finding(Verdict.WARN, seen, expected, f"See what has changed: relay maps diff {name}", name)
    return Finding(Verdict.OK, told, expected, "", name)


def _unusable(visit: Visit, aside: SetAside) -> Iterator[str]:
    used = visit.ports.in_use.chosen.get(aside.stage)
    instead = f"version {used.version} ({used.digest[:12]})" if used else "the shipped map"
    why = "has a form that this version of the app does not know" if aside.newer else "cannot be used"
    yield f"version {aside.activation.version} ({aside.activation.digest[:12]}) is active and {why}:"
    yield f"{' '.join(aside.reason.split()).rstrip('.')}; {instead} is used instead"


def _mend(name: str, aside: SetAside) -> str:
    if aside.newer:
        return "Deploy the version of the app that stored it, or activate a map that this version knows"
    return f"Correct the map, then: relay maps push {name} FILE, and activate it"


CHECKS = (
    Check("live-maps", "Maps of dual-write that run", "maps", look_at_running_maps),
    Check("live-map-projects", "Projects of dual-write in Finance", "maps", look_at_projects),
    Check("map-files", "Table maps in use", "maps", look_at_files),
)

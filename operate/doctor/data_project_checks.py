"""The data projects of the maps' lanes in Finance, and imports in them that do not end."""

from collections.abc import Sequence
from datetime import timedelta

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.visit import Visit
from shared.ledger.shipments import Shipment
from shared.maps.transforms import Row
from shared.services.odata import quote_text

_RUNNING = {"Executing", "Waiting", "Cancelling", "Hold"}
_PROJECTS = "Data management > Import projects"


def _projects_of(visit: Visit, name: str) -> str:
    """The beginning of the names of a map's data projects."""
    return f"{visit.settings.finance_project}-{name}-"


async def look_at_projects(visit: Visit) -> Sequence[Finding]:
    """No data project of a map is one for export, or holds another entity than the map's."""
    return [await _project(visit, name) for name in visit.maps]


async def _project(visit: Visit, name: str) -> Finding:
    begin, label = _projects_of(visit, name), visit.maps[name].target.entity
    expected = f"data projects {begin}* import {label} and nothing else"
    projects = await _read(visit, "DataManagementDefinitionGroups", "Name", begin, "Name,OperationType")
    entities = await _read(
        visit, "DataManagementDefinitionGroupDetails", "DefinitionGroupId", begin, "DefinitionGroupId,EntityName"
    )
    if exports := sorted(str(row["Name"]) for row in projects if row["OperationType"] == "Export"):
        step = f"Data management > Export projects: delete {', '.join(exports)}, or change FINANCE_DATA_PROJECT"
        return Finding(Verdict.FAIL, f"for export: {', '.join(exports)}", expected, step, name)
    if foreign := sorted(_foreign(entities, label)):
        seen = f"{'; '.join(foreign)}. The next import replaces what is in these projects"
        step = f"{_PROJECTS}: move the other entity to a project of its own, or change FINANCE_DATA_PROJECT"
        return Finding(Verdict.WARN, seen, expected, step, name)
    names = ", ".join(sorted(str(row["Name"]) for row in projects))
    return Finding(Verdict.OK, names or "none yet: the first import makes them", expected, about=name)


def _foreign(entities: Sequence[Row], label: str) -> set[str]:
    return {
        f"{row['DefinitionGroupId']} holds {row['EntityName']}"
        for row in entities
        if str(row["EntityName"]).lower() != label.lower()
    }


async def _read(visit: Visit, entity_set: str, column: str, begin: str, select: str) -> list[Row]:
    # Finance has no startswith: a star in `eq` stands for any text.
    options = {"$filter": f"{column} eq {quote_text(begin + '*')}", "$select": select}
    return await visit.finance.read(entity_set, options)


async def look_at_imports(visit: Visit) -> Sequence[Finding]:
    """No import in the data projects runs for longer than usual, or is not the app's own."""
    return [await _imports(visit, name) for name in visit.maps]


async def _imports(visit: Visit, name: str) -> Finding:
    begin = _projects_of(visit, name)
    expected = f"imports in {begin}* are the app's own, and end"
    before = await _shipments(visit, name)
    columns = "JobId,DefinitionGroupId,StagingStatus,TargetStatus"
    jobs = await _read(visit, "DataManagementExecutionJobDetails", "DefinitionGroupId", begin, columns)
    # An import may begin or end while Finance is asked, so both readings of the dock count.
    own = before | await _shipments(visit, name)
    running = [job for job in jobs if _RUNNING & {job["StagingStatus"], job["TargetStatus"]}]
    foreign = {str(job["JobId"]): job["DefinitionGroupId"] for job in running if str(job["JobId"]).lower() not in own}
    slow = timedelta(seconds=visit.settings.slow_import)
    late = [each for each in own.values() if each.holds_up(visit.now(), slow)]
    if foreign:
        job, project = next(iter(foreign.items()))
        seen = f"{project} is busy with the import {job}, which the app does not wait for"
        step = f"Data management > Job history > {job}: see who started it, and end it if it hangs"
        return Finding(Verdict.WARN, seen, expected, step, name)
    return _late(name, late, expected) if late else Finding(Verdict.OK, _counted(len(running)), expected, about=name)


async def _shipments(visit: Visit, name: str) -> dict[str, Shipment]:
    """The imports that the app waits for, by execution id in small letters."""
    view = await visit.ports.dock.view(name)
    return {each.execution_id.lower(): each for each in view.shipments.values()}


def _late(name: str, late: Sequence[Shipment], expected: str) -> Finding:
    first = min(late, key=lambda each: each.execution_id)
    seen = f"{len(late)} of the app's imports {'takes' if len(late) == 1 else 'take'} longer than usual"
    step = f"relay finance-page {first.execution_id}, and end the import in Finance if it hangs"
    return Finding(Verdict.WARN, seen, expected, step, name)


def _counted(running: int) -> str:
    return f"{running or 'no'} {'import is' if running == 1 else 'imports are'} under way"


CHECKS = (
    Check("data-projects", "Data projects in Finance", "finance", look_at_projects),
    Check("finance-imports", "Imports that do not end", "finance", look_at_imports),
)

"""Project Operations and dual-write in Dataverse: parameters, solutions, and actuals without an import id."""

from collections.abc import Iterator
from dataclasses import dataclass

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.onlooker import UnknownColumn
from operate.doctor.user_checks import numbers
from operate.doctor.visit import Visit
from shared.clock import stamp
from shared.maps.table_map import TableMap
from shared.maps.transforms import Row, Uuid5
from shared.services.odata import all_of

_SHOWN = "@OData.Community.Display.V1.FormattedValue"
_PAGE = "Project Operations > Settings > Parameters > the row > {}"


@dataclass(frozen=True)
class Parameter:
    """A choice of the Project Operations parameters. An empty one means real-time."""

    column: str
    title: str
    good: tuple[str, ...]
    slow: tuple[str, ...] = ("real-time update",)


# The labels are those that a public migration tool expects; their integers are not published.
PARAMETERS = (
    Parameter("msdyn_projecttasktimetracking", "Project task time tracking", ("delayed update", "on-demand update")),
    Parameter(
        "msdyn_projectactualstracking",
        "Project actual values tracking",
        ("on-demand update",),
        ("real-time update", "delayed update"),
    ),
)


async def look_at_parameters(visit: Visit) -> list[Finding]:
    """Project Operations does not roll up every actual of a large confirmation at once."""
    return [await _parameter(visit, parameter) for parameter in PARAMETERS]


async def _parameter(visit: Visit, parameter: Parameter) -> Finding:
    expected = " or ".join(label.capitalize() for label in parameter.good)
    step = f"Set it to {parameter.good[-1].capitalize()}: {_PAGE.format(parameter.title)}"
    options = {"$select": parameter.column, "$top": "2"}
    try:
        rows = await visit.dataverse.read("msdyn_projectparameters", options, formatted=True)
    except UnknownColumn as error:
        seen = f"{error}: an older Project Operations has no such parameter that can be read"
        look = f"Look yourself: {_PAGE.format(parameter.title)}"
        return Finding(Verdict.UNKNOWN, seen, expected, look, parameter.title)
    if not rows:
        seen = "Project Operations has no row of parameters: it was never set up"
        make = "Open Project Operations > Settings > Parameters and make the row, then set up its integration"
        return Finding(Verdict.FAIL, seen, expected, make, parameter.title)
    label = _label(rows[0], parameter.column)
    seen = label or "empty, which means real-time"
    known = _plain(label or "real-time update")
    if known in map(_plain, parameter.good):
        return Finding(Verdict.OK, seen, expected, "", parameter.title)
    if known in map(_plain, parameter.slow):
        return Finding(Verdict.WARN, f"{seen}: a large confirmation may time out", expected, step, parameter.title)
    # The label is in the language of the app's user, and a new release may have a new one.
    return Finding(Verdict.UNKNOWN, f"{seen}, which the app cannot judge", expected, step, parameter.title)


def _label(row: Row, column: str) -> str:
    value = row.get(column)
    return str(row.get(f"{column}{_SHOWN}") or ("" if value is None else value))


def _plain(label: str) -> str:
    return "".join(letter for letter in label.casefold() if letter.isalnum())


DUAL_WRITE = ("DualWriteCore", "DualWriteCoreAnchor")
PROJECT_OPERATIONS = ("ProjectServiceCore", "ProjectService", "ProjectOperations_Anchor")
_NEEDED = "1.0.24093.1"
"""Microsoft's requirement for the asynchronous mode of dual-write."""
_FIRST_OF_THIS_NUMBERING = 20_000
"""The third part holds year and day: 24093. Versions of 2022, such as 1.1.33, sort higher and are older."""

_SOLUTIONS = (
    "contains(uniquename,'DualWrite') or contains(uniquename,'ProjectOperations')"
    " or contains(uniquename,'ProjectService') or contains(uniquename,'FinanceAndOperations')"
)


async def look_at_solutions(visit: Visit) -> list[Finding]:
    """Dual-write's core and Project Operations are installed, and not too old."""
    options = {"$select": "uniquename,friendlyname,version,ismanaged", "$filter": _SOLUTIONS}
    rows = await visit.dataverse.read("solutions", options)
    versions = {str(row["uniquename"]): str(row["version"]) for row in rows}
    return [_dual_write(versions), _project_operations(versions)]


def _dual_write(versions: dict[str, str]) -> Finding:
    about, expected = "Dual-write core", f"{DUAL_WRITE[0]} {_NEEDED} or later"
    found = {name: versions[name] for name in DUAL_WRITE if name in versions}
    if not found:
        seen = "dual-write is not installed in this environment"
        step = "If other tables go to Finance, install dual-write core: Power Platform admin center > Dynamics 365 apps"
        return Finding(Verdict.WARN, seen, expected, step, about)
    seen = _listed(found)
    if any(map(_is_old, found.values())):
        step = "Update Dual-write core solution: Power Platform admin center > the environment > Dynamics 365 apps"
        return Finding(Verdict.WARN, f"{seen} is too old", expected, step, about)
    return Finding(Verdict.OK, seen, expected, "", about)


def _is_old(version: str) -> bool:
    parts = numbers(version)
    return len(parts) < 3 or parts[2] < _FIRST_OF_THIS_NUMBERING or parts < numbers(_NEEDED)


def _project_operations(versions: dict[str, str]) -> Finding:
    about, expected = "Project Operations", "Project Operations is installed"
    found = {name: versions[name] for name in PROJECT_OPERATIONS if name in versions}
    if found:
        return Finding(Verdict.OK, _listed(found), expected, "", about)
    seen = "no solution of Project Operations is installed in this environment"
    step = "Compare DATAVERSE_URL: invoices are confirmed in an environment with Project Operations"
    return Finding(Verdict.FAIL, seen, expected, step, about)


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


_MOST_COUNTED = 5000
"""Dataverse counts no further."""


async def look_at_import_ids(visit: Visit) -> list[Finding]:
    """How many rows from before the cut-over have no import id. The app makes one from the id of the row. If live
    dual-write has sent such a row under an id of its own, Finance would have it twice."""
    found = [await _count(visit, name, table_map, pair) for name, table_map, pair in _made_up(visit)]
    return found or [Finding(Verdict.OK, "no map makes an import id", "every row from before the cut-over has its own")]


def _made_up(visit: Visit) -> Iterator[tuple[str, TableMap, str]]:
    """The maps whose key is made where it is empty, with the column that is then empty."""
    for name, table_map in visit.maps.items():
        for pair in table_map.outgoing:
            if isinstance(pair.transform, Uuid5) and pair.target in table_map.integrationKey:
                yield name, table_map, pair.source


async def _count(visit: Visit, name: str, table_map: TableMap, column: str) -> Finding:
    start, entity_set = visit.settings.sweep_start, table_map.source.set
    limit = f"createdon lt {stamp(min(start, visit.now()))}" if start else ""
    condition = all_of(f"{column} eq null", table_map.source.filter, limit)
    counted = await visit.dataverse.count(entity_set, table_map.source.key, condition)
    expected = f"every row of {entity_set} from before the cut-over has its {column}"
    many = f"{counted} or more rows" if counted >= _MOST_COUNTED else f"{counted} {'row' if counted == 1 else 'rows'}"
    seen = f"{many} of {entity_set}{' from before SWEEP_START' if start else ''} without {column}"
    if not counted:
        return Finding(Verdict.OK, seen, expected, "", name)
    step = "Before the cut-over let live dual-write finish, then compare these rows with Finance by their own id"
    if start is None:
        seen += "; without SWEEP_START those that this app carried are among them"
        step = "Set SWEEP_START to the moment of the cut-over, so that earlier rows alone are counted"
    return Finding(Verdict.WARN, seen, expected, step, name)


CHECKS = (
    Check("project-parameters", "Parameters of Project Operations", "dataverse", look_at_parameters),
    Check("solutions", "Dual-write and Project Operations", "dataverse", look_at_solutions),
    Check("import-ids", "Rows without an import id", "dataverse", look_at_import_ids),
)

"""Rows that follow the switches: the app's users, the solutions, the parameters of Project Operations."""

from simulators.dataverse.events import SqlValue
from simulators.dataverse.store import Writer, guid_text
from simulators.dataverse.switches import Switches, pairs
from simulators.dataverse.values import now_text

NAMES = frozenset(
    {
        "userTimeZone",
        "userDisabled",
        "userAccessMode",
        "userApplicationId",
        "solutionVersions",
        "projectParameters",
        "projectTaskTracking",
        "projectActualsTracking",
    }
)
"""The switches that the rows depend on."""

SOLUTIONS = {
    "DualWriteCore": ("Dual-write core solution", "1.0.24093.1"),
    "DualWriteCoreAnchor": ("Dual-write core solution anchor", "1.0.24093.1"),
    "msdyn_DualWriteAppCoreAnchor": ("Dual-write application core anchor", "3.2.25.5"),
    "Dynamics365FinanceAndOperationsDualWriteEntityMaps": ("Dual-write Finance and Operations maps", "2.3.1204.1"),
    "Dynamics365FinanceAndOperationsAnchor": ("Dynamics 365 Finance and Operations anchor", "2.3.1204.1"),
    "Dynamics365ProjectOperationsDualWrite": ("Project Operations dual-write", "1.2.3.5"),
    "Dynamics365ProjectOperationsDualWriteEntityMaps": ("Project Operations dual-write maps", "1.2.3.5"),
    "ProjectOperations_Anchor": ("Project Operations anchor", "4.150.0.24"),
    "ProjectService": ("Project Service Automation", "4.150.0.24"),
    "ProjectServiceCore": ("Project Service Core", "4.150.0.24"),
    "ProjectServiceCore_Patch": ("Project Service Core patch", "4.150.0.24"),
    "Dynamics365Company": ("Dynamics 365 Company", "2.1.0.4"),
    "CurrencyExchangeRates": ("Currency exchange rates", "2.1.0.4"),
}


def settle(writer: Writer, switches: Switches) -> None:
    """Write these rows as the switches want them."""
    _settle_users(writer, switches)
    standard: dict[str, SqlValue] = {"createdon": (now := now_text()), "modifiedon": now, "statecode": 0}
    standard["statuscode"] = 1
    writer.connection.execute("DELETE FROM solution")
    given = pairs(switches.solutionVersions)
    for number, (name, (title, version)) in enumerate(SOLUTIONS.items(), 1):
        if shown := given.get(name, version):
            own: dict[str, SqlValue] = {"uniquename": name, "friendlyname": title, "version": shown, "ismanaged": 1}
            writer.insert("solution", {**standard, "solutionid": guid_text(number), **own})
    _settle_parameters(writer, switches, standard)


def _settle_users(writer: Writer, switches: Switches) -> None:
    users = writer.connection.execute("SELECT systemuserid, fullname FROM systemuser").fetchall()
    zones = {row[0] for row in writer.connection.execute("SELECT systemuserid FROM usersettings")}
    for key, name in users:
        if key not in zones:
            writer.insert("usersettings", {"systemuserid": key, "timezonecode": switches.userTimeZone})
        if not str(name).startswith("# "):
            continue
        client = switches.userApplicationId or str(name).removeprefix("# ")
        state: dict[str, SqlValue] = {"isdisabled": int(switches.userDisabled), "accessmode": switches.userAccessMode}
        writer.update("systemuser", key, {**state, "applicationid": client})
        writer.update("usersettings", key, {"timezonecode": switches.userTimeZone})


def _settle_parameters(writer: Writer, switches: Switches, standard: dict[str, SqlValue]) -> None:
    writer.connection.execute("DELETE FROM msdyn_projectparameter")
    if not switches.projectParameters:
        return
    own: dict[str, SqlValue] = {
        "msdyn_projectparameterid": guid_text(1),
        "msdyn_name": "Project Parameters",
        "msdyn_projecttasktimetracking": switches.projectTaskTracking,
        "msdyn_projectactualstracking": switches.projectActualsTracking,
        "msdyn_estimatepricing": 192350001,
    }
    writer.insert("msdyn_projectparameter", standard | own)

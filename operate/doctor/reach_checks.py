"""Both services: whether they can be reached, whether they are the right ones, and what their clocks say."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.onlooker import NoAnswer, NotLetIn, Onlooker
from operate.doctor.visit import Visit

_AGAIN = "docs/go-live.md, step 4"
# Entra refuses a token whose times differ by more than five minutes; seconds show that a clock is not synchronized.
_SUSPECT, _TOO_FAR = timedelta(seconds=5), timedelta(seconds=300)
_CURRENT = "RetrieveCurrentOrganization(AccessType=Microsoft.Dynamics.CRM.EndpointAccessType'Default')"


async def look_at_dataverse(visit: Visit) -> Finding:
    """Dataverse lets the app in, and it is the organization of the settings."""
    wanted = visit.settings.organization_id
    expected = f"organization {wanted} at {visit.dataverse.origin} lets the app in"
    try:
        found = str((await visit.dataverse.one("WhoAmI", needs=("OrganizationId",)))["OrganizationId"])
    except NotLetIn as error:
        step = f"Make the app an application user of this environment ({_AGAIN})"
        return Finding(Verdict.FAIL, f"Dataverse does not let the app in: {error.reason}", expected, step)
    if _same(found, wanted):
        return Finding(Verdict.OK, f"organization {wanted} lets the app in", expected)
    seen = f"{visit.dataverse.origin} is organization {found}"
    step = "Correct the setting DATAVERSE_URL or DATAVERSE_ORGANIZATION_ID; both must name the same environment"
    return Finding(Verdict.FAIL, seen, expected, step)


def _same(found: str, wanted: UUID) -> bool:
    try:
        return UUID(found) == wanted
    except ValueError:
        return False


async def look_at_finance(visit: Visit) -> Finding:
    """Finance lets the app in. Rows are read, because its `$metadata` answers any valid token."""
    target = next((each.target for each in visit.maps.values() if each.target.set and each.target.key), None)
    entity_set, key = (target.set or "", target.key) if target else ("DataManagementDefinitionGroups", "Name")
    expected = f"{visit.finance.origin} lets the app read {entity_set}"
    try:
        await visit.finance.read(entity_set, {"$select": key, "$top": "1"})
    except NotLetIn as error:
        step = f"Register the app's client id on Finance's page Microsoft Entra applications ({_AGAIN})"
        return Finding(Verdict.FAIL, f"Finance does not let the app in: {error.reason}", expected, step)
    return Finding(Verdict.OK, f"the app may read {entity_set}", expected)


async def look_at_dataverse_clock(visit: Visit) -> Finding:
    """Dataverse's clock and the app's show the same time."""
    return await _compare_clocks(visit, visit.dataverse, "WhoAmI")


async def look_at_finance_clock(visit: Visit) -> Finding:
    """Finance's clock and the app's show the same time."""
    return await _compare_clocks(visit, visit.finance, "DataManagementDefinitionGroups")


async def _compare_clocks(visit: Visit, service: Onlooker, path: str) -> Finding:
    options = {} if path == "WhoAmI" else {"$select": "Name", "$top": "1"}
    before = visit.now()
    answer = await service.answer(path, options)
    middle = before + (visit.now() - before) / 2
    apart = abs(_date_of(service.name, answer.reply.headers.get("Date")) + timedelta(seconds=0.5) - middle)
    expected = f"less than {_SUSPECT.seconds} seconds between the app's clock and that of {service.name}"
    seen = f"{round(apart.total_seconds())} seconds apart"
    if apart <= _SUSPECT:
        return Finding(Verdict.OK, seen, expected)
    step = "Synchronize the clock of the machine that runs the app; in Azure, restart the function app"
    return Finding(Verdict.FAIL if apart > _TOO_FAR else Verdict.WARN, seen, expected, step)


def _date_of(service: str, text: str | None) -> datetime:
    try:
        return parsedate_to_datetime(text or "")
    except ValueError as error:
        raise NoAnswer(service, "an answer without the header Date") from error


CHECKS = (
    Check("dataverse-reach", "Dataverse can be reached", "dataverse", look_at_dataverse),
    Check("dataverse-clock", "Dataverse's clock", "dataverse", look_at_dataverse_clock),
    Check("finance-reach", "Finance can be reached", "finance", look_at_finance),
    Check("finance-clock", "Finance's clock", "finance", look_at_finance_clock),
)

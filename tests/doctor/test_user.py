"""The organization and the app's user: disabled, in another time zone, without a privilege or with too little depth."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from operate.doctor.check import Check, Verdict
from operate.doctor.user_checks import CHECKS, WINDOWS
from simulators.dataverse.organization import TIME_ZONES
from tests.doctor.patient import Patient

NAMED = {check.name: check for check in CHECKS}
SOURCES = {
    "dataverse-organization": "RetrieveCurrentOrganization",
    "dataverse-user": "systemusers",
    "user-time-zone": "usersettingscollection",
    "dataverse-privileges": "RetrieveUserSetOfPrivilegesByNames",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_all_is_well(patient: Patient, check: Check) -> None:
    assert await patient.verdict(check) == Verdict.OK


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_a_source_that_is_forbidden_is_unknown(patient: Patient, check: Check) -> None:
    await patient.dataverse.switch(forbidTables=SOURCES[check.name])
    [finding] = await patient.diagnose(check)
    assert finding.verdict == Verdict.UNKNOWN
    assert "does not let the app's user read" in finding.seen
    assert "prvRead" in finding.next_step


async def test_an_old_version_is_a_warning(patient: Patient) -> None:
    await patient.dataverse.switch(organizationVersion="9.1.0.38965")
    assert await patient.verdict(NAMED["dataverse-organization"]) == Verdict.WARN


async def test_an_environment_that_is_not_in_operation_fails(patient: Patient) -> None:
    await patient.dataverse.switch(organizationState="Disabled")
    [finding] = await patient.diagnose(NAMED["dataverse-organization"])
    assert (finding.verdict, "is disabled" in finding.seen) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("switches", "seen"),
    [
        ({"userDisabled": True}, "disabled"),
        ({"userAccessMode": 2}, "cannot read or write"),
        ({"userApplicationId": "another"}, "another application"),
    ],
)
async def test_a_user_that_cannot_work_fails(patient: Patient, switches: dict[str, object], seen: str) -> None:
    await patient.dataverse.switch(**switches)
    [finding] = await patient.diagnose(NAMED["dataverse-user"])
    assert (finding.verdict, seen in finding.seen) == (Verdict.FAIL, True)
    assert finding.next_step


@pytest.mark.parametrize("code", [105, 95])
async def test_another_zone_with_the_same_offsets_is_well(patient: Patient, code: int) -> None:
    await patient.dataverse.switch(userTimeZone=code)
    assert await patient.verdict(NAMED["user-time-zone"]) == Verdict.OK


@pytest.mark.parametrize(("code", "name"), [(92, "Etc/UTC"), (85, "Europe/London"), (35, "America/New_York")])
async def test_other_offsets_fail(patient: Patient, code: int, name: str) -> None:
    await patient.dataverse.switch(userTimeZone=code)
    [finding] = await patient.diagnose(NAMED["user-time-zone"])
    assert (finding.verdict, finding.next_step) == (
        Verdict.FAIL,
        f"azd env set DATAVERSE_TIME_ZONE {name} && azd provision",
    )


async def test_offsets_that_differ_for_a_part_of_the_year_fail(patient: Patient) -> None:
    # Algiers has Berlin's winter time all the year.
    [finding] = await patient.diagnose(NAMED["user-time-zone"], DATAVERSE_TIME_ZONE="Africa/Algiers")
    assert finding.verdict == Verdict.FAIL
    assert "Europe/Berlin" in finding.next_step


async def test_a_time_zone_without_a_known_name_is_unknown(patient: Patient) -> None:
    await patient.dataverse.switch(userTimeZone=7777)
    [finding] = await patient.diagnose(NAMED["user-time-zone"])
    assert (finding.verdict, "7777" in finding.seen) == (Verdict.UNKNOWN, True)


def test_the_table_of_names_agrees_with_dataverses_own_definitions() -> None:
    winter = datetime(2027, 1, 10, tzinfo=UTC)
    for windows, _, bias in TIME_ZONES.values():
        offset = winter.astimezone(ZoneInfo(WINDOWS[windows])).utcoffset()
        assert offset is not None
        assert offset.total_seconds() == -60 * bias, windows
    assert all(ZoneInfo(name).key for name in WINDOWS.values())


async def test_a_privilege_that_is_missing_fails(patient: Patient) -> None:
    await patient.dataverse.switch(missingPrivileges="prvReadOrder,prvWritemsdyn_actual,prvBypassCustomBusinessLogic")
    found = {finding.about: finding for finding in await patient.diagnose(NAMED["dataverse-privileges"])}
    assert set(found) == {"salesorder, read", "msdyn_actual, write", "write-back, without business logic"}
    assert {finding.verdict for finding in found.values()} == {Verdict.FAIL}
    assert "prvReadOrder" in found["salesorder, read"].next_step


@pytest.mark.parametrize("depth", ["Basic", "Local", "Deep"])
async def test_a_privilege_that_is_not_deep_enough_fails(patient: Patient, depth: str) -> None:
    await patient.dataverse.switch(privilegeDepths=f"prvReadmsdyn_transactionconnection={depth}")
    [finding] = await patient.diagnose(NAMED["dataverse-privileges"])
    assert (finding.verdict, finding.about) == (Verdict.FAIL, "msdyn_transactionconnection, read")
    assert "never seen" in finding.seen


async def test_a_privilege_by_a_team_counts(patient: Patient) -> None:
    await patient.dataverse.switch(teamPrivileges="prvReadInvoice,prvReadUoM")
    assert await patient.verdict(NAMED["dataverse-privileges"]) == Verdict.OK


async def test_without_write_back_nothing_needs_to_be_written(patient: Patient) -> None:
    await patient.dataverse.switch(missingPrivileges="prvWritemsdyn_actual,prvBypassCustomBusinessLogic")
    actuals = patient.ports.maps["actuals"]
    assert actuals.writeBack is not None
    off = actuals.writeBack.model_copy(update={"strategy": "off"})
    maps = {**patient.ports.maps, "actuals": actuals.model_copy(update={"writeBack": off})}
    assert await patient.verdict(NAMED["dataverse-privileges"], maps=maps) == Verdict.OK


async def test_a_shallow_user_sees_no_error_anywhere_else(patient: Patient) -> None:
    """The reason for the check: lists are simply shorter."""
    await patient.dataverse.switch(privilegeDepths="prvReadInvoice=Basic")
    assert (await patient.dataverse.get("invoices?$select=name")).rows == []

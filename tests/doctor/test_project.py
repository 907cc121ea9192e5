"""Parameters and solutions of Project Operations, dual-write's solution, and rows without an import id."""

import pytest

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.project_checks import CHECKS
from tests.doctor.patient import Patient

NAMED = {check.name: check for check in CHECKS}
SOURCES = {"project-parameters": "msdyn_projectparameters", "solutions": "solutions", "import-ids": "msdyn_actuals"}
TASKS, ACTUALS = "Project task time tracking", "Project actual values tracking"
REAL_TIME, DELAYED, ON_DEMAND = 192350000, 192350001, 192350002


async def findings(patient: Patient, name: str, *, start: str = "2020-01-01T00:00:00Z") -> dict[str, Finding]:
    """By what they are about; the cut-over is earlier than all rows."""
    return {finding.about: finding for finding in await patient.diagnose(NAMED[name], SWEEP_START=start)}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_all_is_well(patient: Patient, check: Check) -> None:
    found = await findings(patient, check.name)
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}, found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_what_may_not_be_seen_is_unknown(patient: Patient, check: Check) -> None:
    await patient.dataverse.switch(forbidTables=SOURCES[check.name])
    found = await patient.diagnose(check)
    assert {finding.verdict for finding in found} == {Verdict.UNKNOWN}
    assert SOURCES[check.name] in found[0].seen


@pytest.mark.parametrize(
    ("tasks", "actuals", "verdicts"),
    [
        (ON_DEMAND, ON_DEMAND, (Verdict.OK, Verdict.OK)),
        (REAL_TIME, ON_DEMAND, (Verdict.WARN, Verdict.OK)),
        (DELAYED, REAL_TIME, (Verdict.OK, Verdict.WARN)),
        (DELAYED, DELAYED, (Verdict.OK, Verdict.WARN)),
        (192350077, ON_DEMAND, (Verdict.UNKNOWN, Verdict.OK)),
    ],
)
async def test_parameters_are_judged_by_their_labels(
    patient: Patient, tasks: int, actuals: int, verdicts: tuple[Verdict, Verdict]
) -> None:
    await patient.dataverse.switch(projectTaskTracking=tasks, projectActualsTracking=actuals)
    found = await findings(patient, "project-parameters")
    assert (found[TASKS].verdict, found[ACTUALS].verdict) == verdicts


async def test_no_parameters_at_all_fail(patient: Patient) -> None:
    await patient.dataverse.switch(projectParameters=False)
    assert {each.verdict for each in (await findings(patient, "project-parameters")).values()} == {Verdict.FAIL}


async def test_an_older_solution_without_a_parameter_is_unknown(patient: Patient) -> None:
    await patient.dataverse.switch(missingColumns="msdyn_projectparameter.msdyn_projectactualstracking")
    found = await findings(patient, "project-parameters")
    assert (found[TASKS].verdict, found[ACTUALS].verdict) == (Verdict.OK, Verdict.UNKNOWN)
    assert "older Project Operations" in found[ACTUALS].seen


@pytest.mark.parametrize(
    ("versions", "verdict"),
    [
        ("DualWriteCore=1.0.24093.1", Verdict.OK),
        ("DualWriteCore=1.0.25001.3", Verdict.OK),
        ("DualWriteCore=1.0.24062.2", Verdict.WARN),
        # A version of 2022, which sorts higher.
        ("DualWriteCore=1.1.33.0", Verdict.WARN),
        ("DualWriteCore=,DualWriteCoreAnchor=1.1.33", Verdict.WARN),
    ],
)
async def test_the_version_of_dual_write_is_compared_by_numbers(
    patient: Patient, versions: str, verdict: Verdict
) -> None:
    await patient.dataverse.switch(solutionVersions=versions)
    assert (await findings(patient, "solutions"))["Dual-write core"].verdict == verdict


async def test_an_environment_without_dual_write(patient: Patient) -> None:
    await patient.dataverse.switch(solutionVersions="DualWriteCore=,DualWriteCoreAnchor=")
    found = (await findings(patient, "solutions"))["Dual-write core"]
    assert (found.verdict, "not installed" in found.seen) == (Verdict.WARN, True)


async def test_an_environment_without_project_operations_fails(patient: Patient) -> None:
    names = ("ProjectServiceCore", "ProjectService", "ProjectOperations_Anchor")
    await patient.dataverse.switch(solutionVersions=",".join(f"{name}=" for name in names))
    assert (await findings(patient, "solutions"))["Project Operations"].verdict == Verdict.FAIL


async def test_rows_without_an_import_id_from_before_the_cut_over(patient: Patient) -> None:
    await patient.dataverse.confirmed(6, seed=5)
    found = (await findings(patient, "import-ids", start=""))["actuals"]
    assert (found.verdict, "of msdyn_actuals without msdyn_actualimportid" in found.seen) == (Verdict.WARN, True)
    assert (await findings(patient, "import-ids"))["actuals"].verdict == Verdict.OK
    assert (await findings(patient, "import-ids", start="2099-01-01T00:00:00Z"))["actuals"].verdict == Verdict.WARN

"""Both services can be reached, are the right ones, and show the same time."""

from datetime import timedelta
from uuid import uuid4

import pytest

from operate.doctor.check import Check, Verdict
from operate.doctor.reach_checks import CHECKS
from tests.doctor.patient import Patient

NAMED = {check.name: check for check in CHECKS}
OUR_SET = "ProjectOperationsIntegrationActuals"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_all_is_well(patient: Patient, check: Check) -> None:
    assert await patient.verdict(check) == Verdict.OK


async def test_another_organization_fails(patient: Patient) -> None:
    wanted = str(uuid4())
    [finding] = await patient.diagnose(NAMED["dataverse-reach"], DATAVERSE_ORGANIZATION_ID=wanted)
    assert finding.verdict == Verdict.FAIL
    assert patient.given["DATAVERSE_ORGANIZATION_ID"] in finding.seen
    assert wanted in finding.expected
    assert "DATAVERSE_ORGANIZATION_ID" in finding.next_step


@pytest.mark.parametrize("service", ["dataverse", "finance"])
async def test_an_app_that_is_not_let_in_fails(patient: Patient, service: str) -> None:
    await getattr(patient, service).switch(forbidCaller=True)
    [finding] = await patient.diagnose(NAMED[f"{service}-reach"])
    assert (finding.verdict, "docs/go-live.md" in finding.next_step) == (Verdict.FAIL, True)


@pytest.mark.parametrize("service", ["dataverse", "finance"])
async def test_a_service_without_a_usable_answer_is_unknown(patient: Patient, service: str) -> None:
    await getattr(patient, service).switch(spoilForm="page", spoilNext=1)
    [finding] = await patient.diagnose(NAMED[f"{service}-reach"])
    assert (finding.verdict, "an HTML page" in finding.seen) == (Verdict.UNKNOWN, True)


async def test_a_forbidden_set_of_finance_is_unknown(patient: Patient) -> None:
    await patient.finance.switch(forbidEntities=[patient.ports.maps["actuals"].target.set])
    [finding] = await patient.diagnose(NAMED["finance-reach"])
    assert finding.verdict == Verdict.UNKNOWN
    assert str(patient.ports.maps["actuals"].target.set) in finding.seen


@pytest.mark.parametrize("service", ["dataverse", "finance"])
@pytest.mark.parametrize(
    ("seconds", "verdict"), [(-20, Verdict.WARN), (20, Verdict.WARN), (-400, Verdict.FAIL), (400, Verdict.FAIL)]
)
async def test_a_clock_that_is_wrong(patient: Patient, service: str, seconds: int, verdict: Verdict) -> None:
    patient.clock.advance(timedelta(seconds=seconds))
    assert await patient.verdict(NAMED[f"{service}-clock"]) == verdict

"""The doctor about the maps: those of dual-write that also run, and the files in use."""

import json
from dataclasses import replace
from typing import Any

import pytest

from operate.doctor.check import Finding, Verdict
from operate.doctor.looking import look
from operate.doctor.map_checks import CHECKS
from operate.doctor.visit import visit
from shared.clock import now
from shared.maps.table_map import FORMAT, load_map, read_map
from shared.project_operations.codes import ACTUALS
from shared.storage.activations import Activation
from tests.doctor.patient import Patient

LIVE, PROJECTS, FILES = CHECKS
SETS = ("invoices", "msdyn_actuals", "msdyn_transactionconnections")


def _verdicts(found: list[Finding]) -> dict[str, Verdict]:
    return {each.about: each.verdict for each in found}


async def test_a_map_of_dual_write_that_runs_for_our_rows_is_a_fault(patient: Patient) -> None:
    found = await patient.diagnose(LIVE)
    assert set(_verdicts(found).values()) == {Verdict.OK}
    # The rows are lost when the database is restored, so it is not said that the maps are stopped.
    assert all(each.seen.endswith("is seen running") for each in found)
    await patient.dataverse.switch(dualWriteRunning="msdyn_actuals", dualWriteEncodedTwice=True)
    found = await patient.diagnose(LIVE)
    assert _verdicts(found) == {"invoices": Verdict.OK, "actuals": Verdict.FAIL, "transactionconnections": Verdict.OK}
    fault = next(each for each in found if each.verdict == Verdict.FAIL)
    assert "version 1.0.0.16 of Project Operations integration actuals" in fault.seen
    assert fault.next_step.startswith("Stop the map")


async def test_a_running_map_that_cannot_be_read_may_be_any(patient: Patient) -> None:
    await patient.dataverse.switch(dualWriteRunning="msdyn_actuals", dualWriteRuntimeCut=True)
    found = await patient.diagnose(LIVE)
    assert set(_verdicts(found).values()) == {Verdict.UNKNOWN}
    assert all("1 row of dual-write's runtime could not be read" in each.seen for each in found)


async def test_a_tenant_without_dual_write_is_well(patient: Patient) -> None:
    await patient.dataverse.switch(dualWriteMissing=True)
    [found] = await patient.diagnose(LIVE)
    assert (found.verdict, found.seen) == (Verdict.OK, "no dual-write in this Dataverse")
    await patient.finance.switch(dualWrite={})
    [found] = await patient.diagnose(PROJECTS)
    assert found.verdict == Verdict.OK


async def test_what_may_not_be_read_of_dual_write_is_unknown(patient: Patient) -> None:
    await patient.dataverse.switch(forbidTables="msdyn_dualwriteruntimeconfigs")
    assert await patient.verdict(LIVE) == Verdict.UNKNOWN
    await patient.finance.switch(forbidEntities=["DualWriteProjectConfigurations"])
    assert await patient.verdict(PROJECTS) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("Disabled", Verdict.OK),
        ("Queueing", Verdict.WARN),
        ("Enabled", Verdict.FAIL),
        ("Initializing", Verdict.UNKNOWN),
        ("", Verdict.UNKNOWN),
    ],
)
async def test_finance_s_own_list_is_a_second_source(patient: Patient, status: str, verdict: Verdict) -> None:
    await patient.finance.switch(dualWrite=dict.fromkeys(SETS, "Disabled") | {"invoices": status})
    found = _verdicts(await patient.diagnose(PROJECTS))
    assert found == {"invoices": verdict, "actuals": Verdict.OK, "transactionconnections": Verdict.OK}


async def test_the_connection_strings_of_dual_write_are_not_asked_for(patient: Patient) -> None:
    await patient.forget_requests()
    await patient.diagnose(PROJECTS)
    asked = [each for each in await patient.asked() if "DualWriteProjectConfigurations" in each]
    assert len(asked) == 1
    assert "$select=" in asked[0]
    assert "ConnectionString" not in asked[0]


async def _files(patient: Patient, digest: str, version: str = "9.0") -> list[Finding]:
    """What is found when this file of the actuals map is active."""
    activations = {ACTUALS: (Activation(digest, version, now(), "Ada"),)}
    in_use = await patient.ports.map_choice.choose(activations)
    ports = replace(patient.ports, in_use=in_use, maps=in_use.maps)
    return await look(visit(ports), FILES)


async def _stored(patient: Patient, base: str, **changes: Any) -> str:
    table_map = read_map(ACTUALS, json.dumps(load_map(ACTUALS).document | changes))
    return await patient.ports.map_choice.files.put(ACTUALS, table_map, by="Ada", at=now(), base=base)


async def test_the_shipped_maps_and_those_that_were_stored_beside_them_are_well(patient: Patient) -> None:
    assert set(_verdicts(await patient.diagnose(FILES)).values()) == {Verdict.OK}
    digest = await _stored(patient, patient.ports.map_choice.shipped[ACTUALS].file_digest, version="8.1")
    found = next(each for each in await _files(patient, digest) if each.about == ACTUALS)
    assert (found.verdict, "by Ada" in found.seen) == (Verdict.OK, True)


async def test_after_an_upgrade_a_map_that_was_stored_beside_another_one_is_a_warning(patient: Patient) -> None:
    found = await _files(patient, await _stored(patient, "0" * 32, version="8.2"))
    told = next(each for each in found if each.about == ACTUALS)
    assert told.verdict == Verdict.WARN
    assert "the shipped map has changed since it was stored" in told.seen
    assert told.next_step == "See what has changed: relay maps diff actuals"


async def test_a_stored_map_that_cannot_be_used_is_a_warning(patient: Patient) -> None:
    told = next(each for each in await _files(patient, "0" * 32) if each.about == ACTUALS)
    assert told.verdict == Verdict.WARN
    assert "is not in storage; the shipped map is used instead" in told.seen


async def test_a_stored_map_of_a_newer_form_is_a_warning(patient: Patient) -> None:
    digest = await _stored(patient, "", version="8.3")
    content = json.dumps({"format": FORMAT + 1, "map": {}}).encode()
    container = patient.ports.known_maps._container
    await container.upload_blob(
        f"files/{ACTUALS}/{digest}.json", content, overwrite=True, metadata={"writtenBy": "9.9"}
    )
    told = next(each for each in await _files(patient, digest) if each.about == ACTUALS)
    assert told.verdict == Verdict.WARN
    assert "has a form that this version of the app does not know" in told.seen
    assert "was written by version 9.9" in told.seen
    assert told.next_step.startswith("Deploy the version of the app that stored it")

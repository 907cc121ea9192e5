"""The app itself: risky settings, the credential, the storage, the sweep, pauses and the release."""

from datetime import UTC, datetime, timedelta

import pytest

from operate.doctor.app_checks import CHECKS
from operate.doctor.check import Verdict
from shared.clock import stamp
from shared.engine.newer import tell
from shared.errors import NewerVersion
from shared.settings import read_settings
from shared.wiring import open_ports
from simulators.storage_front import storage_front
from tests.contract.certificates import make_rsa
from tests.contract.opening import close
from tests.doctor.patient import Patient

NAMED = {check.name: check for check in CHECKS}


@pytest.mark.parametrize("name", [name for name in NAMED if name not in {"sweep-start", "sweep", "credential"}])
async def test_all_is_well(patient: Patient, name: str) -> None:
    assert await patient.verdict(NAMED[name]) == Verdict.OK


@pytest.mark.parametrize(
    ("start", "verdict", "seen"),
    [
        ("", Verdict.WARN, "not set"),
        ("2099-01-01T00:00:00Z", Verdict.WARN, "which is to come"),
        ("2026-01-01T00:00:00Z", Verdict.OK, "2026-01-01 00:00 UTC"),
    ],
)
async def test_the_sweep_begins_at_the_cut_over(patient: Patient, start: str, verdict: Verdict, seen: str) -> None:
    [finding] = await patient.diagnose(NAMED["sweep-start"], SWEEP_START=start)
    assert (finding.verdict, seen in finding.seen, bool(finding.next_step)) == (verdict, True, verdict != Verdict.OK)


@pytest.mark.parametrize(
    "risky",
    [
        {"SWEEP_LOOK_BACK_DAYS": "3"},
        {"LATER_LOOKS_SECONDS": "0"},
        {"STORAGE_TAKEN_OVER_FROM": "00000000-0000-4000-8000-000000000001"},
    ],
    ids=lambda risky: next(iter(risky)),
)
async def test_a_risky_setting_is_named(patient: Patient, risky: dict[str, str]) -> None:
    [finding] = await patient.diagnose(NAMED["app-settings"], maps=None, **risky)
    assert (finding.verdict, finding.about) == (Verdict.WARN, next(iter(risky)))


async def test_a_function_that_is_switched_off_is_named(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AzureWebJobs.sweep.Disabled", "true")
    monkeypatch.setenv("AzureWebJobs_operate_Disabled", "0")
    [finding] = await patient.diagnose(NAMED["app-settings"])
    assert (finding.verdict, finding.about) == (Verdict.WARN, "AzureWebJobs.sweep.Disabled")


async def test_an_unresolved_reference_is_named_and_not_quoted(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "@Microsoft.KeyVault(VaultName=v;SecretName=s)")
    [finding] = await patient.diagnose(NAMED["key-vault-references"])
    assert finding.verdict == Verdict.FAIL
    assert "SOME_SECRET" in finding.seen
    assert "VaultName" not in str(finding)


@pytest.mark.parametrize(("days", "verdict"), [(60, Verdict.OK), (20, Verdict.WARN), (3, Verdict.FAIL)])
async def test_a_certificate_expires(patient: Patient, days: int, verdict: Verdict) -> None:
    given = {"SIGN_IN_METHOD": "certificate", "SIGN_IN_CERTIFICATE": "".join(make_rsa(days=days))}
    assert await patient.verdict(NAMED["credential"], maps=None, **given) == verdict


async def test_a_secret_does_not_tell_and_an_identity_never_expires(patient: Patient) -> None:
    assert await patient.verdict(NAMED["credential"]) == Verdict.UNKNOWN
    assert await patient.verdict(NAMED["credential"], SIGN_IN_METHOD="managedIdentity") == Verdict.OK


@pytest.mark.parametrize("service", ["blob", "queue", "table"])
async def test_a_storage_account_that_refuses_fails(patient: Patient, service: str) -> None:
    async with storage_front(patient.given["AzureWebJobsStorage"]) as front:
        settings = read_settings({**patient.given, "AzureWebJobsStorage": front.connection_string})
        ports = await open_ports(settings, patient.ports.maps, patient.clock.now)
        front.refuse(service)
        [finding] = await Patient(ports, patient.given, patient.clock, patient.dataverse, patient.finance).diagnose(
            NAMED["storage"]
        )
        await close(ports)
    assert (finding.verdict, "Storage answered 403" in finding.seen) == (Verdict.FAIL, True)


async def test_another_app_on_the_same_account_is_warned_of(patient: Patient) -> None:
    await patient.ports.notes.write("refused app", {"at": stamp(patient.ports.now()), "app": "organization x"})
    try:
        assert await patient.verdict(NAMED["storage"]) == Verdict.WARN
    finally:
        await patient.ports.notes.write("refused app", {"at": stamp(datetime(2026, 1, 1, tzinfo=UTC)), "app": ""})


@pytest.mark.parametrize(
    ("minutes", "problem", "verdict"),
    [(5, "", Verdict.OK), (5, "Dataverse asks to wait", Verdict.WARN), (90, "", Verdict.FAIL)],
)
async def test_the_sweep_runs(patient: Patient, minutes: int, problem: str, verdict: Verdict) -> None:
    at = stamp(patient.ports.now() - timedelta(minutes=minutes))
    await patient.ports.notes.write("sweep", {"at": at, "problem": problem})
    try:
        assert await patient.verdict(NAMED["sweep"]) == verdict
    finally:
        await patient.ports.gates._table.delete_entity("note", "sweep")


async def test_a_pause_is_told_with_its_reason(patient: Patient) -> None:
    await patient.ports.pauses.pause("actuals", reason="month end", by="olga")
    try:
        [finding] = await patient.diagnose(NAMED["pauses"])
    finally:
        await patient.ports.pauses.resume("actuals")
    assert (finding.verdict, finding.about) == (Verdict.WARN, "actuals")
    assert finding.next_step == "relay resume --map actuals"
    assert "olga" in finding.seen
    assert "month end" in finding.seen


async def test_work_of_a_later_version_is_told(patient: Patient) -> None:
    await tell(patient.ports, "operations", NewerVersion("a message of form 9 on queue operations", "9.1"))
    [finding] = await patient.diagnose(NAMED["app-version"])
    assert (finding.verdict, "version 9.1" in finding.seen) == (Verdict.WARN, True)
    patient.clock.advance(timedelta(hours=1))
    assert await patient.verdict(NAMED["app-version"]) == Verdict.OK
    await patient.ports.gates._table.delete_entity("note", "newer version: operations")

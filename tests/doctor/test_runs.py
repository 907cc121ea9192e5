"""A run of the doctor ends whatever happens, only reads, and tells what has changed since the run before."""

import asyncio
import json
import logging
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from operate.api.refusals import BadRequest
from operate.doctor.changes import changed, count, worst_of
from operate.doctor.check import Finding, Verdict
from operate.doctor.checks import CHECKS
from operate.doctor.diagnoses import Diagnoses
from operate.doctor.diagnosis import chosen, describe, describe_last, diagnose, start
from operate.functions import diagnose_by_the_clock
from operate.repair.poison import book
from operate.views.health import health
from relay_contract.doctor import Diagnosis
from shared import wiring
from shared.engine.messages import Diagnose
from shared.engine.ports import Ports
from shared.engine.worker import work
from shared.errors import LeaseLost
from shared.storage.names import OPERATIONS
from simulators.dataverse.schema import load_schema
from tests.contract.opening import close
from tests.doctor.patient import Patient

FUNCTIONS = ("WhoAmI", "RetrieveVersion", "RetrieveCurrentOrganization", "RetrieveUser", "/metadata/", "/$count")
"""What has no `$select`."""


SEEN_BY_ALL = {"dataverse-reach", "dataverse-clock", "map-files"}
"""What every user may see who is let in, and what is in the app's own storage."""


async def run(ports: Ports, *only: str) -> Diagnosis:
    """A whole run."""
    job = await start(ports, by="olga", only=only)
    await diagnose(ports, Diagnose(job=job))
    found = await describe(ports, job)
    assert found is not None
    return found


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    """The events of this name."""
    found = [json.loads(record.message) for record in caplog.records if record.name == "relay"]
    return [each for each in found if each["event"] == name]


async def test_a_run_makes_every_check(patient: Patient) -> None:
    found = await run(patient.ports)
    assert (found.state, found.done, found.of) == ("done", len(CHECKS), len(CHECKS))
    assert [(each.name, each.area) for each in found.checks] == [(check.name, check.area) for check in CHECKS]
    assert all(each.findings for each in found.checks)
    assert sum(found.counts.model_dump().values()) == sum(len(each.findings) for each in found.checks)
    assert found.place.organization == patient.given["DATAVERSE_ORGANIZATION_ID"]
    assert await describe_last(patient.ports) == found


def test_checks_have_names_of_their_own_in_kebab_case() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []
    assert not set(names) & {str(check.area) for check in CHECKS}, "--only takes both"


async def test_no_check_of_a_healthy_tenant_crashes(patient: Patient) -> None:
    found = await run(patient.ports)
    told = [finding.seen for check in found.checks for finding in check.findings]
    assert [text for text in told if "the check itself failed" in text or "no result within" in text] == []


async def test_all_requests_read_and_select(patient: Patient) -> None:
    await patient.forget_requests()
    await run(patient.ports)
    asked = await patient.asked()
    assert asked
    assert [each for each in asked if not each.startswith("GET ") and "DataEntities.Get" not in each] == []
    bare = [each for each in asked if each.startswith("GET ") and "$select=" not in each]
    assert [each for each in bare if not any(name in each for name in FUNCTIONS)] == []
    expanded = [each for each in asked if "$expand=" in each and "EntityDefinitions" not in each]
    assert [each for each in expanded if "$select" not in each.partition("$expand=")[2].partition("&")[0]] == []


async def test_what_may_not_be_seen_is_unknown_and_never_wrong(patient: Patient) -> None:
    """Both services let the app in and show it nothing: Dataverse no table and no definition, Finance nothing but the
    package API.
    """
    tables = [*load_schema().sets, "EntityDefinitions", "RetrieveCurrentOrganization", "systemusers"]
    await patient.dataverse.switch(forbidTables=",".join(tables))
    await patient.finance.switch(forbidAllButPackages=True)
    found = await run(patient.ports, "dataverse", "finance", "webhook", "maps")
    told = {(each.name, finding.verdict, finding.seen) for each in found.checks for finding in each.findings}
    assert {each for each in told if each[1] in {"warn", "fail"}} == set()
    assert {each[0] for each in told if each[1] == "ok"} <= SEEN_BY_ALL
    assert [each for each in told if "the check itself failed" in each[2]] == []


async def test_no_check_closes_a_gate_while_both_services_throttle(patient: Patient) -> None:
    await patient.dataverse.switch(throttleShare=1.0, throttleSeconds=1.0)
    await patient.finance.switch(throttleShare=1.0)
    found = await run(patient.ports)
    assert found.state == "done"
    assert [await patient.ports.gates.look(service) for service in ("Dataverse", "Finance")] == [None, None]


async def test_a_run_that_died_half_way_goes_on_and_ends(patient: Patient) -> None:
    job = await start(patient.ports, by="olga")
    await patient.finance.switch(latencySeconds=30.0)
    died = asyncio.create_task(diagnose(patient.ports, Diagnose(job=job)))
    while not await Diagnoses(patient.ports).findings(job):  # noqa: ASYNC110 - storage sends no signal
        await asyncio.sleep(0.02)
    died.cancel()
    await asyncio.gather(died, return_exceptions=True)
    halfway = await describe(patient.ports, job)
    assert halfway is not None
    assert halfway.state == "running"
    assert 0 < halfway.done < halfway.of
    await patient.finance.switch(latencySeconds=0.0)
    await Diagnoses(patient.ports).put(job, 0, [Finding(Verdict.WARN, "seen before it died", "")])
    await diagnose(patient.ports, Diagnose(job=job))
    ended = await describe(patient.ports, job)
    assert ended is not None
    assert (ended.state, ended.done) == ("done", ended.of)
    assert ended.checks[0].findings[0].seen == "seen before it died", "what was made is not made again"


async def test_a_check_that_ends_its_worker_does_not_end_the_run(patient: Patient) -> None:
    job = await start(patient.ports, by="olga", only=["dataverse-reach", "dataverse-clock"])
    for _ in range(3):
        await Diagnoses(patient.ports).begin(job, 0)
    await diagnose(patient.ports, Diagnose(job=job))
    found = await describe(patient.ports, job)
    assert found is not None
    assert [each.verdict for each in found.checks] == ["unknown", "ok"]
    assert "ended 3 times" in found.checks[0].findings[0].seen


async def test_of_two_deliveries_at_once_one_tells(patient: Patient, caplog: pytest.LogCaptureFixture) -> None:
    job = await start(patient.ports, by="olga")
    caplog.set_level(logging.INFO, "relay")
    both = await asyncio.gather(*[diagnose(patient.ports, Diagnose(job=job)) for _ in range(2)], return_exceptions=True)
    assert [type(each) for each in both if each is not None] in ([LeaseLost], [])
    assert len(events(caplog, "doctor")) == 1


async def test_a_changed_verdict_is_an_event(patient: Patient, caplog: pytest.LogCaptureFixture) -> None:
    await run(patient.ports)
    caplog.set_level(logging.INFO, "relay")
    caplog.clear()
    await patient.dataverse.switch(forbidCaller=True)
    await run(patient.ports)
    told = [each for each in events(caplog, "doctor changed") if each["check"] == "dataverse-reach"]
    assert told == [{"event": "doctor changed", "check": "dataverse-reach", "verdict": "fail", "before": "ok"}]
    assert events(caplog, "doctor")[0]["failed"] > 0
    assert "see relay doctor" in " ".join((await health(patient.ports)).problems)
    caplog.clear()
    await run(patient.ports)
    assert [each for each in events(caplog, "doctor changed") if each["check"] == "dataverse-reach"] == []
    await patient.dataverse.switch(forbidCaller=False)
    await run(patient.ports)
    told = [each for each in events(caplog, "doctor changed") if each["check"] == "dataverse-reach"]
    assert [(each["before"], each["verdict"]) for each in told] == [("fail", "ok")]


async def test_health_tells_of_the_last_run(patient: Patient) -> None:
    found = await run(patient.ports)
    told = (await health(patient.ports)).doctor
    assert told is not None
    assert (told.id, told.worst, told.counts) == (found.id, found.worst, found.counts)


async def test_a_run_of_some_checks_is_not_the_last_one(patient: Patient, caplog: pytest.LogCaptureFixture) -> None:
    whole = await run(patient.ports)
    caplog.set_level(logging.INFO, "relay")
    caplog.clear()
    part = await run(patient.ports, "finance", "dataverse-clock")
    assert part.checks[0].name == "dataverse-clock"
    assert {each.area for each in part.checks} == {"dataverse", "finance"}
    assert await describe_last(patient.ports) == whole
    assert events(caplog, "doctor") == []


def test_a_name_that_no_check_has_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(BadRequest, match=r"called cloks; there are app, .*dataverse-clock"):
        chosen(["dataverse-clock", "cloks"])


async def test_a_run_without_time_left_ends(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operate.doctor.diagnosis.LONGEST_RUN", -1.0)
    found = await run(patient.ports)
    assert (found.state, found.worst, found.counts.unknown) == ("done", "unknown", len(CHECKS))


async def test_a_run_is_made_while_everything_is_paused(patient: Patient) -> None:
    job = await start(patient.ports, by="olga", only=["dataverse-reach"])
    await patient.ports.pauses.pause(None, reason="before the cut-over", by="olga")
    try:
        body = Diagnose(job=job).model_dump_json().encode()
        await work(patient.ports, OPERATIONS, body, 1, {"diagnose": diagnose})
    finally:
        await patient.ports.pauses.resume(None)
    found = await describe(patient.ports, job)
    assert found is not None
    assert found.state == "done"


async def test_a_run_whose_message_was_given_up_has_failed(patient: Patient) -> None:
    job = await start(patient.ports, by="olga")
    await book(patient.ports, OPERATIONS, Diagnose(job=job).model_dump_json().encode())
    found = await describe(patient.ports, job)
    assert found is not None
    assert (found.state, "given up" in found.detail) == ("failed", True)
    # Nothing was looked at, so nothing is well.
    assert (found.worst, found.counts.unknown) == ("unknown", len(CHECKS))


async def test_the_timer_has_all_checks_made_by_a_message(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "_process", wiring._Process())
    given = wiring.Configuration(patient.ports.settings, patient.ports.job, patient.ports.maps)
    monkeypatch.setattr(wiring, "configuration", lambda: given)
    queue = patient.ports.queues.clients[OPERATIONS]
    await queue.clear_messages()
    await diagnose_by_the_clock._function.get_user_function()(None)
    [message] = await queue.peek_messages(5)
    await diagnose(patient.ports, Diagnose.model_validate_json(b64decode(message.content)))
    found = await describe_last(patient.ports)
    assert found is not None
    assert (found.by, found.done) == ("the daily timer", len(CHECKS))
    await close(await wiring.ports())


async def test_findings_of_any_length_are_kept(patient: Patient) -> None:
    job = await start(patient.ports, by="olga", only=["dataverse-reach"])
    many = [Finding(Verdict.OK, "x" * 1000, "y", about=str(number)) for number in range(1000)]
    bad = Finding(Verdict.FAIL, "z" * 70_000, "y")
    await Diagnoses(patient.ports).put(job, 0, [*many, bad])
    kept = (await Diagnoses(patient.ports).findings(job))[0]
    assert kept[0] == bad
    assert "more findings" in kept[-1].seen


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["ok", "ok"], "ok"),
        (["ok", "unknown"], "unknown"),
        (["unknown", "warn"], "warn"),
        (["warn", "fail", "unknown"], "fail"),
        ([], "ok"),
    ],
)
def test_the_worst_verdict_counts(verdicts: Sequence[str], whole: str) -> None:
    assert worst_of(count([Finding(Verdict(each), "", "") for each in verdicts])) == whole


BEFORE = {"checks": ["a", "b"], "verdicts": {"a|usmf": "warn", "b": "fail"}}
OF = Finding(Verdict.OK, "", "")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"a": [replace(OF, about="usmf", verdict=Verdict.WARN)], "b": [replace(OF, verdict=Verdict.FAIL)]}, []),
        ({"a": [replace(OF, about="usmf")], "b": [OF]}, [("a", "usmf", "ok", "warn"), ("b", "", "ok", "fail")]),
        ({"a": [replace(OF, about="demf", verdict=Verdict.FAIL)]},
         [("a", "demf", "fail", "ok"), ("a", "usmf", "ok", "warn")]),
        ({"c": [replace(OF, verdict=Verdict.UNKNOWN)], "d": [OF]}, [("c", "", "unknown", "not checked")]),
    ],
)  # fmt: skip
def test_what_has_changed(found: dict[str, list[Finding]], told: list[tuple[str, ...]]) -> None:
    assert [(*key, verdict, before) for key, verdict, before in changed(BEFORE, found)] == told

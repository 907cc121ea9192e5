"""A visit only reads, with `$select`, closes no gate, and sends nothing to a service whose gate is closed."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.looking import look
from operate.doctor.onlooker import (
    NoAnswer,
    NotAllowed,
    NotThere,
    Onlooker,
    UnknownColumn,
    Unselective,
    _expands_selectively,
)
from operate.doctor.visit import Visit, visit
from tests.doctor.patient import Patient

OK = Finding(Verdict.OK, "all", "all")
COMPANIES = {"$select": "cdm_companycode", "$orderby": "cdm_companycode"}


def check_that(raises: Exception | None = None) -> Check:
    async def looking(_: Visit) -> Finding:
        if raises:
            raise raises
        return OK

    return Check("a-check", "A check", "app", looking)


async def look_at_companies(seen: Visit) -> Finding:
    rows = await seen.dataverse.read("cdm_companies", COMPANIES)
    return Finding(Verdict.OK, ", ".join(row["cdm_companycode"] for row in rows), "companies")


A_READING = Check("companies", "Companies", "dataverse", look_at_companies)


async def test_rows_are_read(patient: Patient) -> None:
    [finding] = await patient.diagnose(A_READING)
    assert (finding.verdict, finding.seen) == (Verdict.OK, "demf, usmf")


async def test_next_links_are_followed(patient: Patient) -> None:
    await patient.dataverse.switch(shortPages=1)
    [finding] = await patient.diagnose(A_READING)
    assert finding.seen == "demf, usmf"


async def test_equal_requests_are_sent_once(patient: Patient) -> None:
    await patient.forget_requests()
    once = visit(patient.ports)
    for _ in range(3):
        await look(once, A_READING)
    assert len(await patient.asked()) == 1


@pytest.mark.parametrize(
    "path", ["systemusers", "DualWriteProjectConfigurations", "systemusers(WhoAmI)", "cdm_companies(1)/x"]
)
async def test_a_request_without_select_is_not_sent(patient: Patient, path: str) -> None:
    await patient.forget_requests()
    for service in (visit(patient.ports).dataverse, visit(patient.ports).finance):
        with pytest.raises(Unselective):
            await service.read(path, {"$filter": "statecode eq 0"})
    assert await patient.asked() == []


@pytest.mark.parametrize(
    "expand",
    [
        "primarycontactid",
        "primarycontactid($select=fullname),ownerid",
        "ownerid($expand=x($select=y)),z",
        "ownerid($expand=x($select=y))",
        "ownerid($select=a;$expand=x($select=y;$expand=z))",
    ],
)
async def test_a_row_is_expanded_with_select_alone(patient: Patient, expand: str) -> None:
    await patient.forget_requests()
    with pytest.raises(Unselective):
        await visit(patient.ports).dataverse.read("accounts", {"$select": "name", "$expand": expand})
    assert await patient.asked() == []


def test_what_is_expanded_in_what_is_expanded_may_be_deep() -> None:
    assert _expands_selectively(
        "x", "a($select=b;$expand=c($select=d;$expand=e($select=f;$expand=g($select=h)))),i($select=j)"
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda dataverse: dataverse.one("WhoAmI", needs=("UserId",)),
        lambda dataverse: dataverse.count("cdm_companies", "cdm_companyid", "cdm_companycode ne null"),
        lambda dataverse: dataverse.one("cdm_companies", {"$select": "cdm_companycode"}),
    ],
    ids=["a function", "a count", "a row"],
)
async def test_an_answer_without_what_was_asked_for_proves_nothing(
    patient: Patient, ask: Callable[[Onlooker], Awaitable[object]]
) -> None:
    """It would read as empty, or as zero."""
    await patient.dataverse.switch(spoilForm="shape", spoilNext=1)
    with pytest.raises(NoAnswer, match="in another form, without"):
        await ask(visit(patient.ports).dataverse)


async def test_a_check_that_has_nothing_to_look_at_is_unknown(patient: Patient) -> None:
    async def looking(_: Visit) -> list[Finding]:
        return []

    [finding] = await patient.diagnose(Check("a-check", "A check", "app", looking))
    assert finding.verdict == Verdict.UNKNOWN


async def test_an_action_that_may_write_is_not_sent(patient: Patient) -> None:
    await patient.forget_requests()
    with pytest.raises(Unselective):
        await visit(patient.ports).finance.call("DataManagementDefinitionGroups", "ImportFromPackageAsync")
    assert await patient.asked() == []


async def test_what_is_missing_has_its_own_error(patient: Patient) -> None:
    seen = visit(patient.ports)
    with pytest.raises(NotThere):
        await seen.dataverse.read("msdyn_nosuchtables", {"$select": "msdyn_name"})
    with pytest.raises(UnknownColumn) as unknown:
        await seen.dataverse.read("invoices", {"$select": "name,msdyn_nosuchcolumn"})
    assert unknown.value.name == "msdyn_nosuchcolumn"
    await patient.dataverse.switch(forbidTables="invoices", language="de")
    with pytest.raises(NotAllowed) as refused:
        await seen.dataverse.read("invoices", {"$select": "name"})
    assert "prvReadInvoice" in refused.value.remedy


async def test_nothing_is_sent_while_a_gate_is_closed(patient: Patient) -> None:
    await patient.forget_requests()
    await patient.ports.gates.close("Dataverse", patient.ports.now() + timedelta(minutes=5), "too many requests")
    [finding] = await patient.diagnose(A_READING)
    assert (finding.verdict, "asks to wait" in finding.seen) == (Verdict.UNKNOWN, True)
    assert await patient.asked() == []


async def test_a_throttled_visit_waits_and_leaves_the_gate_open(patient: Patient) -> None:
    await patient.forget_requests()
    await patient.dataverse.switch(throttleNext=1, throttleSeconds=1.0)
    assert [await patient.verdict(A_READING) for _ in range(3)] == [Verdict.UNKNOWN] * 3
    assert len(await patient.asked()) == 1
    assert await patient.ports.gates.look("Dataverse") is None


async def test_a_check_that_crashes_is_unknown(patient: Patient) -> None:
    [finding] = await patient.diagnose(check_that(ZeroDivisionError("a customer's name")))
    assert finding.verdict == Verdict.UNKNOWN
    assert "ZeroDivisionError at test_visits.py" in finding.seen
    assert "customer" not in str(finding)


async def test_a_check_that_takes_too_long_is_unknown(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operate.doctor.looking.LONGEST_CHECK", 0.05)
    await patient.dataverse.switch(latencySeconds=0.5)
    [finding] = await patient.diagnose(A_READING)
    assert (finding.verdict, "no result within" in finding.seen) == (Verdict.UNKNOWN, True)

"""A map is checked against the tenant before it is used: what does not fit is named, and nothing is changed."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from operate.doctor.check import Verdict
from operate.doctor.column_checks import CHECKS
from operate.maps.against import check
from relay_contract.maps import MapCheck
from shared.maps.table_map import TableMap, load_map, read_map
from shared.project_operations.codes import ACTUALS, INVOICES
from tests.doctor.patient import Patient

NAMED = {each.name: each for each in CHECKS}

type Content = dict[str, Any]


def _changed(change: Callable[[Content], None], stage: str = ACTUALS) -> TableMap:
    content = json.loads(json.dumps(load_map(stage).document))
    change(content)
    return read_map(stage, json.dumps(content))


def _field(content: Content, target: str) -> Content:
    found: Content = next(pair for pair in content["fields"] if pair["target"] == target)
    return found


def _verdicts(found: MapCheck) -> dict[str, tuple[str, str]]:
    return {remark.about: (remark.verdict, remark.text) for remark in found.remarks if remark.verdict != "ok"}


async def test_the_shipped_map_fits_the_simulated_tenant(patient: Patient) -> None:
    await patient.dataverse.confirmed(3)
    found = await check(patient.ports, ACTUALS, load_map(ACTUALS))
    assert (found.passed, found.proven) == (True, True)
    assert {verdict for verdict, _ in _verdicts(found).values()} <= {"warn"}


async def test_one_row_is_shown_before_and_after(patient: Patient) -> None:
    await patient.dataverse.confirmed(3)

    def change(content: Content) -> None:
        _field(content, "EXTERNALREFERENCE")["source"] = "msdyn_Project.msdyn_projectnumber"
        pair = {"target": "PROJACTUALSIMPORTSYNC", "direction": "toFinance"}
        content["fields"].append(pair | {"transform": {"kind": "constant", "value": "Yes"}})

    found = await check(patient.ports, ACTUALS, _changed(change))
    assert found.passed
    assert found.sample is not None
    before, after = found.sample.before, found.sample.after
    assert before["EXTERNALREFERENCE"] != after["EXTERNALREFERENCE"] == after["PROJECTID"]
    assert (before["PROJACTUALSIMPORTSYNC"], after["PROJACTUALSIMPORTSYNC"]) == (None, "Yes")


async def test_rows_on_the_way_are_asked_for_their_key_alone(patient: Patient) -> None:
    """Without `$select` such a row would come with all its columns."""
    path = "msdyn_Invoice.salesorderid.transactioncurrencyid.isocurrencycode"

    def change(content: Content) -> None:
        _field(content, "EXTERNALREFERENCE")["source"] = path
        # Of the invoice itself nothing is read any more.
        _field(content, "INVOICEPROPOSALID")["source"] = "msdyn_externalreferenceid"
        content["source"]["lookups"] += [
            "msdyn_Invoice.salesorderid",
            "msdyn_Invoice.salesorderid.transactioncurrencyid",
        ]

    await patient.dataverse.confirmed(3)
    changed = _changed(change)
    found = await check(replace(patient.ports, maps={**patient.ports.maps, ACTUALS: changed}), ACTUALS, changed)
    assert found.sample is not None
    assert found.sample.after["EXTERNALREFERENCE"]
    await patient.forget_requests()
    told = await patient.diagnose(NAMED["map-query"], maps={ACTUALS: changed})
    assert [finding.verdict for finding in told] == [Verdict.OK]
    [asked] = [each for each in await patient.asked() if "/msdyn_actuals?" in each]
    assert "msdyn_Invoice($select=invoiceid;$expand=salesorderid($select=salesorderid;$expand=" in unquote(asked)


def _unknown_column(content: Content) -> None:
    _field(content, "DESCRIPTION")["source"] = "msdyn_descripton"


def _wrong_case(content: Content) -> None:
    _field(content, "PROJECTID")["source"] = "msdyn_project.msdyn_projectnumber"
    content["source"]["lookups"].append("msdyn_project")


def _no_such_target(content: Content) -> None:
    content["fields"].append({"target": "CONTOSONOTE", "source": "msdyn_description", "direction": "toFinance"})


def _unknown_choice(content: Content) -> None:
    _field(content, "BILLINGTYPE")["transform"]["values"]["Chargeable"] = 7


def _yes_for_a_number(content: Content) -> None:
    _field(content, "BILLINGTYPE")["transform"]["values"]["Chargeable"] = True


def _number_for_a_text(content: Content) -> None:
    _field(content, "BILLINGTYPE")["source"] = "msdyn_description"


def _unknown_member(content: Content) -> None:
    values = _field(content, "BILLINGTYPE")["transform"]["values"]
    values["Billable"] = values.pop("Chargeable")


def _member_in_small_letters(content: Content) -> None:
    values = _field(content, "BILLINGTYPE")["transform"]["values"]
    values["chargeable"] = values.pop("Chargeable")


def _lookup_itself(content: Content) -> None:
    _field(content, "DESCRIPTION")["source"] = "msdyn_project"


def _wrong_filter(content: Content) -> None:
    content["source"]["filter"] = "msdyn_istransiton ne true"


def _quoted_filter(content: Content) -> None:
    content["source"]["filter"] = "msdyn_transactiontypecode eq '192350006'"


def _other_label(content: Content) -> None:
    content["target"]["entity"] = "Integration entity for project actuals"


@pytest.mark.parametrize(
    ("change", "about", "verdict", "text"),
    [
        (_unknown_column, "DESCRIPTION", "fail", "msdyn_actual has no column msdyn_descripton"),
        (_wrong_case, "PROJECTID", "fail", "it is written msdyn_Project"),
        (_lookup_itself, "DESCRIPTION", "fail", "is a lookup: a path goes on behind it, or names _msdyn_project_value"),
        (_no_such_target, "CONTOSONOTE", "fail", "ProjActualsImportEntity of Finance has no column CONTOSONOTE"),
        (_unknown_choice, "BILLINGTYPE", "fail", "msdyn_billingtype has no value 7"),
        (_yes_for_a_number, "BILLINGTYPE", "fail", "msdyn_billingtype holds numbers, and the value map has True"),
        (_number_for_a_text, "BILLINGTYPE", "fail", "msdyn_description holds texts, and the value map has 19235"),
        (_unknown_member, "BILLINGTYPE", "fail", "Billable is none of NotSpecified, Chargeable"),
        (_member_in_small_letters, "BILLINGTYPE", "warn", "Finance writes Chargeable, the map chargeable"),
        (_wrong_filter, "source.filter", "fail", "has no column msdyn_istransiton"),
        (_quoted_filter, "sample", "fail", "Dataverse refuses the query of the map"),
        (_other_label, "target.entity", "fail", "Finance calls ProjActualsImportEntity Project Operations integration"),
    ],
)
async def test_what_does_not_fit_is_named(
    patient: Patient, change: Callable[[Content], None], about: str, verdict: str, text: str
) -> None:
    found = await check(patient.ports, ACTUALS, _changed(change))
    said = [remark for remark in found.remarks if remark.about == about]
    assert any(remark.verdict == verdict and text in remark.text for remark in said), found.remarks
    assert found.passed is (verdict != "fail")


async def test_what_cannot_be_seen_is_unknown_and_does_not_fail(patient: Patient) -> None:
    await patient.finance.switch(forbidEntities=["DataManagementEntities"])
    found = await check(patient.ports, ACTUALS, load_map(ACTUALS))
    assert _verdicts(found)["entity of Finance"][0] == "unknown"
    assert (found.passed, found.proven) == (True, False)


async def test_a_new_column_of_an_entity_that_finance_does_not_describe_is_unknown(patient: Patient) -> None:
    def change(content: Content) -> None:
        content["fields"].append({"target": "CONTOSONOTE", "source": "name", "direction": "toFinance"})

    assert (await check(patient.ports, INVOICES, load_map(INVOICES))).proven
    found = await check(patient.ports, INVOICES, _changed(change, INVOICES))
    assert _verdicts(found)["CONTOSONOTE"][0] == "unknown"
    assert (found.passed, found.proven) == (True, False)


async def test_a_check_only_reads(patient: Patient) -> None:
    await patient.forget_requests()
    await check(patient.ports, ACTUALS, load_map(ACTUALS))
    asked = [each for each in await patient.asked() if "/sim/" not in each]
    assert asked
    assert all(each.startswith("GET ") for each in asked)

"""Finance as the app finds it: its access, its set-up, its entities, its data projects and its companies."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from operate.doctor import access_checks, companies, data_project_checks, entity_checks, setup_checks
from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.checks import CHECKS as ALL
from shared.ledger.run import Part
from shared.ledger.shipments import ImportStep
from shared.maps.table_map import TableMap
from simulators.stack import CLIENT_ID
from tests.doctor.patient import Patient
from tests.simulators.finance.packages import package_of, unbilled

CHECKS = (
    *access_checks.CHECKS,
    *setup_checks.CHECKS,
    *entity_checks.CHECKS,
    *data_project_checks.CHECKS,
    *companies.CHECKS,
)
NAMED = {check.name: check for check in CHECKS}
HEADER, ACTUALS = "ProjInvoiceProposalV2Entity", "ProjActualsImportEntity"
FAIL, WARN, UNKNOWN = Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN

type Case = tuple[str, dict[str, Any], Verdict, str, str]
"""A check, switches of Finance, the verdict, what it is about, and what is seen."""

BROKEN: list[Case] = [
    ("finance-application", {"appRegistered": False}, FAIL, "", "does not let the app in"),
    ("finance-user", {"userEnabled": False}, FAIL, "", "the user relay is disabled"),
    ("finance-roles", {"roles": []}, FAIL, "", "no role"),
    ("finance-version", {"applicationVersion": "10.0.35"}, WARN, "", "10.0.35"),
    ("finance-integration", {"integrationOff": ["demf"]}, FAIL, "demf", "it is off"),
    ("finance-integration", {"missingCompanies": ["demf"]}, FAIL, "demf", "no project parameters"),
    (
        "number-sequences",
        {"numberSequenceFlags": {"usmf": {"ToALowerNumber": "No"}}},
        FAIL,
        "usmf",
        "to a lower number",
    ),
    ("number-sequences", {"numberSequenceFlags": {"demf": {"ToAHigherNumber": "No"}}}, FAIL, "demf", "a higher number"),
    ("number-sequences", {"numberSequenceFlags": {"demf": {"Stopped": "Yes"}}}, FAIL, "demf", "it is stopped"),
    ("number-sequences", {"withoutNumberSequence": ["usmf"]}, UNKNOWN, "usmf", "no sequence of invoice proposals"),
    ("finance-entities", {"notInDataManagement": [HEADER]}, FAIL, "invoices", "not enabled for Data Management"),
    ("finance-entities", {"notPublic": [ACTUALS]}, FAIL, "actuals", "is not public"),
    ("finance-labels", {"entityListRefreshed": False}, FAIL, "", "never been refreshed"),
    ("finance-labels", {"entityLabels": {ACTUALS: "Other label"}}, FAIL, "actuals", "has the label Other label"),
    ("finance-labels", {"notEnabled": [HEADER]}, FAIL, "invoices", "is not enabled"),
    ("finance-labels", {"entityKeys": {HEADER: "DATAAREAID, INVOICEID"}}, WARN, "invoices", "INVOICEID, in the map"),
    ("finance-labels", {"notInDataManagement": [ACTUALS]}, FAIL, "actuals", f"has no {ACTUALS}"),
    ("finance-columns", {"notPublic": [ACTUALS]}, FAIL, "actuals", "no public entity"),
    ("companies", {"missingCompanies": ["demf"]}, FAIL, "demf", "no such legal entity"),
    ("companies", {"furtherCompanies": ["frrt"]}, WARN, "frrt", "Dataverse has no such company"),
]
SOURCES = {
    "finance-application": "SysAADClients",
    "finance-user": "SystemUsers",
    "finance-roles": "SecurityUserRoleAssociations",
    "finance-version": "GetApplicationVersion",
    "finance-integration": "ProjectParameterV2",
    "number-sequences": "SequenceV2Tables",
    "finance-entities": "/metadata/DataEntities",
    "finance-labels": "DataManagementEntities",
    "finance-columns": "/metadata/PublicEntities",
    "data-projects": "DataManagementDefinitionGroups",
    "finance-imports": "DataManagementExecutionJobDetails",
    "companies": "LegalEntities",
}


CONFIRMED: set[str] = set()
"""The tenants in which both companies have a confirmed invoice."""


@pytest.fixture(autouse=True)
async def both_companies(patient: Patient) -> None:
    """Both companies are met by the maps, whatever other tests have confirmed."""
    if patient.dataverse.url not in CONFIRMED:
        for company in ("usmf", "demf"):
            await patient.dataverse.confirmed(lines=1, company=company)
        CONFIRMED.add(patient.dataverse.url)


def verdicts(findings: list[Finding]) -> set[Verdict]:
    return {finding.verdict for finding in findings}


def about(findings: list[Finding], what: str) -> Finding:
    [found] = [finding for finding in findings if finding.about == what]
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_all_is_well(patient: Patient, check: Check) -> None:
    findings = await patient.diagnose(check)
    assert verdicts(findings) == {Verdict.OK}, findings


@pytest.mark.parametrize("case", BROKEN, ids=[f"{case[0]}-{next(iter(case[1]))}" for case in BROKEN])
async def test_one_thing_is_wrong(patient: Patient, case: Case) -> None:
    name, switches, verdict, what, seen = case
    await patient.finance.switch(**switches)
    findings = await patient.diagnose(NAMED[name])
    found = about(findings, what)
    assert (found.verdict, bool(found.next_step)) == (verdict, True)
    assert seen in found.seen
    assert verdicts([each for each in findings if each is not found]) <= {Verdict.OK}


@pytest.mark.parametrize(("name", "source"), SOURCES.items())
async def test_a_source_that_is_forbidden_is_unknown(patient: Patient, name: str, source: str) -> None:
    await patient.finance.switch(forbidEntities=[source])
    [finding] = await patient.diagnose(NAMED[name])
    assert (finding.verdict, source.removeprefix("/metadata/") in finding.next_step) == (UNKNOWN, True)


@pytest.mark.parametrize("check", [each for each in ALL if each.area == "finance"], ids=lambda check: check.name)
async def test_with_the_package_api_alone_nothing_fails(patient: Patient, check: Check) -> None:
    await patient.finance.switch(forbidAllButPackages=True)
    [finding] = await patient.diagnose(check)
    assert (finding.verdict, "Give the app's user in Finance" in finding.next_step) == (UNKNOWN, True)


async def test_a_release_without_the_set_is_unknown(patient: Patient) -> None:
    await patient.finance.switch(notPublic=["ProjParametersV2Entity"])
    [finding] = await patient.diagnose(NAMED["finance-integration"])
    assert (finding.verdict, "Finance has no ProjectParameterV2" in finding.seen) == (UNKNOWN, True)


@pytest.mark.parametrize("status", [401, 403])
async def test_an_application_that_is_not_registered_fails(patient: Patient, status: int) -> None:
    await patient.finance.switch(appRegistered=False, unregisteredStatus=status)
    [finding] = await patient.diagnose(NAMED["finance-application"])
    assert (finding.verdict, CLIENT_ID in finding.expected) == (FAIL, True)
    assert "Microsoft Entra applications" in finding.next_step


async def test_an_identity_without_a_known_client_id_is_unknown(patient: Patient) -> None:
    [finding] = await patient.diagnose(
        NAMED["finance-application"], SIGN_IN_METHOD="managedIdentity", SIGN_IN_CLIENT_ID=""
    )
    assert (finding.verdict, "SIGN_IN_CLIENT_ID" in finding.seen) == (UNKNOWN, True)


@pytest.mark.parametrize("version", ["10.0.36", "10.0.2345.67"])
async def test_a_newer_version_is_well(patient: Patient, version: str) -> None:
    await patient.finance.switch(applicationVersion=version)
    assert await patient.verdict(NAMED["finance-version"]) == Verdict.OK


@pytest.mark.parametrize("version", ["", "preview"])
async def test_what_is_no_version_is_unknown(patient: Patient, version: str) -> None:
    await patient.finance.switch(applicationVersion=version)
    assert await patient.verdict(NAMED["finance-version"]) == UNKNOWN


async def test_a_number_sequence_of_another_name_is_found_if_there_is_only_one(patient: Patient) -> None:
    flags = {"usmf": {"ToALowerNumber": "No"}}
    await patient.finance.switch(numberSequenceDataType="ProjInvoiceProposalId", numberSequenceFlags=flags)
    assert about(await patient.diagnose(NAMED["number-sequences"]), "usmf").verdict == FAIL
    await patient.finance.switch(numberSequenceDataType="SomethingElse")
    assert verdicts(await patient.diagnose(NAMED["number-sequences"])) == {UNKNOWN}


async def test_without_proposals_no_number_sequence_is_asked_for(patient: Patient) -> None:
    maps = {"transactionconnections": patient.ports.maps["transactionconnections"]}
    await patient.forget_requests()
    assert await patient.verdict(NAMED["number-sequences"], maps=maps) == Verdict.OK
    assert await patient.asked() == []


def changed(maps: Mapping[str, TableMap], name: str, **target: Any) -> dict[str, TableMap]:
    """The maps, one with another target."""
    content = maps[name].model_dump()
    return {**maps, name: TableMap.model_validate(content | {"target": content["target"] | target})}


async def test_an_entity_that_finance_does_not_have_fails(patient: Patient) -> None:
    maps = changed(patient.ports.maps, "invoices", aot="ProjInvoiceProposalV9Entity")
    found = about(await patient.diagnose(NAMED["finance-entities"], maps=maps), "invoices")
    assert (found.verdict, "has no entity ProjInvoiceProposalV9Entity" in found.seen) == (FAIL, True)
    assert about(await patient.diagnose(NAMED["finance-labels"], maps=maps), "invoices").verdict == FAIL


async def test_a_column_that_finance_does_not_have_fails(patient: Patient) -> None:
    maps = dict(patient.ports.maps)
    content = maps["actuals"].model_dump()
    content["fields"] = [*content["fields"], {"target": "NOSUCHCOLUMN", "source": "msdyn_x", "direction": "toFinance"}]
    maps["actuals"] = TableMap.model_validate(content)
    found = about(await patient.diagnose(NAMED["finance-columns"], maps=maps), "actuals")
    assert (found.verdict, "NOSUCHCOLUMN" in found.seen) == (FAIL, True)


async def test_a_required_column_that_the_map_leaves_out_is_a_warning(patient: Patient) -> None:
    maps = dict(patient.ports.maps)
    content = maps["actuals"].model_dump()
    content["fields"] = [field for field in content["fields"] if field["target"] != "DOCUMENTDATE"]
    maps["actuals"] = TableMap.model_validate(content)
    found = about(await patient.diagnose(NAMED["finance-columns"], maps=maps), "actuals")
    assert (found.verdict, "requires DOCUMENTDATE" in found.seen) == (WARN, True)


async def test_maps_without_a_public_entity_have_no_columns_that_can_be_seen(patient: Patient) -> None:
    maps = {"invoices": patient.ports.maps["invoices"]}
    assert await patient.verdict(NAMED["finance-columns"], maps=maps) == UNKNOWN


async def make_project(patient: Patient, name: str, entity: str, operation: str = "Import") -> None:
    project = {"Name": name, "OperationType": operation}
    assert (await patient.finance.send("POST", "/data/DataManagementDefinitionGroups", project)).status == 201
    detail = {"DefinitionGroupId": name, "EntityName": entity}
    assert (await patient.finance.send("POST", "/data/DataManagementDefinitionGroupDetails", detail)).status == 201


async def test_data_projects_are_looked_at(patient: Patient) -> None:
    label = patient.ports.maps["actuals"].target.entity
    await make_project(patient, "Looked-actuals-1", label)
    await make_project(patient, "Looked-invoices-1", label)
    await make_project(patient, "Looked-transactionconnections-1", label, "Export")
    findings = await patient.diagnose(NAMED["data-projects"], FINANCE_DATA_PROJECT="Looked")
    assert (about(findings, "actuals").verdict, about(findings, "actuals").seen) == (Verdict.OK, "Looked-actuals-1")
    assert f"Looked-invoices-1 holds {label}" in about(findings, "invoices").seen
    assert [about(findings, name).verdict for name in ("invoices", "transactionconnections")] == [WARN, FAIL]


async def test_imports_that_do_not_end_are_told(patient: Patient) -> None:
    dock, check = patient.ports.dock, NAMED["finance-imports"]
    part = Part(uuid4(), "actuals", 1, 1, "usmf", "blob", 1)
    await dock.land(part)
    claimed = await dock.claim(
        await dock.view("actuals"), await dock.of_subject("actuals", part.subject), lane=0, ticket="t"
    )
    shipment = await dock.save(claimed, step=ImportStep.RUNNING, sent_at=patient.clock.now())
    await patient.finance.switch(importNeverEnds=1, notFoundPolls=0)
    project = f"{patient.ports.settings.finance_project}-actuals-1"
    package = package_of(patient.ports.maps["actuals"].target.entity, [unbilled()])
    await patient.finance.started(package, definitionGroupId=project, executionId=shipment.execution_id)
    while await patient.finance.status(shipment.execution_id) != "Executing":
        pass
    while (await patient.finance.job(shipment.execution_id))["StagingStatus"] != "Executing":
        pass
    found = about(await patient.diagnose(check), "actuals")
    assert (found.verdict, found.seen) == (Verdict.OK, "1 import is under way")
    patient.clock.advance(timedelta(hours=1))
    found = about(await patient.diagnose(check), "actuals")
    assert (found.verdict, f"relay finance-page {shipment.execution_id}" in found.next_step) == (WARN, True)
    await dock.remove(shipment, await dock.cargo(shipment))
    found = about(await patient.diagnose(check), "actuals")
    assert (found.verdict, f"{project} is busy with the import {shipment.execution_id}" in found.seen) == (WARN, True)
    await patient.finance.switch(stuckImportsEnd="Canceled")
    while await patient.finance.status(shipment.execution_id) == "Executing":
        pass
    assert about(await patient.diagnose(check), "actuals").verdict == Verdict.OK


async def test_an_application_that_is_not_in_the_list_is_a_warning(patient: Patient) -> None:
    [finding] = await patient.diagnose(NAMED["finance-application"], SIGN_IN_CLIENT_ID=str(uuid4()))
    assert (finding.verdict, "shows no row" in finding.seen) == (WARN, True)
    [finding] = await patient.diagnose(NAMED["finance-user"], SIGN_IN_CLIENT_ID=str(uuid4()))
    assert (finding.verdict, "finance-application" in finding.next_step) == (UNKNOWN, True)


@pytest.mark.parametrize("name", ["companies", "finance-integration", "number-sequences"])
async def test_without_any_company_nothing_is_well(patient: Patient, name: str) -> None:
    maps = {stage: each.model_copy(update={"company": None}) for stage, each in patient.ports.maps.items()}
    await patient.finance.switch(integrationOff=["demf", "usmf"])
    assert await patient.verdict(NAMED[name], maps=maps) == UNKNOWN


async def test_only_companies_that_the_maps_meet_are_looked_at(patient: Patient) -> None:
    def narrowed(each: TableMap, condition: str) -> TableMap:
        content = each.model_dump()
        content["source"]["filter"] = condition.format(path=str(each.company).replace(".", "/"))
        return TableMap.model_validate(content)

    async def met(condition: str) -> list[str]:
        maps = {name: narrowed(each, condition) for name, each in patient.ports.maps.items() if each.company}
        return [finding.about for finding in await patient.diagnose(NAMED["companies"], maps=maps)]

    assert await met("{path} eq 'demf'") == ["demf"]
    # Nothing has been carried yet: all companies.
    assert await met("{path} eq 'none'") == ["demf", "usmf"]


@pytest.mark.parametrize("name", ["companies", "finance-integration", "number-sequences"])
async def test_companies_that_dataverse_does_not_show_are_unknown(patient: Patient, name: str) -> None:
    await patient.dataverse.switch(forbidTables="cdm_companies")
    [finding] = await patient.diagnose(NAMED[name])
    assert (finding.verdict, "cdm_companies" in finding.seen) == (UNKNOWN, True)

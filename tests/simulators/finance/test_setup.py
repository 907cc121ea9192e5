"""How an environment is set up, as OData shows it, and each switch that breaks it."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.simulators.finance.client import ACTION, Finance
from tests.simulators.finance.packages import ACTUALS, HEADERS, header, new_number, package_of

HEADER_ENTITY = "ProjInvoiceProposalV2Entity"
ACTUALS_ENTITY = "ProjActualsImportEntity"


async def rows(finance: Finance, name: str, condition: str = "", more: str = "") -> list[dict[str, Any]]:
    """The rows of a set, without their tags."""
    where = f"$filter={quote(condition, safe='')}" if condition else ""
    page = await finance.get(f"/data/{name}?{where}{more}")
    return [{key: value for key, value in row.items() if key != "@odata.etag"} for row in page["value"]]


async def test_the_application_its_user_and_its_roles(finance: Finance) -> None:
    (app,) = await rows(finance, "SysAADClients", "AADClientId eq 'relay'", "&$select=Name,UserId")
    (user,) = await rows(finance, "SystemUsers", f"UserID eq '{app['UserId'].upper()}'", "&$select=UserID,Enabled")
    assert user == {"UserID": app["UserId"], "Enabled": True}
    roles = await rows(finance, "SecurityUserRoleAssociations", f"UserId eq '{app['UserId']}'")
    assert {role["AssignmentStatus"] for role in roles} == {"Enabled"}
    await finance.switch(userEnabled=False, roles=[])
    (user,) = await rows(finance, "SystemUsers", f"UserID eq '{app['UserId']}' and Enabled eq false")
    assert user["Company"] == "usmf"
    assert await rows(finance, "SecurityUserRoleAssociations") == []


async def test_an_application_that_is_not_registered_reads_nothing_but_the_metadata_document(finance: Finance) -> None:
    for status in (401, 403):
        await finance.switch(appRegistered=False, unregisteredStatus=status)
        for path in ("/data/LegalEntities", "/data", "/metadata/DataEntities", "/data/Nothing"):
            reply = await finance.send("GET", path)
            assert (reply.status, reply.text.startswith("<!DOCTYPE")) == (status, True)
        assert (await finance.call("InitializeDataManagement")).status == status
        assert (await finance.send("GET", "/data/$metadata")).status == 200
    stranger = {"Authorization": f"Bearer {finance.token(client_id='stranger')}"}
    assert (await finance.send("GET", "/data/$metadata", headers=stranger)).status == 200
    assert (await finance.send("GET", "/data/$metadata", headers={"Authorization": "Bearer x"})).status == 401


async def test_a_role_may_allow_nothing_but_the_package_api(finance: Finance) -> None:
    await finance.switch(forbidAllButPackages=True)
    for path in ("/data/LegalEntities", "/data/ProjActualsImports/$count", "/Metadata/DataEntities"):
        reply = await finance.send("GET", path)
        assert (reply.status, "not authorized" in reply.message) == (403, True)
    version = "/data/DataManagementEntities/Microsoft.Dynamics.DataEntities.GetApplicationVersion"
    assert (await finance.send("POST", version, {})).status == 403
    assert (await finance.send("GET", "/data/$metadata")).status == 200
    number = new_number()
    assert (await finance.run(package_of(HEADERS, [header(number)])))[0] == "Succeeded"


@pytest.mark.parametrize("path", ["/data/SystemUsers", "/metadata/DataEntities", "/METADATA/DataEntities('X')"])
async def test_a_set_or_a_path_may_be_forbidden_alone(finance: Finance, path: str) -> None:
    await finance.switch(forbidEntities=["SystemUsers", "/metadata/DataEntities"])
    assert (await finance.send("GET", path)).status == 403
    assert (await finance.send("GET", "/data/LegalEntities")).status == 200
    assert (await finance.send("GET", "/metadata/PublicEntities")).status == 200


async def test_the_entity_list_names_the_label_the_staging_table_and_the_key(finance: Finance) -> None:
    query = ("DataManagementEntities", f"TargetName eq '{HEADER_ENTITY}'")
    assert await rows(finance, *query, "&$select=EntityName,StagingTableName,EntityKey,EntityIsEnabled") == [
        {
            "EntityName": HEADERS,
            "StagingTableName": "ProjInvoiceProposalV2Staging",
            "EntityKey": "DATAAREAID, INVOICEPROPOSALID",
            "EntityIsEnabled": "Yes",
        }
    ]
    await finance.switch(notEnabled=[HEADER_ENTITY], entityKeys={HEADER_ENTITY: "INVOICEID"})
    (found,) = await rows(finance, *query)
    assert (found["EntityIsEnabled"], found["EntityKey"]) == ("No", "INVOICEID")
    await finance.switch(entityListRefreshed=False)
    assert await rows(finance, "DataManagementEntities") == []
    await finance.call("InitializeDataManagement")
    assert len(await rows(finance, *query)) == 1


async def test_an_entity_of_another_label_is_not_imported_under_the_old_one(finance: Finance) -> None:
    await finance.switch(entityLabels={ACTUALS_ENTITY: "Integration entity for project actuals"})
    (found,) = await rows(finance, "DataManagementEntities", f"TargetName eq '{ACTUALS_ENTITY}'")
    assert found["EntityName"] == "Integration entity for project actuals"
    reply = await finance.start(package_of(ACTUALS, [{"ACTUALSIMPORTID": "x"}]))
    assert f"Entity {ACTUALS} does not exist in the target environment." in reply.message
    await finance.switch(entityLabels={}, notInDataManagement=[ACTUALS_ENTITY])
    assert await rows(finance, "DataManagementEntities", f"TargetName eq '{ACTUALS_ENTITY}'") == []
    assert (await finance.start(package_of(ACTUALS, [{"ACTUALSIMPORTID": "x"}]))).status == 400


async def test_the_switch_of_project_operations_is_one_for_each_company(finance: Finance) -> None:
    select = "&$select=dataAreaId,ProjectOperationsIntegrationFeatureStatus&cross-company=true"
    await finance.switch(integrationOff=["demf"])
    found = await rows(finance, "ProjectParameterV2", "", select)
    assert [tuple(row.values()) for row in found] == [("usmf", "Yes"), ("demf", "No")]
    assert [row["dataAreaId"] for row in await rows(finance, "ProjectParameterV2", "dataAreaId eq 'demf'")] == []


async def test_a_number_sequence_is_found_by_filters_alone(finance: Finance) -> None:
    await finance.switch(numberSequenceFlags={"demf": {"ToALowerNumber": "No"}}, withoutNumberSequence=["usmf"])
    references = await rows(finance, "NumberSequencesV2References", "DataTypeName eq 'ProjProposalId'")
    (reference,) = references
    assert (reference["ScopeType"], reference["ScopeValue"]) == ("DataArea", "demf")
    code = reference["NumberSequenceCode"]
    # A code alone is no sequence: another company has one of the same code.
    assert len(await rows(finance, "SequenceV2Tables", f"NumberSequenceCode eq '{code}'")) == 2
    condition = f"NumberSequenceCode eq '{code}' and ScopeValue eq 'DEMF'"
    (sequence,) = await rows(finance, "SequenceV2Tables", condition, "&$select=ToALowerNumber,ToAHigherNumber")
    assert sequence == {"ToALowerNumber": "No", "ToAHigherNumber": "Yes"}
    scope = "Microsoft.Dynamics.DataEntities.NumberSequenceType'DataArea'"
    key = f"NumberSequenceCode='{code}',ScopeType={scope},ScopeValue='demf'"
    assert (await finance.send("GET", f"/data/SequenceV2Tables({key})")).status == 404


async def test_a_company_may_be_missing(finance: Finance) -> None:
    assert [row["LegalEntityId"] for row in await rows(finance, "LegalEntities")] == ["DAT", "USMF", "DEMF"]
    await finance.switch(missingCompanies=["demf"])
    assert [row["LegalEntityId"] for row in await rows(finance, "LegalEntities")] == ["DAT", "USMF"]
    count = await finance.send("GET", "/data/LegalEntities/$count?$filter=LegalEntityId eq 'demf'")
    assert count.text == "\ufeff0"


@pytest.mark.parametrize("path", ["/data/LegalEntities", "/metadata/DataEntities"])
async def test_the_wildcard_is_a_star_and_startswith_cannot_be_queried(finance: Finance, path: str) -> None:
    name = "Name" if "metadata" in path else "LegalEntityId"
    reply = await finance.send("GET", f"{path}?$filter=startswith({name},'U')")
    assert (reply.status, "is not Queryable" in reply.message) == (400, True)
    found = await finance.get(f"{path}?$filter={name} eq 'U*'&$select={name}")
    assert [row[name] for row in found["value"]] == ([] if "metadata" in path else ["USMF"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DataManagementEntities/{}GetApplicationVersion", "10.0.2345.67"),
        ("DataManagementEntities/{}GetApplicationBuildVersion", "10.0.2345.67"),
        ("DataManagementEntities/{}GetPlatformBuildVersion", "7.0.7778.29"),
    ],
)
async def test_versions_are_actions(finance: Finance, name: str, value: str) -> None:
    path = f"/data/{name.format('Microsoft.Dynamics.DataEntities.')}"
    assert (await finance.send("POST", path, {})).json["value"] == value
    assert (await finance.send("GET", path)).status == 404


async def test_modules_are_lines_of_text(finance: Finance) -> None:
    path = "/data/SystemNotifications/Microsoft.Dynamics.DataEntities.GetInstalledModules"
    modules = (await finance.send("POST", path, {})).json["value"]
    assert modules[0].split(" | ")[:2] == ["Name: ApplicationSuite", "Version: 10.0.2345.67"]
    assert (await finance.send("POST", path.replace("Modules", "Nothing"), {})).status == 404
    assert (await finance.send("POST", ACTION + "GetInstalledModules", {})).status == 404

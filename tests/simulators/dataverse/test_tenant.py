"""What a tenant is like: its organization, the app's user, solutions, parameters, and tables that differ."""

import pytest

from tests.simulators.dataverse.client import Dataverse, Reply

CRM = "Microsoft.Dynamics.CRM."
FORMATTED = 'odata.include-annotations="OData.Community.Display.V1.FormattedValue"'
ACTUAL = "EntityDefinitions(LogicalName='msdyn_actual')"
OTHER = "00000000-1111-4000-8000-000000000001"


async def test_the_organization_names_itself(dataverse: Dataverse) -> None:
    path = f"RetrieveCurrentOrganization(AccessType={CRM}EndpointAccessType'Default')"
    detail = (await dataverse.get(path)).json["Detail"]
    assert detail["OrganizationId"] == (await dataverse.get("WhoAmI")).json["OrganizationId"]
    assert (await dataverse.get("RetrieveVersion")).json["Version"] == detail["OrganizationVersion"]
    await dataverse.switch(organizationId=OTHER)
    assert (await dataverse.get("WhoAmI")).json["OrganizationId"] == OTHER
    assert (await dataverse.get(path)).json["Detail"]["OrganizationId"] == OTHER


@pytest.mark.parametrize("arguments", ["", "()", "(AccessType='Default')"])
async def test_the_access_type_must_be_given_as_an_enum(dataverse: Dataverse, arguments: str) -> None:
    assert (await dataverse.get(f"RetrieveCurrentOrganization{arguments}")).status == 400


async def test_the_apps_user(dataverse: Dataverse) -> None:
    path = f"systemusers({(await dataverse.get('WhoAmI')).json['UserId']})"
    select = "?$select=fullname,applicationid,azureactivedirectoryobjectid,isdisabled,accessmode,_businessunitid_value"
    row = (await dataverse.get(path + select)).json
    assert (row["applicationid"], row["isdisabled"], row["accessmode"]) == ("relay", False, 4)
    assert row["_businessunitid_value"] == (await dataverse.get("WhoAmI")).json["BusinessUnitId"]
    await dataverse.switch(userDisabled=True, userAccessMode=0, userApplicationId=OTHER)
    row = (await dataverse.get(path + select)).json
    assert (row["applicationid"], row["isdisabled"], row["accessmode"]) == (OTHER, True, 0)


async def test_the_time_zone_of_a_user_has_a_windows_name(dataverse: Dataverse) -> None:
    key = (await dataverse.get("WhoAmI")).json["UserId"]

    async def zone() -> str:
        code = (await dataverse.get(f"usersettingscollection({key})?$select=timezonecode")).json["timezonecode"]
        found = await dataverse.query("timezonedefinitions", filter=f"timezonecode eq {code}", select="standardname")
        return str(found.rows[0]["standardname"])

    assert await zone() == "W. Europe Standard Time"
    await dataverse.switch(userTimeZone=92)
    assert await zone() == "UTC"


async def versions(dataverse: Dataverse) -> dict[str, str]:
    found = await dataverse.query(
        "solutions", select="uniquename,version,ismanaged", filter="contains(uniquename,'DualWrite')"
    )
    return {row["uniquename"]: row["version"] for row in found.rows}


async def test_an_old_solution_may_sort_higher(dataverse: Dataverse) -> None:
    assert (await versions(dataverse))["DualWriteCore"] == "1.0.24093.1"
    await dataverse.switch(solutionVersions="DualWriteCore=1.1.33.0,DualWriteCoreAnchor=")
    changed = await versions(dataverse)
    assert changed["DualWriteCore"] == "1.1.33.0"
    assert "DualWriteCoreAnchor" not in changed


async def parameters(dataverse: Dataverse) -> Reply:
    select = "msdyn_projecttasktimetracking,msdyn_projectactualstracking,msdyn_estimatepricing"
    return await dataverse.query("msdyn_projectparameters", FORMATTED, select=select, top="2")


async def test_parameters_of_project_operations_have_labels(dataverse: Dataverse) -> None:
    [row] = (await parameters(dataverse)).rows
    label = "@OData.Community.Display.V1.FormattedValue"
    assert row[f"msdyn_projecttasktimetracking{label}"] == "Delayed update"
    assert row[f"msdyn_projectactualstracking{label}"] == "On-demand update"
    await dataverse.switch(projectParameters=False)
    assert (await parameters(dataverse)).rows == []
    await dataverse.switch(missingColumns="msdyn_projectparameter.msdyn_projectactualstracking")
    refused = await parameters(dataverse)
    assert refused.error == (400, "0x80060888")
    assert "'msdyn_projectactualstracking'" in refused.message


async def test_an_older_solution_lacks_a_column_everywhere(dataverse: Dataverse) -> None:
    path = f"{ACTUAL}/Attributes?$select=LogicalName,AttributeType,IsValidForRead,IsValidForUpdate"
    before = {row["LogicalName"]: row for row in (await dataverse.get(path)).rows}
    await dataverse.switch(missingColumns="msdyn_actual.msdyn_task,msdyn_actual.msdyn_externaloriginreference")
    after = {row["LogicalName"] for row in (await dataverse.get(path)).rows}
    assert before.keys() - after == {"msdyn_task", "msdyn_externaloriginreference"}
    select = "$select=msdyn_description&$expand=msdyn_Task($select=msdyn_subject)"
    assert (await dataverse.get(f"msdyn_actuals?{select}")).status == 400
    assert (await dataverse.get("msdyn_actuals?$select=msdyn_externaloriginreference")).status == 400
    assert before["createdon"]["IsValidForUpdate"] is False
    assert before["msdyn_billingtypename"]["AttributeType"] == "Virtual"


async def test_members_of_one_type_need_a_cast(dataverse: Dataverse) -> None:
    assert (await dataverse.get(f"{ACTUAL}/Attributes?$select=LogicalName,DateTimeBehavior")).status == 400
    path = f"{ACTUAL}/Attributes/{CRM}DateTimeAttributeMetadata?$select=LogicalName,Format,DateTimeBehavior"
    dates = {row["LogicalName"]: row for row in (await dataverse.get(path)).rows}
    assert dates["msdyn_transactiondate"]["DateTimeBehavior"]["Value"] == "DateOnly"
    assert dates["msdyn_startdatetime"]["Format"] == "DateAndTime"
    assert "msdyn_amount" not in dates
    await dataverse.switch(dateBehaviors="msdyn_actual.msdyn_transactiondate=UserLocal")
    dates = {row["LogicalName"]: row for row in (await dataverse.get(path)).rows}
    assert dates["msdyn_transactiondate"]["DateTimeBehavior"]["Value"] == "UserLocal"


async def options(dataverse: Dataverse, table: str, column: str) -> tuple[set[int], bool]:
    """The values of a choice, and whether it is a global one."""
    path = f"EntityDefinitions(LogicalName='{table}')/Attributes/{CRM}PicklistAttributeMetadata"
    rows = (await dataverse.get(f"{path}?$select=LogicalName&$expand=OptionSet,GlobalOptionSet")).rows
    [found] = [row for row in rows if row["LogicalName"] == column]
    return {each["Value"] for each in found["OptionSet"]["Options"]}, found["GlobalOptionSet"] is not None


async def test_a_choice_may_lack_a_value_or_have_one_more(dataverse: Dataverse) -> None:
    before, is_global = await options(dataverse, "msdyn_actual", "msdyn_billingtype")
    assert is_global
    assert not (await options(dataverse, "invoice", "paymenttermscode"))[1]
    await dataverse.switch(missingChoices="billingtype=192350002", addedChoices="billingtype=192350009")
    after, _ = await options(dataverse, "msdyn_actual", "msdyn_billingtype")
    assert before ^ after == {192350002, 192350009}


async def test_states_and_booleans_have_definitions_of_their_own(dataverse: Dataverse) -> None:
    path = f"{ACTUAL}/Attributes/{CRM}{{}}AttributeMetadata?$select=LogicalName&$expand=OptionSet"
    [state] = (await dataverse.get(path.format("State"))).rows
    assert {each["Value"] for each in state["OptionSet"]["Options"]} == {0, 1}
    truths = {row["LogicalName"]: row for row in (await dataverse.get(path.format("Boolean"))).rows}
    assert truths["msdyn_isjournalized"]["OptionSet"]["TrueOption"]["Value"] == 1
    assert "statecode" not in truths


async def test_a_lookup_to_several_tables_has_a_navigation_property_for_each(dataverse: Dataverse) -> None:
    path = "EntityDefinitions(LogicalName='invoice')/ManyToOneRelationships?$select="
    rows = (await dataverse.get(f"{path}ReferencingAttribute,ReferencingEntityNavigationPropertyName")).rows
    names = {
        row["ReferencingEntityNavigationPropertyName"] for row in rows if row["ReferencingAttribute"] == "customerid"
    }
    assert names == {"customerid_account", "customerid_contact"}

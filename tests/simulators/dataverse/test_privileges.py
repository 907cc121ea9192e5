"""What the app's user may do, and how Dataverse tells it."""

import json
from urllib.parse import quote

import pytest

from tests.simulators.dataverse.client import Dataverse, Reply

CRM = "Microsoft.Dynamics.CRM."


async def user(dataverse: Dataverse) -> str:
    return f"systemusers({(await dataverse.get('WhoAmI')).json['UserId']})"


async def asked(dataverse: Dataverse, *names: str) -> Reply:
    """RetrieveUserSetOfPrivilegesByNames."""
    path = f"{await user(dataverse)}/{CRM}RetrieveUserSetOfPrivilegesByNames(PrivilegeNames=@p)"
    return await dataverse.get(f"{path}?@p={quote(json.dumps(names))}")


async def held(dataverse: Dataverse, *names: str) -> dict[str, str]:
    found = (await asked(dataverse, *names)).json["RolePrivileges"]
    return {each["PrivilegeName"]: each["Depth"] for each in found}


async def test_a_privilege_that_is_not_held_is_left_out(dataverse: Dataverse) -> None:
    names = ("prvReadInvoice", "prvReadmsdyn_actual", "prvWritemsdyn_actual")
    assert await held(dataverse, *names) == dict.fromkeys(names, "Global")
    await dataverse.switch(missingPrivileges="prvWritemsdyn_actual", privilegeDepths="prvReadmsdyn_actual=Basic")
    assert await held(dataverse, *names) == {"prvReadInvoice": "Global", "prvReadmsdyn_actual": "Basic"}


async def test_the_case_of_a_privileges_name_counts(dataverse: Dataverse) -> None:
    assert await held(dataverse, "prvReadinvoice", "prvReadMsdyn_Actual") == {}


async def test_one_privilege_or_all_of_them(dataverse: Dataverse) -> None:
    path = f"{await user(dataverse)}/{CRM}RetrieveUserPrivilege"
    one = await dataverse.get(f"{path}ByPrivilegeName(PrivilegeName='prvReadOrder')")
    [found] = one.json["RolePrivileges"]
    assert (found["PrivilegeName"], found["Depth"]) == ("prvReadOrder", "Global")
    none = await dataverse.get(f"{path}ByPrivilegeName(PrivilegeName='prvReadSalesOrder')")
    assert none.json["RolePrivileges"] == []
    names = {each["PrivilegeName"] for each in (await dataverse.get(f"{path}s()")).json["RolePrivileges"]}
    assert {"prvReadOrder", "prvReadUser", "prvReadcdm_Company"} <= names


async def test_a_function_of_a_user_needs_its_namespace(dataverse: Dataverse) -> None:
    assert (await dataverse.get(f"{await user(dataverse)}/RetrieveUserPrivileges()")).status in {400, 404}
    assert (await dataverse.get(f"{await user(dataverse)}/{CRM}Nothing()")).status == 404


async def test_definitions_name_the_privileges_of_a_table(dataverse: Dataverse) -> None:
    select = "EntityDefinitions?$select=SchemaName,Privileges&$filter=EntitySetName eq '{}'"
    found = {}
    for name in ("salesorders", "invoicedetails", "cdm_companies"):
        [entity] = (await dataverse.get(quote(select.format(name), safe="?$=&',"))).rows
        found[entity["SchemaName"]] = {each["PrivilegeType"]: each["Name"] for each in entity["Privileges"]}
    assert found["SalesOrder"]["Read"] == "prvReadOrder"
    assert found["InvoiceDetail"]["Write"] == "prvWriteInvoice"
    assert "Assign" not in found["cdm_Company"]


async def test_without_a_privilege_a_read_is_refused_through_a_lookup_too(dataverse: Dataverse) -> None:
    await dataverse.switch(missingPrivileges="prvReadcdm_Company")
    assert (await dataverse.get("cdm_companies?$select=cdm_name")).error == (403, "0x80040220")
    through = await dataverse.get("msdyn_projects?$select=msdyn_subject&$expand=msdyn_owningcompany($select=cdm_name)")
    assert through.error == (403, "0x80040220")
    assert "prvReadcdm_Company privilege" in through.message
    assert (await dataverse.get("msdyn_projects?$select=msdyn_subject")).status == 200


async def test_a_shallow_depth_hides_rows_without_an_error(dataverse: Dataverse) -> None:
    [company, *_] = (await dataverse.get("uoms?$select=name")).rows
    await dataverse.switch(privilegeDepths="prvReadUoM=Basic")
    assert (await dataverse.get("uoms?$select=name")).rows == []
    assert (await dataverse.get("uoms/$count")).body.endswith(b"0")
    assert (await dataverse.get(f"uoms({company['uomid']})?$select=name")).error == (403, "0x80040220")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("RetrieveVersion", "RetrieveVersion"),
        ("EntityDefinitions?$select=LogicalName", "EntityDefinitions"),
        ("solutions?$select=version", "solutions"),
        (f"{{user}}/{CRM}RetrieveUserPrivileges()", "RetrieveUserPrivileges"),
    ],
)
async def test_any_source_may_be_forbidden(dataverse: Dataverse, path: str, name: str) -> None:
    path = path.format(user=await user(dataverse))
    assert (await dataverse.get(path)).status == 200
    await dataverse.switch(forbidTables=name)
    refused = await dataverse.get(path)
    assert refused.error == (403, "0x80040220")
    assert "is missing prvRead" in refused.message


async def test_to_bypass_business_logic_takes_a_privilege(dataverse: Dataverse) -> None:
    made = await dataverse.call("POST", "accounts", {"name": "Bypassed"}, Prefer="return=representation")
    headers = {"If_Match": "*", "MSCRM.BypassBusinessLogicExecution": "CustomAsync"}
    path = f"accounts({made.json['accountid']})"
    assert (await dataverse.call("PATCH", path, {"telephone1": "1"}, **headers)).status == 204
    await dataverse.switch(missingPrivileges="prvBypassCustomBusinessLogic")
    assert (await dataverse.call("PATCH", path, {"telephone1": "2"}, **headers)).error == (403, "0x80040220")
    assert (await dataverse.call("PATCH", path, {"telephone1": "2"}, If_Match="*")).status == 204


async def test_a_privilege_of_a_team_is_found_by_its_name(dataverse: Dataverse) -> None:
    await dataverse.switch(teamPrivileges="prvReadInvoice")
    assert await held(dataverse, "prvReadInvoice") == {}
    path = f"{await user(dataverse)}/{CRM}RetrieveUserPrivilegeByPrivilegeName(PrivilegeName='prvReadInvoice')"
    assert len((await dataverse.get(path)).json["RolePrivileges"]) == 1


async def test_the_rights_to_one_row(dataverse: Dataverse) -> None:
    [row, *_] = (await dataverse.get("uoms?$select=name&$top=1")).rows
    target = quote(json.dumps({"@odata.id": f"uoms({row['uomid']})"}))
    path = f"{await user(dataverse)}/{CRM}RetrievePrincipalAccess(Target=@t)?@t={target}"
    await dataverse.switch(missingPrivileges="prvDeleteUoM", privilegeDepths="prvWriteUoM=Basic")
    rights = (await dataverse.get(path)).json["AccessRights"].split(", ")
    assert "ReadAccess" in rights
    assert {"DeleteAccess", "WriteAccess"} & set(rights) == set()
    assert (await dataverse.get(path.partition("?")[0])).status == 400

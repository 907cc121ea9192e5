"""Reads and writes of `/data`, and what the metadata says."""

from decimal import Decimal
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from tests.simulators.finance.client import Finance
from tests.simulators.finance.packages import ACTUALS, HEADERS, Row, billed, header, new_id, new_number, package_of

ENUM = "Microsoft.Dynamics.DataEntities."
SET = "/data/ProjActualsImports"


async def hold(finance: Finance, rows: list[Row], company: str = "usmf") -> str:
    """Hold billed rows under one new proposal number and return it."""
    number = new_number()
    await finance.run(package_of(HEADERS, [header(number)]), legalEntityId=company)
    await finance.run(package_of(ACTUALS, [row | {"INVOICEPROPOSALID": number} for row in rows]), legalEntityId=company)
    return number


def where(number: str, more: str = "") -> str:
    return f"$filter={quote(f"InvoiceProposalId eq '{number}'{more}", safe='')}"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("Amount eq 10.0001", 1),
        ("Amount gt 10 and Amount lt 20", 1),
        ("Amount ge 1234567890.1234", 1),
        (f"TransactionType eq {ENUM}ProjCDSTransType'BilledSales'", 3),
        (f"BillingType ne {ENUM}ProjBillingType'Chargeable'", 1),
        ("Description eq '*ROAD*'", 2),
        ("Description eq 'broadcast'", 1),
        ("DocumentDate ge 2026-03-31T00:00:00Z", 1),
        ("DocumentDate eq 2026-03-30T12:00:00Z", 2),
        ("VoucherNumber ne ''", 0),
        ("not (Amount lt 0)", 2),
    ],
)
async def test_filters(finance: Finance, condition: str, found: int) -> None:
    rows = [
        billed("", AMOUNT="10.0001", DESCRIPTION="Broadcast"),
        billed("", AMOUNT="-3", DESCRIPTION="road works", BILLINGTYPE="nonChargeable"),
        billed("", AMOUNT="1234567890.1234", DOCUMENTDATE="2026-03-31"),
    ]
    number = await hold(finance, rows)
    page = await finance.get(f"{SET}?{where(number, ' and ' + condition)}&$count=true")
    assert (len(page["value"]), page["@odata.count"]) == (found, found)


async def test_pages_end_at_ten_thousand_rows_and_next_links_bring_the_rest_once(finance: Finance) -> None:
    lines = "\n".join(
        f'{{"ActualsImportId":"{new_id()}","InvoiceProposalId":"PAGES","Amount":"{n}.5"}}' for n in range(10_003)
    )
    await finance.do("seed", data=lines)
    page = await finance.get(f"{SET}?{where('PAGES')}&$select=ActualsImportId,Amount&$count=true")
    assert (len(page["value"]), page["@odata.count"]) == (10_000, 10_003)
    rest = await finance.get(page["@odata.nextLink"])
    assert "@odata.nextLink" not in rest
    amounts = sorted(row["Amount"] for row in page["value"] + rest["value"])
    assert amounts == [n + Decimal("0.5") for n in range(10_003)]
    by_amount = await finance.get(f"{SET}?{where('PAGES')}&$select=Amount&$orderby=Amount desc&$top=10002&$skip=1")
    last = await finance.get(by_amount["@odata.nextLink"])
    assert by_amount["value"][0]["Amount"] == Decimal("10001.5")
    assert [row["Amount"] for row in last["value"]] == [Decimal("1.5"), Decimal("0.5")]
    assert "@odata.nextLink" not in last


async def test_the_count_is_plain_text_behind_a_byte_order_mark(finance: Finance) -> None:
    number = await hold(finance, [billed(""), billed("")])
    reply = await finance.send("GET", f"{SET}/$count?{where(number)}")
    assert (reply.text, reply.headers["content-type"]) == ("\ufeff2", "text/plain; charset=utf-8")


async def test_without_cross_company_only_the_default_company_is_seen(finance: Finance) -> None:
    row = billed("")
    number = await hold(finance, [row], company="demf")
    key = f"dataAreaId='demf',ActualsImportId={row['ACTUALSIMPORTID']}"
    assert (await finance.get(f"{SET}?{where(number)}"))["value"] == []
    assert (await finance.send("GET", f"{SET}({key})")).status == 404
    page = await finance.get(f"{SET}?{where(number)}&cross-company=true")
    assert [one["dataAreaId"] for one in page["value"]] == ["demf"]
    assert (await finance.get(f"{SET}({key})?cross-company=true"))["dataAreaId"] == "demf"
    patched = await finance.send("PATCH", f"{SET}({key})", {"Amount": 1})
    assert (patched.status, patched.message) == (400, "No resources were found when selecting for update.")
    assert (await finance.send("PATCH", f"{SET}({key})?cross-company=true", {"Amount": 1})).status == 204


@pytest.mark.parametrize(
    "query",
    [
        "$filter=NoSuchField eq 1",
        "$filter=Amount eq 'text'",
        "$filter=Amount eq",
        "$filter=contains(Description,'road')",
        "$filter=Amount in (1,2)",
        "$select=NoSuchField",
        "$orderby=NoSuchField",
        "$apply=aggregate(Amount with sum as Total)",
        "$top=many",
        "$skiptoken=forged",
    ],
)
async def test_a_query_that_cannot_be_understood_is_refused(finance: Finance, query: str) -> None:
    reply = await finance.send("GET", f"{SET}?{query}")
    assert (reply.status, "The query specified in the URI is not valid" in reply.message) == (400, True)


async def test_all_fields_of_a_key_are_needed(finance: Finance) -> None:
    reply = await finance.send("GET", f"{SET}(ActualsImportId={new_id()})")
    assert reply.status == 400


@pytest.mark.parametrize("path", ["ProjInvoiceProposalsV2", "ProjCDSTransactionRelationshipImports", "nothing/at/all"])
async def test_header_and_connections_have_no_set(finance: Finance, path: str) -> None:
    assert (await finance.send("GET", f"/data/{path}")).status == 404


def new_actual(key: str) -> dict[str, object]:
    return {
        "ActualsImportId": key,
        "ActualId": new_id(),
        "AccountingDate": "2026-03-31T12:00:00Z",
        "DocumentDate": "2026-03-31T00:00:00Z",
        "BillingType": "Chargeable",
        "TransactionType": "Sales",
        "TransactionClassification": 192350000,
        "ProjectId": "P-1",
        "TransactionCurrencyId": "USD",
        "Amount": 0.1,
    }


async def test_a_row_is_created_once_and_never_again(finance: Finance) -> None:
    key = new_id()
    created = await finance.send("POST", SET, new_actual(key))
    assert created.status == 201
    assert (created.json["Amount"], created.json["dataAreaId"]) == (Decimal("0.1"), "usmf")
    again = await finance.send("POST", SET, new_actual(key))
    assert again.status == 400
    assert again.message.endswith("The record already exists..")
    assert again.json["error"]["innererror"]["type"].endswith("AxODataWriteException")
    await finance.switch(duplicatePostStatus=500)
    assert (await finance.send("POST", SET, new_actual(key))).status == 500


async def test_a_created_row_obeys_the_rules_of_the_entity(finance: Finance) -> None:
    reply = await finance.send("POST", SET, new_actual(new_id()) | {"ProjectId": ""})
    assert reply.status == 400
    assert reply.message == (
        "Write failed for table row of type 'ProjActualsImportEntity'. Infolog: Warning: Field 'Project ID' must be "
        "filled in.; Warning: validateWrite failed on data source 'ProjCDSActualsImport (ProjCDSActualsImport)'.."
    )
    unknown = await finance.send("POST", SET, new_actual(new_id()) | {"projectid": "P-1"})
    assert (unknown.status, "The property 'projectid' does not exist" in unknown.message) == (400, True)


async def test_patch_never_inserts(finance: Finance) -> None:
    reply = await finance.send("PATCH", f"{SET}(dataAreaId='usmf',ActualsImportId={new_id()})", {"Amount": 1})
    assert (reply.status, reply.message) == (400, "No resources were found when selecting for update.")


async def test_the_tag_of_a_row_changes_with_it(finance: Finance) -> None:
    key = new_id()
    path = f"{SET}(dataAreaId='usmf',ActualsImportId={key})"
    tag = (await finance.send("POST", SET, new_actual(key))).json["@odata.etag"]
    assert tag.startswith('W/"Jz')
    assert (await finance.send("PATCH", path, {"Amount": 2}, {"If-Match": tag})).status == 204
    stale = await finance.send("PATCH", path, {"Amount": 3}, {"If-Match": tag})
    assert (stale.status, "An update conflict occurred" in stale.message) == (412, True)
    assert (await finance.get(path))["Amount"] == 2
    assert (await finance.send("DELETE", path, headers={"If-Match": "*"})).status == 204
    assert (await finance.send("GET", path)).status == 404


async def test_data_projects_can_be_made_by_hand(finance: Finance) -> None:
    name = f"Relay {new_id()}"
    body = {"Name": name, "Description": "Lane 1", "OperationType": "Import", "GenerateDataPackage": "No"}
    assert (await finance.send("POST", "/data/DataManagementDefinitionGroups", body)).status == 201
    assert (await finance.send("POST", "/data/DataManagementDefinitionGroups", body)).status == 500
    detail = {"DefinitionGroupId": name, "EntityName": ACTUALS, "SourceFormat": "CSV-Unicode"}
    assert (await finance.send("POST", "/data/DataManagementDefinitionGroupDetails", detail)).status == 201
    found = await finance.get(f"/data/DataManagementDefinitionGroupDetails?$filter=DefinitionGroupId eq '{name}'")
    assert [one["EntityName"] for one in found["value"]] == [ACTUALS]


async def test_the_metadata_names_set_key_and_types(finance: Finance) -> None:
    document = ET.fromstring((await finance.send("GET", "/data/$metadata")).text.encode())  # noqa: S314 - our own server
    edm = "{http://docs.oasis-open.org/odata/ns/edm}"
    sets = {one.get("Name"): one.get("EntityType") for one in document.iter(f"{edm}EntitySet")}
    assert sets["ProjActualsImports"] == f"{ENUM}ProjActualsImport"
    entity = next(one for one in document.iter(f"{edm}EntityType") if one.get("Name") == "ProjActualsImport")
    assert [one.get("Name") for one in entity.iter(f"{edm}PropertyRef")] == ["dataAreaId", "ActualsImportId"]
    types = {one.get("Name"): one.get("Type") for one in entity.iter(f"{edm}Property")}
    assert (types["Amount"], types["BillingType"]) == ("Edm.Decimal", f"{ENUM}ProjBillingType")


async def test_the_metadata_services_say_which_entities_are_public(finance: Finance) -> None:
    entities = {one["Name"]: one for one in (await finance.get("/metadata/DataEntities"))["value"]}
    assert entities["ProjActualsImportEntity"]["PublicCollectionName"] == "ProjActualsImports"
    header_entity = entities["ProjInvoiceProposalV2Entity"]
    assert (header_entity["DataServiceEnabled"], header_entity["DataManagementEnabled"]) == (False, True)
    public = await finance.get("/metadata/PublicEntities('ProjActualsImport')")
    properties = {one["Name"]: one for one in public["Properties"]}
    assert [name for name, one in properties.items() if one["IsKey"]] == ["dataAreaId", "ActualsImportId"]
    assert properties["AccountingDate"]["IsMandatory"]
    members = (await finance.get("/metadata/PublicEnumerations('ProjCDSTransType')"))["Members"]
    assert members[3] == {"Name": "BilledSales", "Value": 3}
    assert (await finance.send("GET", "/metadata/PublicEntities('Nothing')")).status == 404


async def test_the_service_document_lists_the_sets(finance: Finance) -> None:
    for path in ("/data", "/data/"):
        sets = {one["name"]: one for one in (await finance.get(path))["value"]}
        assert sets["ProjActualsImports"] == {
            "name": "ProjActualsImports",
            "kind": "EntitySet",
            "url": "ProjActualsImports",
        }
    await finance.switch(notPublic=["ProjActualsImportEntity"])
    assert "ProjActualsImports" not in {one["name"] for one in (await finance.get("/data"))["value"]}
    assert (await finance.send("GET", SET)).status == 404


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("DataEntities?$filter=Name eq 'ProjInvoiceProposalV2Entity'", ["ProjInvoiceProposalV2Entity"]),
        ("DataEntities?$filter=Name eq 'ProjA*' and DataServiceEnabled eq true", ["ProjActualsImportEntity"]),
        ("DataEntities?$filter=contains(tolower(Name), 'actuals')", ["ProjActualsImportEntity"]),
        (
            f"DataEntities?$filter=EntityCategory eq {quote("Microsoft.Dynamics.Metadata.EntityCategory'Master'")}",
            [],
        ),
        ("PublicEntities?$filter=EntitySetName eq 'LegalEntities'&$select=Name", ["LegalEntity"]),
        ("PublicEnumerations?$filter=Name eq '*TransType'", ["ProjCDSTransType"]),
        ("PublicEntities?$skip=1&$top=1&$orderby=Name", ["DataManagementDefinitionGroupDetail"]),
    ],
)
async def test_the_metadata_services_take_query_options_and_any_case(
    finance: Finance, query: str, names: list[str]
) -> None:
    for root in ("metadata", "Metadata", "METADATA"):
        found = await finance.get(f"/{root}/{query}")
        assert [one["Name"] for one in found["value"]] == names


async def test_the_metadata_services_select_what_a_caller_needs(finance: Finance) -> None:
    name = "$filter=Name eq 'ProjActualsImport'"
    full = (await finance.get(f"/metadata/PublicEntities?{name}"))["value"][0]
    assert (await finance.get(f"/metadata/PublicEntities?{name}&$select=Name,Properties"))["value"] == [
        {"Name": "ProjActualsImport", "Properties": full["Properties"]}
    ]
    counted = await finance.get("/metadata/DataEntities?$select=Name&$count=true&$top=1")
    assert counted["@odata.count"] > len(counted["value"]) == 1
    assert (await finance.send("GET", "/metadata/DataEntities?$select=Nothing")).status == 400
    entity = await finance.get("/Metadata/DataEntities('ProjActualsImportEntity')")
    assert (entity["PublicEntityName"], entity["DataManagementEnabled"]) == ("ProjActualsImport", True)


async def test_a_label_is_read_by_its_id(finance: Finance) -> None:
    entity = await finance.get("/metadata/DataEntities('ProjInvoiceProposalV2Entity')")
    path = f"/metadata/Labels(Id='{entity['LabelId']}',Language='en-us')"
    assert (await finance.get(path))["Value"] == HEADERS
    await finance.switch(entityLabels={"ProjInvoiceProposalV2Entity": "Other"})
    assert (await finance.get(path.replace("metadata", "Metadata")))["Value"] == "Other"
    assert (await finance.send("GET", "/metadata/Labels(Id='@SYS1',Language='en-us')")).status == 404

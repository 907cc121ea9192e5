"""EntityDefinitions, and who the caller is."""

from tests.simulators.dataverse.client import Dataverse


async def test_sets_and_keys_are_looked_up_by_logical_name(dataverse: Dataverse) -> None:
    reply = await dataverse.query(
        "EntityDefinitions", select="LogicalName,EntitySetName,PrimaryIdAttribute", filter="LogicalName eq 'invoice'"
    )
    [entity] = reply.rows
    assert entity["EntitySetName"] == "invoices"
    assert entity["PrimaryIdAttribute"] == "invoiceid"
    assert set(entity) == {"MetadataId", "LogicalName", "EntitySetName", "PrimaryIdAttribute"}
    one = await dataverse.get("EntityDefinitions(LogicalName='msdyn_actual')?$select=EntitySetName")
    assert one.json["EntitySetName"] == "msdyn_actuals"


async def test_the_skip_sync_column_is_found_by_its_label(dataverse: Dataverse) -> None:
    reply = await dataverse.get(
        "EntityDefinitions(LogicalName='msdyn_actual')/Attributes?$select=LogicalName,AttributeType,DisplayName"
    )
    labels = {row["DisplayName"]["UserLocalizedLabel"]["Label"]: row for row in reply.rows}
    column = labels["Skip Sync (internal use only)"]
    assert (column["LogicalName"], column["AttributeType"]) == ("msdyn_istransition", "Boolean")


async def test_navigation_names_come_from_the_relationships(dataverse: Dataverse) -> None:
    reply = await dataverse.get(
        "EntityDefinitions(LogicalName='msdyn_actual')/ManyToOneRelationships"
        "?$select=ReferencingAttribute,ReferencingEntityNavigationPropertyName,ReferencedEntity"
    )
    names = {row["ReferencingAttribute"]: row["ReferencingEntityNavigationPropertyName"] for row in reply.rows}
    assert names["msdyn_invoice"] == "msdyn_Invoice"
    assert names["msdyn_projectcontractsplitbillingrule"] == "msdyn_projectcontractsplitbillingrule"


async def test_picklists_list_their_options(dataverse: Dataverse) -> None:
    path = "EntityDefinitions(LogicalName='msdyn_actual')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata"
    reply = await dataverse.get(f"{path}?$select=LogicalName&$expand=OptionSet($select=Options)")
    options = {row["LogicalName"]: row["OptionSet"]["Options"] for row in reply.rows}
    labels = {
        option["Value"]: option["Label"]["UserLocalizedLabel"]["Label"] for option in options["msdyn_billingtype"]
    }
    assert labels[192350001] == "Chargeable"


async def test_dates_say_how_they_behave(dataverse: Dataverse) -> None:
    path = "EntityDefinitions(LogicalName='msdyn_actual')/Attributes(LogicalName='{}')"
    local = (await dataverse.get(path.format("msdyn_accountingdate"))).json
    day = (await dataverse.get(path.format("msdyn_transactiondate"))).json
    assert local["DateTimeBehavior"]["Value"] == "UserLocal"
    assert day["DateTimeBehavior"]["Value"] == "DateOnly"


async def test_what_does_not_exist_is_a_404(dataverse: Dataverse) -> None:
    assert (await dataverse.get("EntityDefinitions(LogicalName='none')")).status == 404
    assert (
        await dataverse.get("EntityDefinitions(LogicalName='invoice')/Attributes(LogicalName='none')")
    ).status == 404
    assert (await dataverse.get("EntityDefinitions(LogicalName='invoice')/Nothing")).status == 404


async def test_who_am_i(dataverse: Dataverse, dataverse_server: object) -> None:
    answer = (await dataverse.get("WhoAmI")).json
    assert len(answer["UserId"]) == len(answer["OrganizationId"]) == 36
    assert (await dataverse.get(f"systemusers({answer['UserId']})")).json["applicationid"] == "relay"
    [organization] = (await dataverse.query("organizations")).rows
    assert organization["organizationid"] == answer["OrganizationId"]

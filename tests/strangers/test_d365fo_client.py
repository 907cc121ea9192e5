"""d365fo-client, a public Python client of Finance, reads the simulated one: metadata, rows, labels and actions."""

import importlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from azure.core.credentials import AccessToken

from simulators import tokens
from simulators.processes import Server
from tests.simulators.finance.client import SECRET

ACTUALS_SET, ACTUALS_ENTITY = "ProjActualsImports", "ProjActualsImportEntity"
PROPOSAL = f"PRO-{uuid4().hex[:8]}"


class Credential:
    """The credential of a registered application."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        claims = {"issuer": "https://localhost/tenant", "tenant": "tenant", "client_id": "other"}
        token = tokens.issue(secret=SECRET, audience=self._url, lifetime=3600, **claims)
        return AccessToken(token, int(time.time()) + 3600)


@pytest.fixture
async def client(finance_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """The client as it is installed. It keeps files below the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    theirs = importlib.import_module("d365fo_client")
    # It does not sign in for a host named 127.0.0.1. This is the same machine.
    url = finance_server.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - an address to connect to
    # Its local copy of the metadata needs a newer SQLite than Python brings everywhere.
    config = theirs.FOClientConfig(
        base_url=url, enable_metadata_cache=False, metadata_cache_dir=str(tmp_path), trace_client_id=str(uuid4())
    )
    async with theirs.FOClient(config) as opened:
        opened.auth_manager.credential = Credential(finance_server.url)
        yield opened


@pytest.fixture(scope="module", autouse=True)
def held_actuals(finance_server: Server) -> None:
    """Three actuals of one company and one of another."""
    rows = [
        {"InvoiceProposalId": PROPOSAL, "Amount": f"{number}.25", "dataAreaId": company}
        for number, company in enumerate(("usmf", "usmf", "usmf", "demf"))
    ]
    body = "\n".join(map(json.dumps, rows))
    requests.post(f"{finance_server.url}/sim/seed", data=body, timeout=30).raise_for_status()


def options(**given: Any) -> Any:
    return importlib.import_module("d365fo_client").QueryOptions(**given)


async def test_both_services_are_found(client: Any) -> None:
    assert await client.test_connection()
    assert await client.test_metadata_connection()


async def test_entities_are_searched_and_described(client: Any) -> None:
    found = await client.search_data_entities("actualsimport", data_service_enabled=True)
    assert [(one.name, one.public_collection_name) for one in found] == [(ACTUALS_ENTITY, ACTUALS_SET)]
    category = await client.search_data_entities("Actuals", entity_category="Transaction")
    assert [one.name for one in category] == [ACTUALS_ENTITY]
    entity = await client.get_data_entity_info("ProjInvoiceProposalV2Entity")
    assert (entity.data_service_enabled, entity.data_management_enabled) == (False, True)
    assert entity.label_text == "Project invoice proposal V2"
    assert ACTUALS_ENTITY in {one.name for one in await client.get_data_entities_list()}


async def test_a_public_entity_comes_with_properties_labels_and_actions(client: Any) -> None:
    entity = await client.get_public_entity_info("ProjActualsImport")
    assert [one.name for one in entity.properties if one.is_key] == ["dataAreaId", "ActualsImportId"]
    labels = {one.name: one.label_text for one in entity.properties}
    assert (entity.label_text, labels["AccountingDate"]) == (
        "Project Operations integration actuals",
        "Accounting date",
    )
    projects = await client.get_public_entity_info("DataManagementDefinitionGroup")
    [action] = [one for one in projects.actions if one.name == "GetAzureWriteUrl"]
    assert [one.name for one in action.parameters] == ["uniqueFileName"]
    kinds = await client.get_public_enumeration_info("ProjCDSTransType")
    assert kinds.members[3].name == "BilledSales"
    assert await client.get_public_entity_info("Nothing") is None


async def test_rows_are_queried_page_by_page_and_by_key(client: Any) -> None:
    condition = f"InvoiceProposalId eq '{PROPOSAL}'"
    pages = [
        await client.get_entities(
            ACTUALS_SET,
            options(filter=condition, select=["ActualsImportId", "Amount"], top=2, skip=skip, orderby=["Amount"]),
        )
        for skip in (0, 2)
    ]
    assert [[row["Amount"] for row in page["value"]] for page in pages] == [[0.25, 1.25], [2.25]]
    crossing = f"{condition} and dataAreaId eq 'demf'"
    other = await client.get_entities(ACTUALS_SET, options(filter=crossing, count=True))
    assert (other["@odata.count"], other["value"][0]["Amount"]) == (1, 3.25)
    key = {"dataAreaId": "demf", "ActualsImportId": other["value"][0]["ActualsImportId"]}
    assert (await client.get_entity_by_key(ACTUALS_SET, key))["Amount"] == 3.25
    assert await client.get_entity_by_key(ACTUALS_SET, {**key, "dataAreaId": "usmf"}) is None


async def test_labels_are_read_one_by_one_and_together(client: Any) -> None:
    label = f"@InvoiceRelay:{ACTUALS_ENTITY}"
    assert await client.get_label_text(label) == "Project Operations integration actuals"
    assert list(await client.get_labels_batch([label, "@SYS0"])) == [label]


async def test_actions_answer(client: Any) -> None:
    assert await client.get_application_version() == "10.0.2345.67"
    assert await client.get_application_build_version() == "10.0.2345.67"
    assert await client.get_platform_build_version() == "7.0.7778.29"
    assert (await client.get_installed_modules())[0].startswith("Name: ApplicationSuite | Version: ")
    answer = await client.call_action(
        "GetAzureWriteUrl", {"uniqueFileName": f"{uuid4()}.zip"}, entity_name="DataManagementDefinitionGroups"
    )
    assert json.loads(answer["value"])["BlobUrl"].startswith("http")


async def test_the_entity_list_is_queried_by_an_action(client: Any) -> None:
    everything = await client.query_data_management_entities()
    shared = await client.query_data_management_entities_by_category(["Transaction"], is_shared=True)
    labels = {one["EntityName"] for one in everything}
    assert {one["EntityName"] for one in shared} < labels
    assert "Project invoice proposal V2" in labels
    assert await client.query_data_management_entities_by_category(["Master"]) == []


async def test_all_metadata_is_read_at_once(client: Any) -> None:
    entities = {one.entity_set_name: one for one in await client.get_all_public_entities_with_details()}
    assert {ACTUALS_SET, "LegalEntities", "SysAADClients"} <= set(entities)
    assert len(entities[ACTUALS_SET].properties) > 50
    enumerations = {one.name: one for one in await client.get_all_public_enumerations_with_details()}
    assert [one.name for one in enumerations["NoYes"].members] == ["No", "Yes"]

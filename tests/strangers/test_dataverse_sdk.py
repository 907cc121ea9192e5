"""Microsoft's Dataverse SDK for Python reads the simulated organization: rows, pages, metadata, choices and SQL."""

import importlib
import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
import trustme
from azure.core.credentials import AccessToken

from simulators import tokens
from simulators.processes import Server
from tests.simulators.dataverse.client import BILLED, SECRET


class Credential:
    """The credential of an application user."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        claims = {"issuer": "https://localhost/tenant", "tenant": "tenant", "client_id": "relay"}
        token = tokens.issue(secret=SECRET, audience=self._url, lifetime=3600, **claims)
        return AccessToken(token, int(time.time()) + 3600)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate of 127.0.0.1 and its authority: the SDK speaks https only."""
    folder = Path(tmp_path_factory.mktemp("tls"))
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder


@pytest.fixture(scope="module")
def organization(authority: Path) -> Iterator[Server]:
    arguments = ["--token-secret", SECRET, "--clients", "relay", "--certificate", str(authority / "server.pem")]
    server = Server("dataverse-tls", "simulators.dataverse", arguments, run_dir=authority)
    server.start()
    server.await_ready()
    yield server
    assert server.stop() == 0, server.tail()


@pytest.fixture(scope="module")
def trusted(authority: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        # What requests trusts, and with it the SDK.
        patch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
        yield os.environ["REQUESTS_CA_BUNDLE"]


@pytest.fixture(scope="module")
def client(organization: Server, trusted: str) -> Iterator[Any]:
    """The client as it is installed."""
    assert trusted
    theirs = importlib.import_module("PowerPlatform.Dataverse.client")
    with theirs.DataverseClient(organization.url, Credential(organization.url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def invoice(organization: Server, trusted: str) -> dict[str, Any]:
    """A confirmed invoice of 30 lines."""
    assert trusted
    made = requests.post(f"{organization.url}/sim/invoices", json={"lines": 30, "seed": 3}, timeout=60).json()
    answer = requests.post(f"{organization.url}/sim/invoices/{made['invoiceId']}/confirm", json={}, timeout=60)
    confirmed: dict[str, Any] = answer.json()
    return confirmed


def of(invoice: dict[str, Any]) -> str:
    return f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_transactiontypecode eq {BILLED}"


def test_a_record_is_retrieved(client: Any, invoice: dict[str, Any]) -> None:
    found = client.records.retrieve("invoice", invoice["invoiceId"], select=["name", "msdyn_projectinvoicestatus"])
    assert found["msdyn_projectinvoicestatus"] == 192350002


def test_records_are_queried_in_pages(client: Any, invoice: dict[str, Any]) -> None:
    options = {"filter": of(invoice), "select": ["msdyn_amount"], "page_size": 7}
    pages = list(client.records.list_pages("msdyn_actual", **options))
    ids = [row["msdyn_actualid"] for page in pages for row in page]
    assert len(pages) == -(-len(ids) // 7) > 1
    assert len(set(ids)) == len(ids) >= invoice["lines"]


def test_lookups_are_expanded(client: Any) -> None:
    found = client.records.list(
        "msdyn_project", select=["msdyn_subject"], expand=["msdyn_owningcompany($select=cdm_companycode)"], top=1
    )
    [project] = list(found)
    assert project["msdyn_owningcompany"]["cdm_companycode"] == "usmf"


def test_metadata_of_a_table(client: Any) -> None:
    found = client.tables.get("Invoice")
    assert (found["table_logical_name"], found["entity_set_name"]) == ("invoice", "invoices")
    names = {table["LogicalName"] for table in client.tables.list(select=["LogicalName"])}
    assert {"msdyn_actual", "solution", "systemuser"} <= names


def test_metadata_of_columns_and_relationships(client: Any) -> None:
    columns = client.tables.list_columns("msdyn_actual", select=["LogicalName", "AttributeType"])
    kinds = {column["LogicalName"]: column["AttributeType"] for column in columns}
    assert (kinds["msdyn_amount"], kinds["msdyn_billingtype"]) == ("Money", "Picklist")
    dates = client.tables.list_columns("msdyn_actual", filter="AttributeType eq 'DateTime'", select=["LogicalName"])
    assert "msdyn_transactiondate" in {column["LogicalName"] for column in dates}
    found = client.tables.list_table_relationships("msdyn_actual")
    assert "msdyn_Invoice" in {each.get("ReferencingEntityNavigationPropertyName") for each in found}
    assert [key.schema_name for key in client.tables.get_alternate_keys("account")] == ["accountnumber"]


def test_typed_members_of_columns(client: Any) -> None:
    found = client.tables.get_column("msdyn_actual", "msdyn_description", typed=True)
    assert (found["AttributeType"], found["MaxLength"]) == ("String", 200)
    typed = {each["LogicalName"]: each for each in client.tables.list_columns("msdyn_actual", typed=True)}
    assert (typed["msdyn_quantity"]["Precision"], typed["msdyn_startdatetime"]["Format"]) == (2, "DateAndTime")


def test_columns_for_sql_are_properties_of_the_web_api(client: Any) -> None:
    names = {column["name"] for column in client.query.sql_columns("msdyn_actual")}
    assert "msdyn_billingtype" in names
    assert "msdyn_billingtypename" not in names


def test_sql(client: Any, invoice: dict[str, Any]) -> None:
    what = "a.msdyn_transactiontypecode, COUNT(*) AS many, SUM(a.msdyn_amount) AS total"
    source = "msdyn_actual a JOIN invoice i ON a.msdyn_invoice = i.invoiceid"
    where = f"i.invoiceid = '{invoice['invoiceId']}' AND a.msdyn_transactiontypecode = {BILLED}"
    statement = f"SELECT {what} FROM {source} WHERE {where} GROUP BY a.msdyn_transactiontypecode"  # noqa: S608
    found = client.query.sql(statement)
    rows = list(client.records.list("msdyn_actual", filter=of(invoice), select=["msdyn_amount"]))
    [row] = [dict(each) for each in found]
    assert (row["msdyn_transactiontypecode"], row["many"]) == (BILLED, len(rows))
    assert Decimal(str(row["total"])) == sum(Decimal(str(each["msdyn_amount"])) for each in rows)


def test_sql_in_pages(client: Any, organization: Server, trusted: str) -> None:
    assert trusted
    switches = f"{organization.url}/sim/switches"
    requests.put(switches, json={"shortPages": 2}, timeout=10).raise_for_status()
    found = [each["name"] for each in client.query.sql("SELECT name FROM bookableresource ORDER BY name")]
    requests.put(switches, json={"shortPages": 0}, timeout=10).raise_for_status()
    assert len(found) == len(set(found)) == 5


def test_what_sql_does_not_take_is_said(client: Any, organization: Server, trusted: str) -> None:
    errors = importlib.import_module("PowerPlatform.Dataverse.core.errors")
    with pytest.raises(errors.HttpError, match="doesn't contain attribute"):
        client.query.sql("SELECT nothing FROM uom")
    assert trusted
    switches = f"{organization.url}/sim/switches"
    requests.put(switches, json={"sqlUnsupported": True}, timeout=10).raise_for_status()
    with pytest.raises(errors.HttpError, match="sql query parameter is not supported"):
        client.query.sql("SELECT name FROM uom")
    requests.put(switches, json={"sqlUnsupported": False}, timeout=10).raise_for_status()


def test_the_query_builder(client: Any, invoice: dict[str, Any]) -> None:
    col = importlib.import_module("PowerPlatform.Dataverse.models.filters").col
    query = client.query.builder("invoice").select("name").where(col("invoiceid") == UUID(invoice["invoiceId"]))
    assert [each["invoiceid"] for each in query.execute()] == [invoice["invoiceId"]]


def test_fetchxml_in_pages(client: Any) -> None:
    text = "<fetch count='2'><entity name='bookableresource'><attribute name='name'/></entity></fetch>"
    pages = [[each["name"] for each in page] for page in client.query.fetchxml(text).execute_pages()]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({name for page in pages for name in page}) == 5


def test_fetchxml_with_sums_over_a_link(client: Any, invoice: dict[str, Any]) -> None:
    text = (
        "<fetch aggregate='true'><entity name='msdyn_actual'>"
        "<attribute name='msdyn_amount' aggregate='sum' alias='total'/>"
        f"<filter><condition attribute='msdyn_transactiontypecode' operator='eq' value='{BILLED}'/></filter>"
        "<link-entity name='invoice' from='invoiceid' to='msdyn_invoice'><filter>"
        f"<condition attribute='invoiceid' operator='eq' value='{invoice['invoiceId']}'/></filter></link-entity>"
        "</entity></fetch>"
    )
    [row] = [dict(each) for each in client.query.fetchxml(text).execute()]
    rows = client.records.list("msdyn_actual", filter=of(invoice), select=["msdyn_amount"])
    assert Decimal(str(row["total"])) == sum(Decimal(str(each["msdyn_amount"])) for each in rows)


def test_a_batch_of_reads(client: Any, invoice: dict[str, Any]) -> None:
    batch = client.batch.new()
    batch.records.retrieve("invoice", invoice["invoiceId"], select=["name"])
    batch.query.sql("SELECT TOP 1 name FROM uom ORDER BY name")
    batch.tables.get("invoice")
    bodies = [response.data for response in batch.execute().responses]
    assert bodies[0]["invoiceid"] == invoice["invoiceId"]
    assert bodies[1]["value"] == [{"name": "Each"}]
    assert bodies[2]["value"][0]["EntitySetName"] == "invoices"


def test_data_frames(client: Any) -> None:
    found = client.dataframe.sql(
        "SELECT isocurrencycode, currencyprecision FROM transactioncurrency ORDER BY isocurrencycode"
    )
    assert list(found["isocurrencycode"]) == ["EUR", "USD"]

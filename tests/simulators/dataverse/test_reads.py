"""Reading rows: selects, filters, expands, annotations, single rows, counts."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators import tokens
from tests.simulators.dataverse.client import BILLED, SECRET, Dataverse


def billed(invoice: dict[str, Any]) -> str:
    return f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_transactiontypecode eq {BILLED}"


@pytest.mark.parametrize("lifetime", [-10, None])
async def test_no_or_an_expired_token_is_a_401_that_says_where_to_sign_in(
    dataverse: Dataverse, session: aiohttp.ClientSession, lifetime: float | None
) -> None:
    headers = {}
    if lifetime is not None:
        token = tokens.issue(
            secret=SECRET, issuer="i", tenant="t", audience=dataverse.url, client_id="relay", lifetime=lifetime
        )
        headers["Authorization"] = f"Bearer {token}"
    async with session.get(f"{dataverse.url}/api/data/v9.2/accounts", headers=headers) as answer:
        assert answer.status == 401
        assert f"resource_id={dataverse.url}/" in answer.headers["WWW-Authenticate"]


async def test_a_token_for_another_service_is_refused(dataverse: Dataverse, session: aiohttp.ClientSession) -> None:
    token = tokens.issue(
        secret=SECRET, issuer="i", tenant="t", audience="https://other", client_id="relay", lifetime=60
    )
    url = f"{dataverse.url}/api/data/v9.2/accounts"
    async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 401


async def test_an_unknown_application_is_no_member(dataverse: Dataverse, session: aiohttp.ClientSession) -> None:
    reply = await Dataverse(dataverse.url, session, "stranger").get("accounts")
    assert reply.error == (403, "0x80072560")


async def test_selected_columns_come_exact_with_key_etag_and_currency(
    dataverse: Dataverse, invoice: dict[str, Any]
) -> None:
    reply = await dataverse.query("msdyn_actuals", select="msdyn_amount", filter=billed(invoice), top="1")
    [row] = reply.rows
    assert set(row) == {"@odata.etag", "msdyn_actualid", "msdyn_amount", "_transactioncurrencyid_value"}
    assert row["@odata.etag"].startswith('W/"')
    assert isinstance(row["msdyn_amount"], Decimal)
    assert row["msdyn_amount"].as_tuple().exponent == -4
    assert reply.json["@odata.context"] == f"{dataverse.url}/api/data/v9.2/$metadata#msdyn_actuals(msdyn_amount)"
    assert reply.headers["content-type"] == "application/json; odata.metadata=minimal"
    assert reply.headers["odata-version"] == "4.0"


async def test_twelve_digits_and_four_decimals_survive(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    large = f"{billed(invoice)} and msdyn_amount ge 100000000000"
    reply = await dataverse.query("msdyn_actuals", select="msdyn_amount", filter=large)
    assert b'"msdyn_amount":123456789012.3456' in reply.body
    exact = await dataverse.query("msdyn_actuals", filter=f"{billed(invoice)} and msdyn_amount eq 123456789012.3456")
    assert len(exact.rows) == 1


async def test_without_select_every_column_comes_and_empty_ones_are_null(
    dataverse: Dataverse, invoice: dict[str, Any]
) -> None:
    [row] = (await dataverse.query("invoices", filter=f"invoiceid eq {invoice['invoiceId']}")).rows
    assert row["msdyn_invoicenumber"] == row["invoicenumber"] == invoice["number"]
    assert row["duedate"] is None
    assert {"_salesorderid_value", "_customerid_value", "_msdyn_owningcompany_value"} <= set(row)
    assert row["msdyn_invoicedate"] == "2026-04-29T22:00:00Z"


async def test_lookups_expand_two_levels_deep(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    expand = (
        "msdyn_Invoice($select=msdyn_invoicenumber),"
        "msdyn_Project($select=msdyn_projectnumber;$expand=msdyn_owningcompany($select=cdm_companycode)),"
        "msdyn_Product($select=msdyn_productnumber),"
        "msdyn_projectcontractsplitbillingrule($select=msdyn_projectcontractsplitbillingrulenumber;"
        "$expand=msdyn_projectcontractid($select=msdyn_salesordernumber))"
    )
    rows = await dataverse.all("msdyn_actuals", select="msdyn_actualid", expand=expand, filter=billed(invoice))
    assert {row["msdyn_Invoice"]["msdyn_invoicenumber"] for row in rows} == {invoice["number"]}
    assert {row["msdyn_Project"]["msdyn_owningcompany"]["cdm_companycode"] for row in rows} == {"usmf"}
    assert {
        row["msdyn_projectcontractsplitbillingrule"]["msdyn_projectcontractid"]["msdyn_salesordernumber"]
        for row in rows
    } == {invoice["contract"]}
    assert None in [row["msdyn_Product"] for row in rows]


async def test_a_navigation_property_has_its_own_case(dataverse: Dataverse) -> None:
    reply = await dataverse.query("msdyn_actuals", expand="msdyn_invoice($select=name)", top="1")
    assert reply.error == (400, "0x80060888")
    assert "msdyn_invoice" in reply.message


async def test_more_than_fifteen_expands_are_refused(dataverse: Dataverse) -> None:
    names = ",".join(["msdyn_Invoice"] * 16)
    assert (await dataverse.query("msdyn_actuals", expand=names)).error == (400, "0x80060888")
    assert (await dataverse.query("msdyn_actuals", expand=",".join(["msdyn_Invoice"] * 15), top="1")).status == 200


@pytest.mark.parametrize(
    "options",
    [
        {"filter": "nope eq 1"},
        {"filter": "msdyn_amount eq 'x'"},
        {"filter": "msdyn_description eq 'open"},
        {"select": "nope"},
        {"orderby": "nope"},
        {"skip": "5"},
        {"search": "x"},
        {"top": "many"},
    ],
)
async def test_a_bad_option_is_refused_in_the_services_words(dataverse: Dataverse, options: dict[str, str]) -> None:
    reply = await dataverse.query("msdyn_actuals", **options)
    assert reply.error == (400, "0x80060888")
    assert reply.message


async def test_a_filter_reaches_over_lookups(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    text = f"msdyn_Invoice/msdyn_invoicenumber eq '{invoice['number']}' and msdyn_transactiontypecode eq {BILLED}"
    direct = await dataverse.all("msdyn_actuals", select="msdyn_actualid", filter=billed(invoice))
    reached = await dataverse.all("msdyn_actuals", select="msdyn_actualid", filter=text)
    assert direct == reached
    assert direct


async def test_in_finds_connections_by_either_end(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    actuals = await dataverse.all("msdyn_actuals", select="msdyn_actualid", filter=billed(invoice))
    ids = '","'.join(row["msdyn_actualid"] for row in actuals)
    text = f"""Microsoft.Dynamics.CRM.In(PropertyName='msdyn_transaction1',PropertyValues=["{ids}"])"""
    found = await dataverse.all("msdyn_transactionconnections", filter=text)
    assert {row["msdyn_transaction1role"] for row in found} == {"Billed Sales"}


async def test_annotations_come_only_when_asked_for(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    options = {
        "select": "msdyn_transactiontypecode,_msdyn_project_value,msdyn_isjournalized",
        "filter": billed(invoice),
    }
    plain = await dataverse.query("msdyn_actuals", **options)
    assert b"FormattedValue" not in plain.body
    assert "preference-applied" not in plain.headers
    prefer = 'odata.include-annotations="*"'
    full = await dataverse.query("msdyn_actuals", prefer=prefer, **options)
    row = full.rows[0]
    formatted = "@OData.Community.Display.V1.FormattedValue"
    assert row[f"msdyn_transactiontypecode{formatted}"] == "Billed Sales"
    assert row[f"msdyn_isjournalized{formatted}"] == "No"
    assert row[f"_msdyn_project_value{formatted}"]
    assert row["_msdyn_project_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "msdyn_project"
    assert row["_msdyn_project_value@Microsoft.Dynamics.CRM.associatednavigationproperty"] == "msdyn_Project"
    assert full.headers["preference-applied"] == prefer


async def test_one_annotation_can_be_asked_for(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    name = "Microsoft.Dynamics.CRM.lookuplogicalname"
    reply = await dataverse.get(
        f"invoices({invoice['invoiceId']})?$select=_salesorderid_value", Prefer=f'odata.include-annotations="{name}"'
    )
    assert reply.json[f"_salesorderid_value@{name}"] == "salesorder"
    assert b"FormattedValue" not in reply.body


async def test_one_row_by_id_by_alternate_key_and_one_column(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    row = await dataverse.get(f"invoices({invoice['invoiceId']})?$select=name")
    assert row.json["@odata.etag"] == row.headers["etag"]
    company = await dataverse.get("cdm_companies(cdm_companycode='USMF')?$select=cdm_companycode")
    assert company.json["cdm_companycode"] == "usmf"
    value = await dataverse.get(f"invoices({invoice['invoiceId']})/msdyn_invoicenumber")
    assert value.json["value"] == invoice["number"]
    assert (await dataverse.get(f"invoices({invoice['invoiceId']})/duedate")).status == 204


async def test_what_is_not_there_is_a_404_with_a_code(dataverse: Dataverse) -> None:
    nobody = "00000000-0000-0000-0000-00000000000f"
    assert (await dataverse.get(f"invoices({nobody})")).error == (404, "0x80040217")
    assert (await dataverse.get("cdm_companies(cdm_companycode='none')")).error == (404, "0x80060891")
    assert (await dataverse.get("nothings")).error == (404, "0x8006088a")
    bad = await dataverse.get("cdm_companies(cdm_name='none')")
    assert bad.error == (400, "0x80060888")
    assert "The key in the request URI is not valid" in bad.message


async def test_an_unchanged_row_is_304_unless_expanded_or_annotated(
    dataverse: Dataverse, invoice: dict[str, Any]
) -> None:
    path = f"invoices({invoice['invoiceId']})?$select=name"
    tag = (await dataverse.get(path)).headers["etag"]
    assert (await dataverse.get(path, If_None_Match=tag)).status == 304
    assert (await dataverse.get(path, If_None_Match='W/"1"')).status == 200
    assert (await dataverse.get(path, If_None_Match="null")).status == 200
    expanded = f"{path}&$expand=salesorderid($select=name)"
    assert (await dataverse.get(expanded, If_None_Match=tag)).status == 200
    annotated = await dataverse.get(path, If_None_Match=tag, Prefer='odata.include-annotations="*"')
    assert annotated.status == 200


async def test_count_stands_alone_behind_a_byte_order_mark(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    path = f"msdyn_invoicelinetransactions/$count?$filter={quote('_msdyn_invoice_value eq ' + invoice['invoiceId'])}"
    reply = await dataverse.get(path)
    assert reply.body == b"\xef\xbb\xbf60"
    assert reply.headers["content-type"].startswith("text/plain")


async def test_count_beside_rows_and_total_annotations(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    total = "Microsoft.Dynamics.CRM.totalrecordcount"
    prefer = f'odata.maxpagesize=10,odata.include-annotations="{total},{total}limitexceeded"'
    filter_ = f"_msdyn_invoice_value eq {invoice['invoiceId']}"
    counted = await dataverse.query("msdyn_invoicelinetransactions", prefer=prefer, filter=filter_, count="true")
    assert counted.json["@odata.count"] == 60
    assert counted.json[f"@{total}"] == 60
    assert counted.json[f"@{total}limitexceeded"] is False
    uncounted = await dataverse.query("msdyn_invoicelinetransactions", prefer=prefer, filter=filter_)
    assert uncounted.json[f"@{total}"] == -1


async def test_too_long_an_address_is_refused(dataverse: Dataverse) -> None:
    assert (await dataverse.get("accounts?$filter=" + "x" * 32_768)).status == 414
    assert (await dataverse.get("accounts?$filter=" + "x" * 30_000)).status == 400


async def test_headers_of_every_answer(dataverse: Dataverse) -> None:
    headers = (await dataverse.get("WhoAmI")).headers
    assert headers["x-ms-dop-hint"].isdigit()
    assert headers["x-ms-ratelimit-burst-remaining-xrm-requests"].isdigit()
    assert "," in headers["x-ms-ratelimit-time-remaining-xrm-requests"]
    assert len(headers["x-ms-service-request-id"]) == 36
    assert headers["set-cookie"].startswith("ARRAffinity=")


async def test_the_probe_for_bulk_actions_takes_parameter_aliases(dataverse: Dataverse) -> None:
    path = (
        "sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name%20eq%20@message%20and%20"
        "primaryobjecttypecode%20eq%20@table&@message='UpsertMultiple'&@table='account'"
    )
    assert len((await dataverse.get(path)).rows) == 1


QUERY_PARTS = st.sampled_from(
    [
        "msdyn_amount", " eq ", "'a'", "null", "(", ")", "not ", " and ", "contains(", "msdyn_description", ",",
        "1e400", "9" * 30, "msdyn_Invoice/", "2026-02-30", "true", "@x", "$", "/", "=", ";", "\x00", "🚧", "%", "[",
        "'", '"', "²", "filter(", "groupby((", "aggregate(", " with sum as t", "desc",
    ]
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(parts=st.lists(QUERY_PARTS, min_size=1, max_size=7))
async def test_no_query_text_is_more_than_refused(dataverse: Dataverse, parts: list[str]) -> None:
    for option in ("filter", "select", "orderby", "expand", "apply", "top", "skiptoken"):
        reply = await dataverse.query("msdyn_actuals", **{option: "".join(parts)})
        assert reply.status in {200, 400}, (option, parts)

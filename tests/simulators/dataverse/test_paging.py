"""Pages and their next links."""

from typing import Any

import pytest

from tests.simulators.dataverse.client import Dataverse


def of(invoice: dict[str, Any]) -> str:
    return f"_msdyn_invoice_value eq {invoice['invoiceId']}"


@pytest.mark.parametrize(
    "orderby",
    [
        "",
        "msdyn_amount desc",
        "msdyn_description",
        "msdyn_description desc,msdyn_quantity",
        "msdyn_milestone/msdyn_name,msdyn_billingtype",
    ],
)
async def test_pages_together_are_every_row_once_in_order(
    dataverse: Dataverse, invoice: dict[str, Any], orderby: str
) -> None:
    options = {"select": "msdyn_description,msdyn_amount", "filter": of(invoice)}
    options |= {"orderby": orderby.replace("msdyn_milestone/", "msdyn_Milestone/")} if orderby else {}
    whole = (await dataverse.query("msdyn_invoicelinetransactions", **options)).rows
    sizes, rows = [], []
    async for page in dataverse.pages("msdyn_invoicelinetransactions", "odata.maxpagesize=7", **options):
        assert page.headers["preference-applied"] == "odata.maxpagesize=7"
        sizes.append(len(page.rows))
        rows += page.rows
    assert sizes == [7] * 8 + [4]
    assert rows == whole


async def test_a_next_link_is_absolute_and_doubly_encoded(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    reply = await dataverse.query("msdyn_invoicelinetransactions", "odata.maxpagesize=7", filter=of(invoice))
    link = reply.json["@odata.nextLink"]
    assert link.startswith(f"{dataverse.url}/api/data/v9.2/msdyn_invoicelinetransactions?$filter=")
    assert "$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253Ccookie%2520page%253D%25221%2522" in link


@pytest.mark.parametrize(
    ("old", "new"),
    [("%253C", "%3C"), ("pagenumber=%222", "pagenumber=%223"), ("%20eq%20", "+eq+"), ("?", "?$select=msdyn_amount&")],
)
async def test_an_altered_next_link_is_refused(
    dataverse: Dataverse, invoice: dict[str, Any], old: str, new: str
) -> None:
    reply = await dataverse.query("msdyn_invoicelinetransactions", "odata.maxpagesize=7", filter=of(invoice))
    link = reply.json["@odata.nextLink"].replace(old, new, 1)
    refused = await dataverse.get(link)
    assert refused.error == (400, "0x80060888")
    assert "Paging Cookie" in refused.message


async def test_an_expired_next_link_stays_expired_until_it_is_written_anew(
    dataverse: Dataverse, invoice: dict[str, Any]
) -> None:
    first = await dataverse.query("msdyn_invoicelinetransactions", "odata.maxpagesize=7", filter=of(invoice))
    link = first.json["@odata.nextLink"]
    await dataverse.switch(cookieExpiresNext=1)
    assert [(await dataverse.get(link)).error for _ in range(2)] == [(400, "0x80060888")] * 2
    again = await dataverse.query("msdyn_invoicelinetransactions", "odata.maxpagesize=7", filter=of(invoice))
    assert (await dataverse.get(again.json["@odata.nextLink"], Prefer="odata.maxpagesize=7")).status == 200


async def test_pages_have_5000_rows_at_most_and_top_is_void_beside_a_page_size(dataverse: Dataverse) -> None:
    invoice = await dataverse.confirmed(2_600, seed=11)
    filter_ = of(invoice)
    options = {"select": "msdyn_actualid", "filter": filter_, "count": "true"}
    sizes = [len(page.rows) async for page in dataverse.pages("msdyn_actuals", **options)]
    assert sizes[0] == 5_000
    assert sum(sizes) > 5_000
    counted = await dataverse.query("msdyn_actuals", "odata.maxpagesize=9000", **options)
    assert counted.json["@odata.count"] == 5_000
    assert len(counted.rows) == 5_000
    topped = await dataverse.query("msdyn_actuals", "odata.maxpagesize=3", top="2", **options)
    assert len(topped.rows) == 3
    only = await dataverse.query("msdyn_actuals", top="2", **options)
    assert len(only.rows) == 2
    assert "@odata.nextLink" not in only.json


async def test_a_next_link_can_point_elsewhere_or_to_itself(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    await dataverse.switch(foreignNextLink=True)
    reply = await dataverse.query("msdyn_invoicelinetransactions", "odata.maxpagesize=7", filter=of(invoice))
    assert not reply.json["@odata.nextLink"].startswith(dataverse.url)
    await dataverse.switch(foreignNextLink=False, repeatNextLink=True)
    first = await dataverse.query("msdyn_invoicelinetransactions", "odata.maxpagesize=7", filter=of(invoice))
    second = await dataverse.get(first.json["@odata.nextLink"], Prefer="odata.maxpagesize=7")
    assert second.json["@odata.nextLink"] == first.json["@odata.nextLink"]


async def test_a_row_can_appear_between_two_readings(dataverse: Dataverse) -> None:
    invoice = await dataverse.confirmed(12, edited=0)
    filter_ = f"{of(invoice)} and msdyn_transactiontypecode eq 192350006"
    await dataverse.switch(extraRowsNext=1)
    first = await dataverse.all("msdyn_actuals", select="msdyn_actualid", filter=filter_)
    second = await dataverse.all("msdyn_actuals", select="msdyn_actualid", filter=filter_)
    assert len(second) == len(first) + 1
    produced = await dataverse.lines(f"invoices/{invoice['invoiceId']}/produced")
    assert {row["msdyn_actualid"] for row in second} <= {row.get("actualId") for row in produced}


async def test_next_links_can_be_withheld_from_a_page_on(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    list_of = ("msdyn_invoicelinetransactions", "odata.maxpagesize=7")
    await dataverse.switch(withheldNextLinks=2)
    pages = [page async for page in dataverse.pages(*list_of, filter=of(invoice))]
    assert [len(page.rows) for page in pages] == [7, 7]
    await dataverse.switch(withheldNextLinks=1)
    pages = [page async for page in dataverse.pages(*list_of, filter=of(invoice))]
    assert [len(page.rows) for page in pages] == [7]


async def test_pages_can_be_shorter_than_asked_for(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    whole = await dataverse.all("msdyn_invoicelinetransactions", filter=of(invoice))
    await dataverse.switch(shortPages=9)
    pages = [page async for page in dataverse.pages("msdyn_invoicelinetransactions", filter=of(invoice))]
    assert {len(page.rows) for page in pages[:-1]} == {9}
    assert [row for page in pages for row in page.rows] == whole


@pytest.mark.parametrize(("form", "said"), [("truth", [True, False]), ("no", [False, False]), ("absent", [None, None])])
async def test_whether_there_are_more_records_is_said_to_those_who_ask(
    dataverse: Dataverse, invoice: dict[str, Any], form: str, said: list[bool | None]
) -> None:
    more = "Microsoft.Dynamics.CRM.morerecords"
    await dataverse.switch(moreRecordsForm=form, withheldNextLinks=1)
    prefer = f'odata.maxpagesize=40,odata.include-annotations="{more}"'
    options = {"filter": of(invoice), "orderby": "msdyn_invoicelinetransactionid"}
    first = await dataverse.query("msdyn_invoicelinetransactions", prefer, **options)
    last = first.rows[-1]["msdyn_invoicelinetransactionid"]
    options["filter"] += f" and msdyn_invoicelinetransactionid gt {last}"
    second = await dataverse.query("msdyn_invoicelinetransactions", prefer, **options)
    assert [reply.json.get(f"@{more}") for reply in (first, second)] == said
    assert (len(first.rows), len(second.rows)) == (40, 20)
    unasked = await dataverse.query("msdyn_invoicelinetransactions", "odata.maxpagesize=40", filter=of(invoice))
    assert f"@{more}" not in unasked.json

"""What the app asks Dataverse, as it stands on the wire."""

from collections import defaultdict
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared.errors import Refused, Unavailable
from shared.jobs.job import load_job, load_maps
from shared.project_operations.billed_sales import billed_filter
from shared.project_operations.codes import ACTUALS, INVOICES
from shared.services.odata import quote_text
from tests.contract.server import Reply, Server, html, said
from tests.contract.wiring import App

INVOICE = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")
MAPS = load_maps()
STANDARD = {"accept": "application/json", "odata-version": "4.0", "odata-maxversion": "4.0", "if-none-match": "null"}
MOST_EXPANDED = 15
LONGEST_URL = 32_768
LONG_ORIGIN = f"https://{'o' * 63}.api.crm4.dynamics.com"
TYPED_BY_A_CLIENT = {"host", "user-agent", "accept-encoding", "authorization"}


MORE = "Microsoft.Dynamics.CRM.morerecords"


def options_of(target: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in urlsplit(target).query.split("&")]
    return {name: unquote(value) for name, _, value in pairs}


async def test_one_row_is_asked_for_by_its_id_with_the_columns_of_the_map(app: App, server: Server) -> None:
    server.script(said({"invoiceid": str(INVOICE)}))
    table_map = MAPS[INVOICES]
    row = await app.dataverse.one(table_map.source.set, INVOICE, table_map.query)
    [request] = server.received
    assert row == {"invoiceid": str(INVOICE)}
    assert request.method == "GET"
    assert request.body == b""
    assert request.target == (
        f"/api/data/v9.2/invoices({INVOICE})"
        "?$select=invoiceid,msdyn_invoicedate,msdyn_invoicenumber,name"
        "&$expand=customerid_account($select=name),msdyn_owningcompany($select=cdm_companycode),msdyn_paymentterms($select=msdyn_name),"
        "msdyn_projectcontractsplitbillingrule($select=msdyn_projectcontractsplitbillingrulenumber),"
        "salesorderid($select=msdyn_salesordernumber),transactioncurrencyid($select=isocurrencycode)"
    )


async def test_every_read_carries_the_odata_headers_and_no_others(app: App, server: Server) -> None:
    server.rule = lambda _: said({"name": "x", "value": []})
    await app.dataverse.one("invoices", INVOICE, {"$select": "name"})
    await app.dataverse.page("invoices", {"$select": "name"}, cursor="", size=5000)
    for request in server.received:
        headers = dict(request.headers)
        assert len(headers) == len(request.headers)
        assert headers["authorization"].startswith("Bearer ey")
        own = {name: value for name, value in headers.items() if name not in TYPED_BY_A_CLIENT | {"prefer"}}
        assert own == STANDARD


async def test_a_page_of_billed_sales_has_the_filter_of_the_map_and_the_wanted_size(app: App, server: Server) -> None:
    server.script(said({"value": [{"msdyn_actualid": "a"}]}))
    table_map = MAPS[ACTUALS]
    options = {**table_map.query, "$filter": billed_filter(table_map, INVOICE)}
    page = await app.dataverse.page(table_map.source.set, options, cursor="", size=1234)
    [request] = server.received
    assert page.rows == [{"msdyn_actualid": "a"}]
    assert page.next_link is None
    assert request.header("Prefer") == f'odata.maxpagesize=1234,odata.include-annotations="{MORE}"'
    assert request.target.startswith("/api/data/v9.2/msdyn_actuals?$select=msdyn_")
    assert options_of(request.target) == {**options, "$orderby": "msdyn_actualid", "$count": "true"}
    assert request.target.removesuffix("&$orderby=msdyn_actualid&$count=true").endswith(
        f"&$filter=(_msdyn_invoice_value%20eq%20{INVOICE}%20and%20msdyn_transactiontypecode%20eq%20192350006)"
        "%20and%20(msdyn_istransition%20ne%20true)"
    )


@pytest.mark.parametrize("stage", load_job().maps)
def test_a_map_asks_for_no_more_lookups_than_dataverse_expands(stage: str) -> None:
    query = MAPS[stage].query
    assert query.get("$expand", "").count("(") <= MOST_EXPANDED
    assert MAPS[stage].source.key in query["$select"].split(",")


async def test_a_missing_row_is_none(app: App, server: Server) -> None:
    server.script(
        said({"error": {"code": "0x80040217", "message": f"Entity 'invoice' With Id = {INVOICE} Does Not Exist"}}, 404)
    )
    assert await app.dataverse.one("invoices", INVOICE, {"$select": "name"}) is None


@pytest.mark.parametrize(
    "answer",
    [
        said({"error": {"code": "0x8006088a", "message": "Resource not found for the segment 'invoces'."}}, 404),
        said({"error": {"code": "", "message": "The route does not exist."}}, 404),
        html(404),
    ],
    ids=["a wrong set name", "words without a code", "a gateway"],
)
async def test_a_missing_resource_is_no_missing_row(app: App, server: Server, answer: Reply) -> None:
    # Taken for a missing row, a mistyped set or a moved environment would reject confirmed invoices for good.
    server.script(answer)
    with pytest.raises((Refused, Unavailable)):
        await app.dataverse.one("invoces", INVOICE, {"$select": "name"})


@pytest.mark.parametrize(
    "columns", [("msdyn_actualid",), ("msdyn_transaction1", "msdyn_transaction2")], ids=["one column", "two columns"]
)
async def test_rows_in_asks_for_every_id_once_in_urls_that_dataverse_accepts(
    app: App, server: Server, columns: tuple[str, ...]
) -> None:
    server.rule = lambda _: said({"value": []})
    ids = {uuid4() for _ in range(1500)}
    options = max((table_map.query for table_map in MAPS.values()), key=lambda query: len(str(query)))
    where = MAPS[ACTUALS].source.filter
    portions = app.dataverse.rows_in("msdyn_transactionconnections", columns, ids, options, where=where)
    assert [rows async for rows in portions if rows] == []
    asked: dict[str, list[UUID]] = defaultdict(list)
    for request in server.received:
        assert len(LONG_ORIGIN + request.target) < LONGEST_URL
        assert request.header("Prefer") == f'odata.maxpagesize=5000,odata.include-annotations="{MORE}"'
        condition, _, last = options_of(request.target)["$filter"].rpartition(" and ")
        assert last == f"({where})"
        for term in condition.removeprefix("(").removesuffix(")").split(" or "):
            column, values = read_in(term)
            asked[column] += values
    assert set(asked) == set(columns)
    assert all(sorted(values) == sorted(ids) for values in asked.values())


def read_in(term: str) -> tuple[str, list[UUID]]:
    head, _, tail = term.partition("',PropertyValues=[")
    column = head.removeprefix("Microsoft.Dynamics.CRM.In(PropertyName='")
    return column, [UUID(value.strip('"')) for value in tail.removesuffix("])").split(",")]


async def test_rows_in_without_ids_asks_for_nothing(app: App, server: Server) -> None:
    assert [rows async for rows in app.dataverse.rows_in("msdyn_actuals", ("msdyn_actualid",), [], {})] == []
    assert server.received == []


async def test_rows_in_goes_through_all_pages_of_each_portion(app: App, server: Server) -> None:
    link = f"{server.url}/api/data/v9.2/msdyn_actuals?$skiptoken=2"
    server.script(said({"value": [{"n": 1}], "@odata.nextLink": link}), said({"value": [{"n": 2}]}))
    portions = app.dataverse.rows_in("msdyn_actuals", ("msdyn_actualid",), [uuid4()], {"$select": "n"})
    assert [row["n"] async for rows in portions for row in rows] == [1, 2]


AWKWARD = [
    "O'Hara",
    "''",
    "a&b",
    "a#b",
    "a+b",
    "100%",
    "%27",
    "?",
    "=",
    "é",
    "中文",
    "🧾🏗️",
    " ",
    "\\",
    '"',
    "a;b",
    "x' or 1 eq 1",
]


@pytest.mark.parametrize("text", AWKWARD)
async def test_an_awkward_text_arrives_as_itself(app: App, server: Server, text: str) -> None:
    server.script(said({"value": []}))
    condition = f"name eq {quote_text(text)}"
    await app.dataverse.page("invoices", {"$filter": condition, "$select": "name"}, cursor="", size=1)
    [request] = server.received
    assert request.target.isascii()
    assert " " not in request.target
    own = {"$orderby": "invoiceid", "$count": "true"}
    assert options_of(request.target) == {"$filter": condition, "$select": "name", **own}


@example("x' or 1 eq 1 or name eq '")
@given(st.text(st.characters(codec="utf-8"), max_size=60))
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_stays_one_literal_on_the_wire(app: App, server: Server, text: str) -> None:
    server.received.clear()
    server.script(said({"value": []}))
    await app.dataverse.page("invoices", {"$filter": f"name eq {quote_text(text)}"}, cursor="", size=1)
    [request] = server.received
    assert list(options_of(request.target)) == ["$filter", "$orderby", "$count"]
    literal = options_of(request.target)["$filter"].removeprefix("name eq ")
    assert literal[0] == literal[-1] == "'"
    inside = literal[1:-1]
    assert "'" not in inside.replace("''", "")
    assert inside.replace("''", "'") == text


@pytest.mark.parametrize("body", [{}, {"status": "ok", "items": []}, {"value": []}])
async def test_an_object_that_is_not_the_row_is_no_answer(app: App, server: Server, body: object) -> None:
    server.script(said(body))
    with pytest.raises(Unavailable, match="not the row"):
        await app.dataverse.one("invoices", INVOICE, {"$select": "name,msdyn_ordertype"})

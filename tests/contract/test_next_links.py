"""A next link is followed as it stands, and only to the service that gave it: it would carry our token elsewhere."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from azure.data.tables.aio import TableClient

from shared.errors import ContractBroken, Unavailable
from shared.maps.transforms import Row
from shared.services.sign_in import SignIn
from tests.contract.server import Reply, Server, html, said
from tests.contract.wiring import App, wired

ACTUALS = "/api/data/v9.2/msdyn_actuals"
IMPORTS = "/data/ProjActualsImports"
PREFER = 'odata.maxpagesize=2,odata.include-annotations="Microsoft.Dynamics.CRM.morerecords"'
SKIP_TOKEN = (
    "?$select=msdyn_amount&$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520page%253d%25221"
    "%2522%253e%253cmsdyn_actualid%2520last%253d%2522%257bA0-1%257d%2522%2520%252f%253e%22%20istracking=%22False%22"
    "%20/%3E&lower=%c3%a9&upper=%C3%A9&plus=a+b&quote='x'&empty=&&tilde=~!*()[]|"
)


@dataclass(frozen=True)
class Collection:
    """A collection of rows, where it lies and how the app reads it."""

    path: str
    pages: Callable[[], AsyncIterator[list[Row]]]

    async def read(self) -> list[Any]:
        """Read all rows; what they hold under `n`."""
        return [row["n"] async for rows in self.pages() for row in rows]


def page(number: int, link: object = None) -> Reply:
    return said({"value": [{"n": number}]} | ({} if link is None else {"@odata.nextLink": link}))


@pytest.fixture(params=["Dataverse", "Finance"])
def collection(request: pytest.FixtureRequest, app: App) -> Collection:
    """Either service's."""
    if request.param == "Finance":
        return Collection(IMPORTS, lambda: app.finance.pages("ProjActualsImports", {"$select": "Amount"}))
    return Collection(ACTUALS, lambda: app.dataverse.pages("msdyn_actuals", {"$select": "msdyn_amount"}, size=2))


async def test_next_links_are_followed_byte_for_byte(server: Server, collection: Collection) -> None:
    targets = [f"{collection.path}{SKIP_TOKEN}", f"{collection.path}{SKIP_TOKEN}%20"]
    server.script(page(1, server.url + targets[0]), page(2, server.url + targets[1]), page(3))
    assert await collection.read() == [1, 2, 3]
    assert server.targets[1:] == targets


async def test_dataverse_is_asked_for_the_same_size_on_every_page(app: App, server: Server) -> None:
    server.script(page(1, f"{server.url}{ACTUALS}?$skiptoken=2"), page(2))
    assert [row["n"] async for rows in app.dataverse.pages("msdyn_actuals", {}, size=2) for row in rows] == [1, 2]
    assert [request.header("Prefer") for request in server.received] == [PREFER] * 2


async def test_an_empty_page_with_a_next_link_is_not_the_end(server: Server, collection: Collection) -> None:
    server.script(said({"value": [], "@odata.nextLink": f"{server.url}{collection.path}?$skiptoken=2"}), page(2))
    assert await collection.read() == [2]


async def test_a_cursor_that_was_kept_is_followed_byte_for_byte(app: App, server: Server) -> None:
    server.script(page(2))
    cursor = f"{server.url}{ACTUALS}{SKIP_TOKEN}"
    found = await app.dataverse.page("msdyn_actuals", {"$select": "msdyn_amount"}, cursor=cursor, size=2)
    assert found.rows == [{"n": 2}]
    assert server.targets == [f"{ACTUALS}{SKIP_TOKEN}"]


async def test_a_next_link_may_spell_the_port_and_the_host_out(signin: SignIn, table: TableClient) -> None:
    async with wired("https://contoso.crm4.dynamics.com", signin, table) as app:
        path, query = "/api/data/v9.2/invoices", "?$skiptoken=%3C"
        url = app.source.own_url(f"https://Contoso.CRM4.dynamics.com:443{path}{query}", path)
        assert url.raw_path_qs == path + query


FOREIGN = {
    "another port": "{foreign}{path}?$skiptoken=2",
    "another scheme": "https://{own_host}{path}?$skiptoken=2",
    "another host": "http://localhost:{own_port}{path}?$skiptoken=2",
    "our host as the user part": "http://{own_host}@{foreign_host}{path}?$skiptoken=2",
    "our host as user and password": "http://127.0.0.1:secret@{foreign_host}{path}",
    "a user part before our host": "http://somebody@{own_host}{path}",
    "our host behind a backslash": "http://{foreign_host}\\@{own_host}{path}",
    "a host that begins as ours": "http://{own_host}.example.com{path}",
    "no scheme": "//{foreign_host}{path}",
    "a path alone": "{path}?$skiptoken=2",
    "another path": "http://{own_host}/api/data/v9.2/systemusers?$skiptoken=2",
    "a set whose name begins as ours": "http://{own_host}{path}archive?$skiptoken=2",
    "a path that climbs": "http://{own_host}{path}/../systemusers?$skiptoken=2",
    "a path that climbs in disguise": "http://{own_host}{path}/%2e%2E/systemusers?$skiptoken=2",
    "a line break": "http://{own_host}{path}?a HTTP/1.1\r\nX-Injected: yes\r\n\r\n",
    "a space": "http://{own_host}{path}?$filter=a eq b",
    "a port that is none": "http://127.0.0.1:99999{path}",
    "no link at all": "javascript:alert(1)",
    "an empty host": "http://{path}",
}


@pytest.mark.parametrize("form", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_next_link_that_leads_away_is_refused_unasked(
    server: Server, elsewhere: Server, collection: Collection, form: str
) -> None:
    own_host, foreign_host = (url.removeprefix("http://") for url in (server.url, elsewhere.url))
    link = form.format(
        foreign=elsewhere.url,
        foreign_host=foreign_host,
        own_host=own_host,
        own_port=own_host.partition(":")[2],
        path=collection.path,
    )
    server.script(page(1, link))
    with pytest.raises(ContractBroken, match="leads away"):
        await collection.read()
    assert len(server.received) == 1


@pytest.mark.parametrize("link", [7, {"href": "x"}, ["x"], True])
async def test_a_next_link_that_is_no_text_is_no_answer(server: Server, collection: Collection, link: Any) -> None:
    server.script(page(1, link))
    with pytest.raises(Unavailable):
        await collection.read()


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": "rows"}, {"value": {"n": 1}}])
async def test_a_page_without_a_list_of_rows_is_no_answer(server: Server, collection: Collection, body: object) -> None:
    server.script(said(body))
    with pytest.raises(Unavailable):
        await collection.read()


async def test_a_next_link_to_the_same_page_is_refused(server: Server, collection: Collection) -> None:
    server.script(*[page(1, f"{server.url}{collection.path}?$skiptoken=2")] * 3)
    with pytest.raises(ContractBroken, match=r"same page again|in a circle"):
        await collection.read()
    assert len(server.received) <= 2


async def test_next_links_in_a_circle_are_refused(server: Server, collection: Collection) -> None:
    server.script(*[page(1, f"{server.url}{collection.path}?$skiptoken={number}") for number in "234234"])
    with pytest.raises(ContractBroken, match="circle"):
        await collection.read()
    assert len(server.received) <= 4


async def test_a_kept_cursor_whose_page_leads_to_itself_is_refused(app: App, server: Server) -> None:
    cursor = f"{server.url}{ACTUALS}?$skiptoken=2"
    server.script(page(1, cursor))
    with pytest.raises(ContractBroken, match="same page"):
        await app.dataverse.page("msdyn_actuals", {}, cursor=cursor, size=2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    server: Server, elsewhere: Server, collection: Collection, status: int
) -> None:
    server.script(html(status, Location=f"{elsewhere.url}/api/data/v9.2/msdyn_actuals"))
    with pytest.raises(Unavailable, match="a redirect"):
        await collection.read()
    assert len(server.received) == 1


async def test_a_redirect_within_the_service_is_not_followed_either(server: Server, collection: Collection) -> None:
    server.script(html(302, Location=f"{server.url}/login"))
    with pytest.raises(Unavailable, match="a redirect"):
        await collection.read()
    assert len(server.received) == 1

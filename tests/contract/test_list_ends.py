"""A list has ended when a page proves it, not when a next link is missing."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.errors import ContractBroken, Unavailable
from shared.services.odata import in_list
from tests.contract.server import Received, Reply, Server, said
from tests.contract.wiring import App

SET, KEY = "msdyn_actuals", "msdyn_actualid"
MORE = "@Microsoft.Dynamics.CRM.morerecords"
SIZE = 5


def key_of(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


@dataclass
class Organization:
    """A Dataverse with some actuals in one table. `withheld` is the first page whose next link it keeps to itself,
    `cap` the most rows that it gives at a time, `says` how it answers whether there are more, `counts` whether
    it counts, `tagged` whether rows begin with their ETag."""

    rows: int
    withheld: int = 1
    cap: int = SIZE
    says: Callable[[bool], bool | None] = field(default=lambda more: more)
    tagged: bool = True
    counts: bool = False

    def answer(self, request: Received) -> Reply:
        """Answer one page."""
        options = {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}
        assert options.get("$orderby") == KEY
        behind = re.search(rf"{KEY} gt ([0-9a-f]{{8}})", options.get("$filter", ""))
        page = int(options.get("$skiptoken", "1"))
        start = (int(behind[1], 16) if behind else 0) + (page - 1) * self.cap
        numbers = range(start + 1, min(start + self.cap, self.rows) + 1)
        tag = {"@odata.etag": 'W/"1"'} if self.tagged else {}
        body: dict[str, object] = {"@odata.context": "x"}
        is_more = start + len(numbers) < self.rows
        if (said_more := self.says(is_more)) is not None:
            body[MORE] = said_more
        if self.counts and options["$count"] == "true":
            body["@odata.count"] = self.rows - (int(behind[1], 16) if behind else 0)
        body["value"] = [{**tag, KEY: key_of(number).upper(), "n": number} for number in numbers]
        if is_more and page < self.withheld:
            host = request.header("Host")
            target = request.target.partition("&$skiptoken")[0]
            body["@odata.nextLink"] = f"http://{host}{target}&$skiptoken={page + 1}"
        return said(body)


ORGANIZATIONS = {
    "every link withheld": Organization(13),
    "links withheld from the second page on": Organization(23, withheld=2),
    "links withheld from the third page on": Organization(23, withheld=3),
    "as many rows as fit into pages": Organization(10),
    "one page that is full": Organization(5),
    "one page": Organization(4),
    "no rows": Organization(0),
    "nothing said about more": Organization(13, says=lambda _: None),
    "nothing said about more, and one page": Organization(3, says=lambda _: None),
    "no more, it lies": Organization(13, says=lambda _: False),
    "fewer rows than asked for": Organization(13, cap=3),
    "fewer rows than asked for, links from the third page on withheld, nothing said": Organization(
        13, withheld=3, cap=3, says=lambda _: None
    ),
    "fewer rows than asked for, links from the third page on withheld, it lies": Organization(
        13, withheld=3, cap=3, says=lambda _: False
    ),
    "fewer rows than asked for and counted": Organization(13, cap=3, says=lambda _: None, counts=True),
    "fewer rows than asked for, it lies, and counted": Organization(13, cap=3, says=lambda _: False, counts=True),
    "links from the second page on withheld, it lies, and counted": Organization(
        23, withheld=2, says=lambda _: False, counts=True
    ),
    "rows without a tag": Organization(13, tagged=False),
    "all links": Organization(13, withheld=99),
}


async def by_pages(app: App) -> AsyncIterator[int]:
    async for rows in app.dataverse.pages(SET, {"$filter": "a eq 1 or b eq 2"}, size=SIZE):
        for row in rows:
            yield row["n"]


async def by_cursors(app: App) -> AsyncIterator[int]:
    """As a search does: one page a message, its next link kept in storage."""
    cursor: str | None = ""
    while cursor is not None:
        page = await app.dataverse.page(SET, {"$filter": "a eq 1 or b eq 2"}, cursor=cursor, size=SIZE)
        cursor = page.next_link
        for row in page.rows:
            yield row["n"]


async def by_streams(app: App) -> AsyncIterator[int]:
    """As loading does: the next link is known before the rows are made."""
    cursor: str | None = ""
    while cursor is not None:
        page = await app.dataverse.stream(SET, {}, cursor=cursor, size=SIZE)
        cursor = page.next_link
        for row in page.rows:
            yield row["n"]


def readers_of(organization: Organization) -> list[Callable[[App], AsyncIterator[int]]]:
    """Who finds every row. A reader of single pages cannot know that those before were shorter than asked for."""
    is_hidden = organization.cap < SIZE and organization.says(True) is not True and not organization.counts
    return [by_pages] if is_hidden else [by_pages, by_cursors, by_streams]


@pytest.mark.parametrize(
    ("organization", "read"),
    [
        pytest.param(organization, read, id=f"{name}, {read.__name__}")
        for name, organization in ORGANIZATIONS.items()
        for read in readers_of(organization)
    ],
)
async def test_every_row_is_read_once_whatever_dataverse_keeps_to_itself(
    app: App, server: Server, organization: Organization, read: Callable[[App], AsyncIterator[int]]
) -> None:
    server.rule = organization.answer
    assert [number async for number in read(app)] == list(range(1, organization.rows + 1))


async def test_what_follows_a_key_is_asked_for_with_the_condition_of_the_list(app: App, server: Server) -> None:
    server.rule = Organization(6).answer
    assert len([number async for number in by_pages(app)]) == 6
    [_, second] = [parse_qs(urlsplit(target).query) for target in server.targets]
    assert second["$filter"] == [f"(a eq 1 or b eq 2) and ({KEY} gt {key_of(5)})"]


@pytest.mark.parametrize(
    "organization",
    [Organization(4), Organization(4, says=lambda _: None, counts=True)],
    ids=["it is told", "it is counted"],
)
async def test_a_short_list_costs_one_request_where_its_end_is_told(
    app: App, server: Server, organization: Organization
) -> None:
    server.rule = organization.answer
    assert len([number async for number in by_pages(app)]) == 4
    assert len(server.received) == 1


async def test_rows_by_their_ids_are_read_to_the_end_too(app: App, server: Server) -> None:
    server.rule = Organization(13).answer
    ids = [key_of(1)]
    options = {"$filter": in_list(KEY, [])}
    found = [row async for rows in app.dataverse.rows_in(SET, (KEY,), ids, options) for row in rows]  # type: ignore[type-var]
    assert [row["n"] for row in found] == list(range(1, 14))


async def test_a_page_that_cannot_be_proven_to_be_the_last_is_no_answer(app: App, server: Server) -> None:
    """Rows in another order than that of their key: nothing can be asked for behind the last one."""
    server.rule = lambda _: said({MORE: True, "value": [{KEY: key_of(1)}]})
    with pytest.raises(Unavailable, match="nothing proves that it is the last"):
        await app.dataverse.page(SET, {"$orderby": "createdon"}, cursor="", size=SIZE)
    server.rule = lambda _: said({MORE: True, "value": [{"n": 1}]})
    with pytest.raises(Unavailable, match="nothing proves that it is the last"):
        await app.dataverse.page(SET, {}, cursor="", size=SIZE)


async def test_a_service_that_gives_the_same_rows_behind_their_key_is_left(app: App, server: Server) -> None:
    server.rule = lambda _: said({MORE: True, "value": [{KEY: key_of(1), "n": 1}]})
    with pytest.raises(ContractBroken, match=r"circle|same page"):
        [number async for number in by_pages(app)]
    assert len(server.received) <= 3


@pytest.mark.parametrize(("rows", "requests"), [(20_003, 5), (20_000, 4), (9_999, 1)])
async def test_finances_list_has_ended_when_finance_counts_no_more(
    app: App, server: Server, rows: int, requests: int
) -> None:
    """Finance keeps every next link to itself; a full page is followed by a count, and by what it lacks."""

    def answer(request: Received) -> Reply:
        path, _, text = request.target.partition("?")
        if path.endswith("/$count"):
            return Reply(200, str(rows).encode(), {"Content-Type": "text/plain"})
        start = int(parse_qs(text).get("$skip", ["0"])[0])
        return said({"value": [{"n": number} for number in range(start, min(start + 10_000, rows))]})

    server.rule = answer
    pages = app.finance.pages("ProjActualsImports", {"$filter": "InvoiceProposalId eq 'P'"})
    assert [row["n"] async for page in pages for row in page] == list(range(rows))
    assert len(server.received) == requests

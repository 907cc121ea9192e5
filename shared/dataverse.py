"""Reading from Dataverse: pages that are followed verbatim, and rows by their ids."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from uuid import UUID

from yarl import URL

from shared.errors import ContractBroken, Refused
from shared.odata import Guid, all_of, chunks, in_list, query
from shared.service import Service
from shared.services.answers import DATAVERSE, Answer
from shared.together import together
from shared.transform import Row

API = "/api/data/v9.2"
NAME = "Dataverse"
IDS_IN_A_URL = 600
"""43 characters each as encoded JSON text stay below Dataverse's limit of 32,768 for a URL."""

_PORTIONS_AT_ONCE = 8
NO_SUCH_ROW = "0x80040217"
FORMS = DATAVERSE
_HEADERS = {"OData-MaxVersion": "4.0", "OData-Version": "4.0", "If-None-Match": "null"}


@dataclass(frozen=True)
class Page:
    """Some rows of a table, and the link to the next ones (None: these were the last)."""

    rows: list[Row]
    next_link: str | None


@dataclass(frozen=True)
class Stream:
    """A page whose rows are made as they are asked for; `size` are the bytes of the answer behind them."""

    rows: Iterator[Row]
    next_link: str | None
    size: int


class Dataverse:
    """The Dataverse Web API of one environment. Every method raises what `Service.get` raises."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def patient(self, until: datetime) -> "Dataverse":
        """The same for a reader, as `Service.patient`."""
        return Dataverse(self._service.patient(until))

    async def one(self, entity_set: str, key: UUID, options: Mapping[str, str]) -> Row | None:
        """The row with this id, or None where Dataverse says that there is none."""
        try:
            answer = await self._service.get(self._url(f"{entity_set}({key})", options), _HEADERS)
        except Refused as refusal:
            if _says_no_such_row(refusal):
                return None
            raise
        return answer.json()

    async def page(self, entity_set: str, options: Mapping[str, str], *, cursor: str, size: int) -> Page:
        """The page that `cursor` (a next link, empty for the first page) leads to, of at most `size` rows."""
        rows, link = (await self._answer(entity_set, options, cursor, size)).page()
        return Page(rows, _further(entity_set, cursor, link))

    async def stream(self, entity_set: str, options: Mapping[str, str], *, cursor: str, size: int) -> Stream:
        """As `page`, with rows that are made one after the other, only once; raises Unavailable also meanwhile."""
        answer = await self._answer(entity_set, options, cursor, size)
        rows, link = answer.stream()
        return Stream(rows, _further(entity_set, cursor, link), len(answer.body))

    async def pages(self, entity_set: str, options: Mapping[str, str], *, size: int) -> AsyncIterator[list[Row]]:
        """All rows, page after page."""
        seen: set[int] = set()
        cursor = ""
        while True:
            page = await self.page(entity_set, options, cursor=cursor, size=size)
            yield page.rows
            if not page.next_link:
                return
            cursor = page.next_link
            if hash(cursor) in seen:
                raise ContractBroken(NAME, f"the next links of {entity_set} go in a circle")
            seen.add(hash(cursor))

    async def rows_in[Id: (UUID, Guid)](
        self,
        entity_set: str,
        columns: tuple[str, ...],
        ids: Iterable[Id],
        options: Mapping[str, str],
        *,
        where: str = "",
    ) -> AsyncIterator[list[Row]]:
        """The rows in which one of `columns` is one of `ids` and `where` holds, in portions, some asked for at once."""
        conditions = (
            all_of(" or ".join(in_list(column, portion) for column in columns), where)
            for portion in chunks(ids, IDS_IN_A_URL // len(columns))
        )
        for some in batched(conditions, _PORTIONS_AT_ONCE, strict=False):
            found = (self._all(entity_set, {**options, "$filter": condition}) for condition in some)
            for rows in await together(*found):
                yield rows

    async def _all(self, entity_set: str, options: Mapping[str, str]) -> list[Row]:
        return [row async for rows in self.pages(entity_set, options, size=5000) for row in rows]

    async def _answer(self, entity_set: str, options: Mapping[str, str], cursor: str, size: int) -> Answer:
        url = self._service.own_url(cursor, path=f"{API}/{entity_set}") if cursor else self._url(entity_set, options)
        return await self._service.get(url, {**_HEADERS, "Prefer": f"odata.maxpagesize={size}"})

    def _url(self, path: str, options: Mapping[str, str]) -> URL:
        return self._service.url(f"{API}/{path}?{query(options)}")


def _further(entity_set: str, cursor: str, link: str | None) -> str | None:
    if link and link == cursor:
        raise ContractBroken(NAME, f"the next link of {entity_set} leads to the same page again")
    return link


def _says_no_such_row(refusal: Refused) -> bool:
    # A mistyped set or a gateway answers 404 too, and says nothing about the row.
    return refusal.status == 404 and refusal.code.lower() == NO_SUCH_ROW

"""Reading from Dataverse: pages with next links, and rows by their ids.

A missing next link alone does not prove the end of a list. A page without a link is the last one if it is empty, or if
it is shorter than requested and Dataverse's own answer agrees: it neither counts more rows nor reports more records.
After any other page, the rows after its last key are requested, until a page proves the end. For that, lists are
ordered by their key.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Self
from uuid import UUID

from yarl import URL

from shared.concurrently import concurrently
from shared.errors import ContractBroken, Refused, Unavailable
from shared.maps.transforms import Row
from shared.services.answers import DATAVERSE, Answer
from shared.services.http import Service
from shared.services.json_rows import measure
from shared.services.odata import Guid, all_of, chunks, guid, in_list, query

API = "/api/data/v9.2"
NAME = "Dataverse"
IDS_IN_A_URL = 600
"""At 43 characters each in encoded JSON, they stay below Dataverse's limit of 32,768 characters for a URL."""

# As many as the default of DATAVERSE_CONCURRENCY.
_PORTIONS_AT_ONCE = 8
NO_SUCH_ROW = "0x80040217"
FORMS = DATAVERSE
# Dataverse counts up to 5,000 rows only.
_MOST_COUNTED = 5000
_MORE = "Microsoft.Dynamics.CRM.morerecords"
# `If-None-Match: null` prevents cached expanded rows (Microsoft, "Compose HTTP requests and handle errors").
_HEADERS = {"OData-MaxVersion": "4.0", "OData-Version": "4.0", "If-None-Match": "null"}


@dataclass(frozen=True)
class Page:
    """Rows of a table, and the link to the next page (None: this is the last page)."""

    rows: list[Row]
    next_link: str | None


@dataclass(frozen=True)
class Stream:
    """A page whose rows are parsed as they are requested. `size` is the size of the answer in bytes."""

    rows: Iterator[Row]
    next_link: str | None
    size: int


@dataclass(frozen=True)
class _Ending:
    """The end of a page: its last row and, if it has no next link, whether the end of the list is unproven or in
    doubt."""

    last: Row | None
    is_unproven: bool
    is_in_doubt: bool

    @classmethod
    def of(cls, body: bytes, size: int, *, full: int, is_counted: bool) -> Self:
        """The end of a page for which `size` rows were requested, while earlier pages had at most `full` rows. With
        `is_counted`, the count in the body counts from the first row of this page."""
        found = measure(body)
        more, counted = found.frame.get(f"@{_MORE}"), found.frame.get("@odata.count")
        exact = counted if is_counted and isinstance(counted, int) and counted < _MOST_COUNTED else None
        is_unproven = found.count >= size or more is True or (exact or 0) > found.count
        return cls(found.last, is_unproven, exact is None and found.count >= full)

    def key(self, name: str) -> Guid | None:
        """The id of the last row."""
        try:
            return guid(str((self.last or {})[name]))
        except (KeyError, ValueError):
            return None


class Dataverse:
    """The Dataverse Web API of one environment. Every method raises the errors of `Service.get`."""

    def __init__(self, service: Service, keys: Mapping[str, str] | None = None) -> None:
        """`keys` names the key columns of entity sets that do not follow the rule "singular name plus id"."""
        self._service = service
        self._keys = keys or {}

    async def one(self, entity_set: str, key: UUID, options: Mapping[str, str]) -> Row | None:
        """The row with this id, or None if Dataverse says that it does not exist."""
        try:
            answer = await self._service.get(self._url(f"{entity_set}({key})", options), _HEADERS)
        except Refused as refusal:
            if _says_no_such_row(refusal):
                return None
            raise
        row = answer.json()
        if not row.keys() & set(options.get("$select", "").split(",")):
            # Without this check all values would be missing, and a confirmed invoice would be rejected for good.
            raise answer.unusable("JSON that is not the row")
        return row

    async def page(self, entity_set: str, options: Mapping[str, str], *, cursor: str, size: int) -> Page:
        """The page at `cursor` (a next link, empty for the first page), with at most `size` rows. A page without a
        next link is proven to be the last one."""
        answer = await self._answer(entity_set, options, cursor, size)
        rows, link = answer.page()
        return Page(rows, self._following(entity_set, options, cursor, link, _ending(answer, cursor, size, size)))

    async def first(self, entity_set: str, options: Mapping[str, str], size: int) -> list[Row]:
        """The first rows of a list, at most `size`, in the order given in the options. There may be more."""
        return (await self._answer(entity_set, options, "", size)).page()[0]

    async def stream(self, entity_set: str, options: Mapping[str, str], *, cursor: str, size: int) -> Stream:
        """Like `page`, with rows that can be iterated once and are parsed meanwhile. Raises Unavailable, also while
        iterating."""
        answer = await self._answer(entity_set, options, cursor, size)
        rows, link = answer.stream()
        following = self._following(entity_set, options, cursor, link, _ending(answer, cursor, size, size))
        return Stream(rows, following, len(answer.body))

    async def pages(self, entity_set: str, options: Mapping[str, str], *, size: int) -> AsyncIterator[list[Row]]:
        """All rows, page by page."""
        seen: set[int] = set()
        cursor, full = "", size
        while True:
            answer = await self._answer(entity_set, options, cursor, size)
            rows, link = answer.page()
            yield rows
            following = self._following(entity_set, options, cursor, link, _ending(answer, cursor, size, full))
            if not following:
                return
            # A service that sends fewer rows than requested does so on every page, so a short page proves nothing
            # there.
            full = min(full, max(1, len(rows)))
            cursor = following
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
        """The rows in which one of `columns` is one of `ids` and `where` holds, in portions that are read
        concurrently."""
        conditions = (
            all_of(" or ".join(in_list(column, portion) for column in columns), where)
            for portion in chunks(ids, IDS_IN_A_URL // len(columns))
        )
        for some in batched(conditions, _PORTIONS_AT_ONCE, strict=False):
            found = (self._all(entity_set, {**options, "$filter": condition}) for condition in some)
            for rows in await concurrently(*found):
                yield rows

    async def _all(self, entity_set: str, options: Mapping[str, str]) -> list[Row]:
        # 5,000 rows is Dataverse's default and largest page.
        return [row async for rows in self.pages(entity_set, options, size=5000) for row in rows]

    def key_of(self, entity_set: str) -> str:
        """The key column of an entity set."""
        return self._keys.get(entity_set) or f"{entity_set.removesuffix('s')}id"

    def _following(
        self, entity_set: str, options: Mapping[str, str], cursor: str, link: str | None, ending: "_Ending"
    ) -> str | None:
        """The link to the next page: Dataverse's own, or one by key if Dataverse sent none and more rows may exist."""
        if link or not (ending.is_unproven or ending.is_in_doubt):
            return _checked_link(entity_set, cursor, link)
        key = self.key_of(entity_set)
        last = ending.key(key) if options.get("$orderby", key) == key else None
        if last is None and ending.is_unproven:
            reason = f"a page of {entity_set} has no next link, and nothing proves that it is the last one"
            raise Unavailable(NAME, reason)
        if last is None:
            return None
        behind = all_of(options.get("$filter", ""), f"{key} gt {last}")
        return _checked_link(entity_set, cursor, str(self._url(entity_set, self._ordered(entity_set, options, behind))))

    def _ordered(self, entity_set: str, options: Mapping[str, str], condition: str) -> dict[str, str]:
        """The options of a counted list, ordered by its key, so that rows after a key can be requested. The key is
        in every row, selected or not."""
        ordered = {**options, "$orderby": options.get("$orderby", self.key_of(entity_set)), "$count": "true"}
        return ordered | ({"$filter": condition} if condition else {})

    async def _answer(self, entity_set: str, options: Mapping[str, str], cursor: str, size: int) -> Answer:
        first = self._ordered(entity_set, options, options.get("$filter", ""))
        url = self._service.own_url(cursor, path=f"{API}/{entity_set}") if cursor else self._url(entity_set, first)
        # Dataverse ignores $top together with maxpagesize, so the size is only given here.
        prefer = f'odata.maxpagesize={size},odata.include-annotations="{_MORE}"'
        return await self._service.get(url, {**_HEADERS, "Prefer": prefer})

    def _url(self, path: str, options: Mapping[str, str]) -> URL:
        return self._service.url(f"{API}/{path}?{query(options)}")


def _ending(answer: Answer, cursor: str, size: int, full: int) -> _Ending:
    # After a next link, the count is still that of the whole list.
    return _Ending.of(answer.body, size, full=full, is_counted="$skiptoken" not in cursor)


def _checked_link(entity_set: str, cursor: str, link: str | None) -> str | None:
    if link and link == cursor:
        raise ContractBroken(NAME, f"the next link of {entity_set} leads to the same page again")
    return link


def _says_no_such_row(refusal: Refused) -> bool:
    # A wrong entity set or a gateway is answered with 404 as well. That says nothing about the row.
    return refusal.status == 404 and refusal.code.lower() == NO_SUCH_ROW

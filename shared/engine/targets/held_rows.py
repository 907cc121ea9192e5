"""Reads the rows that Finance holds, by key. Finance has no `in` operator, so a filter names only so many keys."""

from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import batched
from uuid import UUID

from shared.concurrently import concurrently
from shared.engine.ports import Ports
from shared.maps.transforms import Row
from shared.services.odata import Guid, all_of, any_key, chunks, quote_text

# Each key needs about 60 characters, and the filter is part of the URL.
_KEYS_IN_A_FILTER = 50
_FILTERS_AT_ONCE = 8


async def held_rows[Id: (UUID, Guid)](
    ports: Ports, stage: str, company: str, keys: Iterable[Id], *, select: str = "", where: str = ""
) -> AsyncIterator[Row]:
    """The rows of a map with these keys that Finance holds in `company` and that match `where`. The map's target has
    a `set` and a `key`."""
    in_company = all_of(f"dataAreaId eq {quote_text(company)}", where)
    async for row in rows_with(ports, stage, ports.maps[stage].target.key, keys, select=select, where=in_company):
        yield row


async def rows_with[Id: (UUID, Guid)](
    ports: Ports, stage: str, column: str, values: Iterable[Id], *, select: str = "", where: str = ""
) -> AsyncIterator[Row]:
    """The rows of a map that have one of these ids in a column and that match `where`."""
    selection = {"$select": select} if select else {}
    for some in batched(chunks(values, _KEYS_IN_A_FILTER), _FILTERS_AT_ONCE, strict=False):
        filters = (all_of(any_key(column, portion), where) for portion in some)
        found = (_read(ports, stage, {"$filter": condition, **selection}) for condition in filters)
        for rows in await concurrently(*found):
            for row in rows:
                yield row


async def _read(ports: Ports, stage: str, options: Mapping[str, str]) -> list[Row]:
    pages = ports.finance.pages(str(ports.maps[stage].target.set), options)
    return [row async for rows in pages for row in rows]

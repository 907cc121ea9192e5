"""One row of a table: read it, or change it by its ETag."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

type Row = Mapping[str, Any]


def unchanged(etag: str) -> dict[str, Any]:
    """The options of a request that fails if the row has changed since it had this ETag."""
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


async def find_row(table: TableClient, partition: str, key: str) -> Any | None:
    """A row, or None if there is none."""
    try:
        return await table.get_entity(partition, key)
    except ResourceNotFoundError:
        return None


async def change_row(
    table: TableClient, partition: str, key: str, change: Callable[[Any | None], Row | None], *, tries: float = math.inf
) -> None:
    """Replace the columns of a row by what `change` makes of it. Repeats it on an ETag conflict, and gives up after so
    many `tries`. `change` gets None if there is no row, and returns None to leave it as it is."""
    while tries > 0:
        standing = await find_row(table, partition, key)
        columns = change(standing)
        if columns is None:
            return
        entity = {**columns, "PartitionKey": partition, "RowKey": key}
        with suppress(ResourceExistsError, ResourceModifiedError):
            if standing is None:
                await table.create_entity(entity)
            else:
                await table.update_entity(entity, mode=UpdateMode.REPLACE, **unchanged(standing.metadata["etag"]))
            return
        tries -= 1

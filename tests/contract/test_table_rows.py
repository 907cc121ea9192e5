"""A row that several writers change at once: no change is lost, and a writer that gives up leaves what stands."""

import asyncio
from typing import Any
from uuid import uuid4

from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.tables.rows import Row, change_row, find_row
from simulators.azurite import Azurite


def _one_more(row: Any | None) -> Row:
    return {"count": row["count"] + 1 if row else 1}


async def test_no_change_of_concurrent_writers_is_lost(table: TableClient) -> None:
    key = uuid4().hex
    await asyncio.gather(*(change_row(table, "row", key, _one_more) for _ in range(12)))
    row = await find_row(table, "row", key)
    assert row is not None
    assert row["count"] == 12


class _Raced(TableClient):
    """A table in which another writer is always faster."""

    async def update_entity(self, entity: Any, mode: Any = UpdateMode.MERGE, **options: Any) -> Any:
        await super().update_entity({**entity, "count": 100}, mode=UpdateMode.REPLACE)
        return await super().update_entity(entity, mode=mode, **options)


async def test_a_writer_with_few_tries_gives_up_and_leaves_what_stands(azurite: Azurite, table: TableClient) -> None:
    key = uuid4().hex
    await change_row(table, "row", key, _one_more)
    async with _Raced.from_connection_string(azurite.connection_string(), table.table_name) as raced:
        await change_row(raced, "row", key, _one_more, tries=3)
    row = await find_row(table, "row", key)
    assert row is not None
    assert row["count"] == 100


async def test_a_row_that_is_right_is_not_written(table: TableClient) -> None:
    key = uuid4().hex
    await change_row(table, "row", key, lambda _: None)
    assert await find_row(table, "row", key) is None
    await change_row(table, "row", key, _one_more)
    before = await find_row(table, "row", key)
    await change_row(table, "row", key, lambda _: None)
    after = await find_row(table, "row", key)
    assert before is not None
    assert after is not None
    assert before.metadata["etag"] == after.metadata["etag"]

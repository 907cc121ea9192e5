"""Leases: work that only one worker of all processes may do at a time. After a crash the lease expires."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.errors import LeaseLost
from shared.tables.rows import find_row, unchanged

_PARTITION = "lease"


class Leases:
    """Leases by name. Each lasts for `span` and is renewed while its holder runs."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime], span: timedelta) -> None:
        self._table = table
        self._clock = clock
        self._span = span

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Hold the lease `name` during the block. Raises LeaseLost, before the block, while another worker holds it."""
        owner = uuid4().hex
        etag = await self._take(name, owner)
        renewal = asyncio.create_task(self._renew(name, owner))
        try:
            yield
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            await self._free(name, owner, etag)

    async def _take(self, name: str, owner: str) -> str:
        try:
            return str((await self._table.create_entity(self._entity(name, owner)))["etag"])
        except ResourceExistsError:
            standing = await find_row(self._table, _PARTITION, name)
            if standing is None or parse_stamp(standing["until"]) > self._clock():
                raise LeaseLost(f"lease {name} is held") from None
            return await self._replace(name, owner, standing)

    async def _renew(self, name: str, owner: str) -> None:
        while True:
            # Two renewals may fail before the lease expires.
            await asyncio.sleep(self._span.total_seconds() / 3)
            # An error of storage does not end the lease. Only its expiry does.
            with suppress(AzureError):
                standing = await find_row(self._table, _PARTITION, name)
                if standing is None or standing["owner"] != owner:
                    return
                await self._replace(name, owner, standing)

    async def _free(self, name: str, owner: str, etag: str) -> None:
        with suppress(AzureError):
            try:
                await self._delete(name, etag)
            except ResourceModifiedError:
                # It was renewed, or it expired and has another owner.
                standing = await find_row(self._table, _PARTITION, name)
                if standing is not None and standing["owner"] == owner:
                    await self._delete(name, standing.metadata["etag"])

    async def _delete(self, name: str, etag: str) -> None:
        await self._table.delete_entity({"PartitionKey": _PARTITION, "RowKey": name}, **unchanged(etag))

    async def _replace(self, name: str, owner: str, standing: Any) -> str:
        try:
            replaced = await self._table.update_entity(
                self._entity(name, owner), mode=UpdateMode.REPLACE, **unchanged(standing.metadata["etag"])
            )
        except (ResourceModifiedError, ResourceNotFoundError) as error:
            raise LeaseLost(f"lease {name} is held") from error
        return str(replaced["etag"])

    def _entity(self, name: str, owner: str) -> dict[str, Any]:
        return {
            "PartitionKey": _PARTITION,
            "RowKey": name,
            "owner": owner,
            "until": stamp(self._clock() + self._span),
        }

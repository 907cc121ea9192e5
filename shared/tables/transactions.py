"""Table transactions with ETags, used by the ledger and the dock."""

from collections.abc import Mapping, Sequence
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.errors import LeaseLost
from shared.tables.rows import unchanged


def guarded(entity: Mapping[str, Any], etag: str) -> Any:
    """The operation that changes an entity if its ETag still matches. Columns of a later version are preserved
    (MERGE)."""
    return ("update", entity, {"mode": UpdateMode.MERGE, **unchanged(etag)})


def deleted(entity: Mapping[str, Any], etag: str) -> Any:
    """The operation that deletes an entity if its ETag still matches."""
    return ("delete", entity, unchanged(etag))


async def transact(table: TableClient, operations: list[Any]) -> Sequence[Any]:
    """Run all operations or none. Raises LeaseLost on an ETag conflict, or when an entity was created or deleted
    meanwhile."""
    try:
        return await table.submit_transaction(operations)
    except HttpResponseError as error:
        # Deleted, created or changed by a concurrent writer.
        if error.status_code in {404, 409, 412}:
            raise LeaseLost(f"transaction on {table.table_name}: HTTP {error.status_code}") from error
        raise

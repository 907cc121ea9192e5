"""Table transactions with ETags: what the ledger and the dock have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.errors import LeaseLost


def guarded(entity: Mapping[str, Any], etag: str) -> Any:
    """The operation that changes an entity if it is still as it was read. Columns that this version does not know, as a
    later one may have written them, stay."""
    options = {"mode": UpdateMode.MERGE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", entity, options)


def deleted(entity: Mapping[str, Any], etag: str) -> Any:
    """The operation that deletes an entity if it is still as it was read."""
    return ("delete", entity, {"etag": etag, "match_condition": MatchConditions.IfNotModified})


async def transact(table: TableClient, operations: list[Any]) -> Sequence[Any]:
    """Do all operations or none. Raises LeaseLost when an entity has changed, appeared or gone since it was read."""
    try:
        return await table.submit_transaction(operations)
    except HttpResponseError as error:
        if error.status_code in {404, 409, 412}:
            raise LeaseLost(f"transaction on {table.table_name}: HTTP {error.status_code}") from error
        raise

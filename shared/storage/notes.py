"""Small facts that all instances share and the operator sees, such as the time of the last sweep."""

import json
from typing import Any

from azure.data.tables.aio import TableClient

from shared.tables.rows import find_row

_PARTITION = "note"
# A table property holds at most 64 KiB, which is 32,768 UTF-16 characters.
_TEXT_LIMIT = 30_000


def trouble(service: str) -> str:
    """The name of the note about a problem with a service or with one of its tables."""
    return f"trouble {service}"


DELIVERY = "webhook key "


def delivery(key: str) -> str:
    """The name of the note that an event of the webhook came under this name of a key."""
    return DELIVERY + key


class Notes:
    """Notes by name. Writing a note replaces it."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def write(self, name: str, fact: dict[str, Any]) -> None:
        """Store a fact. If it is too long, its lists are replaced by their lengths."""
        text = json.dumps(fact)
        if len(text) > _TEXT_LIMIT:
            text = json.dumps({key: len(value) if isinstance(value, list) else value for key, value in fact.items()})
        await self._table.upsert_entity({"PartitionKey": _PARTITION, "RowKey": name, "fact": text})

    async def read(self, name: str) -> dict[str, Any] | None:
        """The fact of this name, or None."""
        row = await find_row(self._table, _PARTITION, name)
        return dict(json.loads(row["fact"])) if row else None

    async def beginning(self, prefix: str) -> dict[str, dict[str, Any]]:
        """The facts whose names begin with `prefix`, by name."""
        condition = "PartitionKey eq @note and RowKey ge @lower and RowKey lt @upper"
        names = {"note": _PARTITION, "lower": prefix, "upper": prefix + "~"}
        rows = self._table.query_entities(condition, parameters=names)
        return {row["RowKey"]: dict(json.loads(row["fact"])) async for row in rows}

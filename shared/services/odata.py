"""OData text: the only place where a value becomes part of a query."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import batched
from typing import NewType
from urllib.parse import quote
from uuid import UUID

Guid = NewType("Guid", str)
"""A GUID as lower-case text that was checked: of the hundreds of thousands of a large invoice, UUID objects cost
several times as much."""
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def guid(text: str) -> Guid:
    """A GUID that a service wrote, in whatever form. Raises ValueError."""
    lower = text.lower()
    return Guid(lower if _GUID.fullmatch(lower) else str(UUID(lower)))


def quote_text(value: str) -> str:
    """A string literal for `$filter`."""
    return "'" + value.replace("'", "''") + "'"


def query(options: Mapping[str, str]) -> str:
    """The query part of a URL, every value encoded."""
    return "&".join(f"{name}={quote(value, safe="(),;$'=:/")}" for name, value in options.items())


def in_list(column: str, ids: Iterable[UUID | Guid]) -> str:
    """Dataverse's `In` function over GUIDs; F&O has none."""
    values = ",".join(f'"{value}"' for value in ids)
    return f"Microsoft.Dynamics.CRM.In(PropertyName='{column}',PropertyValues=[{values}])"


def all_of(*conditions: str) -> str:
    """The conjunction of the conditions that are not empty."""
    return " and ".join(f"({condition})" for condition in conditions if condition)


def chunks[Id: (UUID, Guid)](ids: Iterable[Id], size: int) -> Iterator[tuple[Id, ...]]:
    """The ids in portions that fit into one URL, without doubles and in a fixed order."""
    return batched(sorted(set(ids)), size, strict=False)

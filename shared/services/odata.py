"""OData text. Only this module puts values into queries."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import batched
from typing import NewType
from urllib.parse import quote
from uuid import UUID

Guid = NewType("Guid", str)
"""A GUID as validated lower-case text. A large invoice has hundreds of thousands, and UUID objects need several
times the memory.
"""
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def guid(text: str) -> Guid:
    """Normalize a GUID that a service wrote in any form. Raises ValueError."""
    lower = text.lower()
    return Guid(lower if _GUID.fullmatch(lower) else str(UUID(lower)))


def quote_text(value: str) -> str:
    """A string literal for `$filter`."""
    return "'" + value.replace("'", "''") + "'"


def query(options: Mapping[str, str]) -> str:
    """The query part of a URL, with encoded values."""
    return "&".join(f"{name}={quote(value, safe="(),;$'=:/")}" for name, value in options.items())


def in_list(column: str, ids: Iterable[UUID | Guid]) -> str:
    """Dataverse's `In` function over GUIDs. Finance has no such function."""
    values = ",".join(f'"{value}"' for value in ids)
    return f"Microsoft.Dynamics.CRM.In(PropertyName='{column}',PropertyValues=[{values}])"


def all_of(*conditions: str) -> str:
    """The conjunction of the non-empty conditions."""
    return " and ".join(f"({condition})" for condition in conditions if condition)


def any_key[Id: (UUID, Guid)](column: str, ids: Iterable[Id]) -> str:
    """The condition that a column holds one of these ids."""
    return " or ".join(f"{column} eq {each}" for each in ids)


def chunks[Id: (UUID, Guid)](ids: Iterable[Id], size: int) -> Iterator[tuple[Id, ...]]:
    """The ids in portions that fit into one URL, without duplicates and in a fixed order."""
    return batched(sorted(set(ids)), size, strict=False)

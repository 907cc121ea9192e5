"""OData text: the only place where a value becomes part of a query."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import batched
from urllib.parse import quote
from uuid import UUID


def quote_text(value: str) -> str:
    """A string literal for `$filter`."""
    return "'" + value.replace("'", "''") + "'"


def query(options: Mapping[str, str]) -> str:
    """The query part of a URL, every value encoded."""
    return "&".join(f"{name}={quote(value, safe="(),;$'=:/")}" for name, value in options.items())


def in_list(column: str, ids: Iterable[UUID]) -> str:
    """Dataverse's `In` function over GUIDs; F&O has none."""
    values = ",".join(f'"{value}"' for value in ids)
    return f"Microsoft.Dynamics.CRM.In(PropertyName='{column}',PropertyValues=[{values}])"


def all_of(*conditions: str) -> str:
    """The conjunction of the conditions that are not empty."""
    return " and ".join(f"({condition})" for condition in conditions if condition)


def chunks(ids: Iterable[UUID], size: int) -> Iterator[tuple[UUID, ...]]:
    """The ids in portions that fit into one URL, without doubles and in a fixed order."""
    return batched(sorted(set(ids)), size, strict=False)

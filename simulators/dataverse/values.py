"""Stored values as JSON, and what people see of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import orjson

from simulators.dataverse.events import SqlValue
from simulators.dataverse.schema import Column, Schema

TIME_ZONE = ZoneInfo("Europe/Berlin")

type Convert = Callable[[int], object]


def decimal_text(value: int, scale: int) -> str:
    """Return a scaled integer as a number with all its decimals."""
    digits = f"{abs(value):0{scale + 1}d}"
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def converter(column: Column) -> Convert | None:
    """Return how a stored value becomes JSON, or None where it already is. The exact text of a decimal survives."""
    if column.type == "bool":
        return bool
    if column.type in {"money", "decimal"}:
        scale = column.scale
        return lambda value: orjson.Fragment(decimal_text(value, scale))
    return None


def formatted(column: Column, value: SqlValue, schema: Schema) -> str | None:
    """Return what a person reads for a value, or None where the raw value is it."""
    if value is None:
        return None
    if column.choice:
        return schema.choices[column.choice].get(int(value), str(value))
    if column.type in {"money", "decimal"}:
        whole, _, decimals = decimal_text(int(value), column.scale).partition(".")
        return f"{int(whole):,}.{decimals[:2]}"
    if column.type == "instant":
        local = parse_instant(str(value)).astimezone(TIME_ZONE)
        return f"{local.month}/{local.day}/{local.year} {local.strftime('%I:%M %p').lstrip('0')}"
    if column.type == "day":
        year, month, day = str(value).split("-")
        return f"{int(month)}/{int(day)}/{year}"
    return f"{value:,}" if column.type in {"int", "bigint"} else None


def parse_instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def instant_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_text() -> str:
    return instant_text(datetime.now(UTC))

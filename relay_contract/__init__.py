"""What is asked of the app over HTTP and what it answers: for its endpoints, its command and its OpenAPI document. It
imports pydantic alone, so that the command's wheel needs no more."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


def write_instant(instant: datetime) -> str:
    """An instant as answers have it: 2026-11-20T14:02:10.123Z, without the fraction where there is none."""
    precision = "milliseconds" if instant.microsecond else "seconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _write_amount(amount: Decimal) -> str:
    return format(amount, "f")


Instant = Annotated[datetime, PlainSerializer(write_instant, return_type=str)]
Amount = Annotated[
    Decimal,
    PlainSerializer(_write_amount, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["1234.5000"]}),
]
"""Money, as a decimal string to its last decimal."""


class Answer(BaseModel):
    """A JSON object of the app. A member with a default is told where there is something to tell; a reader passes over
    members that it does not know."""

    # A command reads one or two of these; the others need not be built.
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True, defer_build=True
    )

    def document(self) -> dict[str, Any]:
        """What goes over the wire: the members that were given, by the names that they have there."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Money(Answer):
    """So many rows and their amounts per ISO currency."""

    rows: int
    amounts: dict[str, Amount]

"""The HTTP contract of the app: requests and answers, for its endpoints, its command and its OpenAPI document. It
imports only pydantic, so that the command's wheel needs nothing else.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


def write_instant(instant: datetime) -> str:
    """An instant as answers contain it: 2026-11-20T14:02:10.123Z, without a fraction of zero."""
    precision = "milliseconds" if instant.microsecond else "seconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _write_amount(amount: Decimal) -> str:
    # str() of a Decimal may write 1E+3.
    return format(amount, "f")


Instant = Annotated[datetime, PlainSerializer(write_instant, return_type=str)]
# A JSON number would become a binary float in most readers, and lose decimals of money.
Amount = Annotated[
    Decimal,
    PlainSerializer(_write_amount, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["1234.5000"]}),
]
"""Money, as a decimal string to its last decimal."""


class Answer(BaseModel):
    """A JSON object of the app. A member with a default is omitted when it has nothing to say. A reader must ignore
    members that it does not know."""

    # A command uses one or two of these models; the others need not be built.
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True, defer_build=True
    )

    def document(self) -> dict[str, Any]:
        """The JSON document: the members that were set, under their names in JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Money(Answer):
    """A number of rows, and their amounts per ISO currency."""

    rows: int
    amounts: dict[str, Amount]

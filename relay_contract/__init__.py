"""What the app answers over HTTP, for its endpoints and its command. It imports pydantic alone, so that the command's
wheel needs no more."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    """A JSON object of the app; members that are not named pass unread."""

    # A command reads one or two of these; the others need not be built.
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, defer_build=True)


class Money(Answer):
    """So many rows and their amounts per ISO currency."""

    rows: int
    amounts: dict[str, Decimal]

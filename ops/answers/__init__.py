"""What the app answers, as far as it is shown; members that are not named here pass unread."""

from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from ops.problems import Unreachable


class Answer(BaseModel):
    """A JSON object of the app."""

    # A command reads one or two of these; the others need not be built.
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, defer_build=True)


class Money(Answer):
    """So many rows and their amounts per ISO currency."""

    rows: int
    amounts: dict[str, Decimal]


def read[T: Answer](model: type[T], document: Any) -> T:
    """The document as the model; Unreachable, with the place, when the app speaks otherwise."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unreachable(
            f"The app's answer is not understood: {place}: {first['msg']}.",
            "Is RELAY_URL the address of the app, and is relay of the app's version?",
        ) from error

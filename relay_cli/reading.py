"""Parses the app's answers with the models of the contract."""

from typing import Any

from pydantic import ValidationError

from relay_cli.problems import Unreachable
from relay_contract import Answer


def read[T: Answer](model: type[T], document: Any) -> T:
    """The document as a model. Raises Unreachable, naming the place, if it does not match."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unreachable(
            f"The app's answer is not understood: {place}: {first['msg']}.",
            "Is RELAY_URL the address of the app, and is relay of the app's version?",
        ) from error

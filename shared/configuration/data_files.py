"""Reads and validates the data files of the app, maps and jobs. Errors name the file, the field and the reason."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

# What pydantic says about the types of Python, in the words of JSON. All its other texts are understood as they are.
_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of a {what}",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "too_short": "needs at least {min_length} entry",
    "union_tag_invalid": "kind {tag!r} is unknown; known are {expected_tags}",
    "union_tag_not_found": "kind: is missing",
}


class FileRefused(Exception):
    """A file is invalid. The text names the file, the field and the reason."""


def read_file[M: BaseModel](file: Path, model: type[M], what: str) -> M:
    """The content of a JSON file that describes a `what`. Raises FileRefused."""
    try:
        # utf-8-sig, because editors on Windows put a byte order mark before the text.
        text = file.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise FileRefused(f"{file.name} refused: {error}") from error
    return read_text(text, file.name, model, what)


def read_text[M: BaseModel](text: str, name: str, model: type[M], what: str) -> M:
    """The content of the file `name`, JSON text that describes a `what`. Raises FileRefused."""
    try:
        return model.model_validate(json.loads(text, object_pairs_hook=_no_double))
    except ValidationError as error:
        problems = "\n".join(f"  {_where(problem['loc'])}{reason_of(problem, what)}" for problem in error.errors())
        raise FileRefused(f"{name} refused:\n{problems}") from None
    # The text may be nested deeper than Python's own stack.
    except (ValueError, RecursionError) as error:
        raise FileRefused(f"{name} refused: {error}") from error


def _no_double(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # json keeps the last of several members with one name and says nothing: an edit above it would have no effect.
    names = [name for name, _ in pairs]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{', '.join(sorted(doubled))} is given twice")
    return dict(pairs)


def _where(location: tuple[int | str, ...]) -> str:
    return (
        "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".") + ": "
        if location
        else ""
    )


def reason_of(problem: Any, what: str) -> str:
    """What is wrong, of one of pydantic's errors about a file that describes a `what`."""
    if reason := _REASONS.get(problem["type"]):
        return reason.format(**{"what": what} | problem.get("ctx", {}))
    return str(problem["msg"]).removeprefix("Value error, ")

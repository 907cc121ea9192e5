"""A value map against the values that a column of Dataverse can have."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from operate.doctor.tables import Column

_TEXTS = frozenset({"String", "Memo"})

type Value = bool | int | str


@dataclass(frozen=True)
class Misfit:
    """What does not fit, as names of the value map or labels of the tenant with their values.

    `wrong` values can never match, because the column `holds` another type. `missing` values are in the map and not in
    the tenant, `more` in the tenant and not in the map.
    """

    holds: str = ""
    wrong: Mapping[str, Value] = field(default_factory=dict)
    missing: Mapping[str, Value] = field(default_factory=dict)
    more: Mapping[str, Value] = field(default_factory=dict)


def misfit(values: Mapping[str, Value], column: Column, options: Mapping[bool | int, str] | None) -> Misfit:
    """Compare a value map with a column and its `options`, None for a column that is no choice: what that may hold is
    not listed, only its type is known."""
    if options is None:
        return _of_type(values, str, "texts") if column.type in _TEXTS else Misfit()
    found = _of_type(values, bool, "true or false") if column.type == "Boolean" else _of_type(values, int, "numbers")
    if found.wrong:
        return found
    return Misfit(
        missing={name: value for name, value in values.items() if value not in options},
        more={label: value for value, label in options.items() if value not in values.values()},
    )


def _of_type(values: Mapping[str, Value], kind: type[Value], holds: str) -> Misfit:
    # A bool is an int to Python, and never one to Dataverse.
    return Misfit(holds, {name: value for name, value in values.items() if type(value) is not kind})

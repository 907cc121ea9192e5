"""Looks through a map file without a tenant: what is wrong with it and where, and what looks unintended."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import ValidationError

from shared.configuration.data_files import reason_of
from shared.maps.map_parts import FieldPair
from shared.maps.odata_filter import FilterRefused, conditions, parse_filter
from shared.maps.positions import Step, place_in, place_of, place_of_doubled
from shared.maps.table_map import TableMap
from shared.maps.transforms import ValueMap

_NAMED = re.compile(r"^((?:[A-Za-z]\w*|\[\d+\])(?:\.\w+|\[\d+\])*): (.*)", re.DOTALL)
_STEPS = re.compile(r"\[(\d+)\]|([A-Za-z]\w*)")
_VALUE = re.compile(r"-?\d+|true|false", re.IGNORECASE)


@dataclass(frozen=True)
class Remark:
    """A fault keeps a map from being used; a warning is about what is perhaps not meant. Line and column count from 1,
    and are 0 where the place is not known. `about` is the member of the file."""

    severity: Literal["fault", "warning"]
    about: str
    text: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Review:
    """What was found. There is a map if it can be read as one, even with faults."""

    table_map: TableMap | None
    remarks: tuple[Remark, ...]

    @property
    def faults(self) -> tuple[Remark, ...]:
        """The remarks that keep the map from being used."""
        return tuple(each for each in self.remarks if each.severity == "fault")


def review(text: str, shipped: TableMap | None = None) -> Review:
    """Look through the text of a map file, and compare it with the shipped map of its name, if there is one."""
    text = text.removeprefix("\ufeff")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        return _nothing(Remark("fault", "", f"no JSON: {error.msg}", error.lineno, error.colno))
    except ValueError as error:
        # A number with thousands of digits.
        return _nothing(Remark("fault", "", f"no JSON: {error}"))
    except RecursionError:
        return _nothing(Remark("fault", "", "no map: it is nested too deeply"))
    if doubled := place_of_doubled(text):
        name, line, column = doubled
        return _nothing(Remark("fault", name, f"{name} is given twice in one object", line, column))
    try:
        table_map = TableMap.model_validate(content)
    except ValidationError as error:
        return Review(None, tuple(_fault(text, each) for each in error.errors()))
    found = [*_faults(text, table_map), *(_warnings(text, table_map, shipped) if shipped else ())]
    return Review(table_map, tuple(found))


def _nothing(remark: Remark) -> Review:
    return Review(None, (remark,))


def _fault(text: str, problem: Any) -> Remark:
    path, reason = list(problem["loc"]), reason_of(problem, "map")
    # A rule about several members names them in its text.
    named = _NAMED.match(reason)
    if named and (not path or isinstance(path[-1], int)):
        path += [int(number) if number else name for number, name in _STEPS.findall(named[1])]
        reason = named[2]
    return _at(text, "fault", path, reason)


def _at(text: str, severity: Literal["fault", "warning"], path: list[Step], reason: str) -> Remark:
    line, column = place_of(text, path)
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    return Remark(severity, steps, reason, line, column)


def _faults(text: str, table_map: TableMap) -> Iterator[Remark]:
    for number, pair in enumerate(table_map.fields):
        if isinstance(pair.transform, ValueMap) and _is_reversed(pair.transform):
            name, value = next(iter(pair.transform.values.items()))
            reason = (
                f"{pair.target}: the value map is reversed. Finance's name comes first, then Dataverse's value: "
                f'"{value}": {name}'
            )
            yield _at(text, "fault", ["fields", number, "transform", "values"], reason)
    try:
        parse_filter(table_map.source.filter)
    except FilterRefused as refused:
        line, column = place_in(text, ["source", "filter"], refused.at)
        yield Remark("fault", "source.filter", f"no OData filter: {refused}", line, column)


def _is_reversed(values: ValueMap) -> bool:
    names = all(_VALUE.fullmatch(name) for name in values.values)
    return names and all(isinstance(value, str) and not _VALUE.fullmatch(value) for value in values.values.values())


def _warnings(text: str, table_map: TableMap, shipped: TableMap) -> Iterator[Remark]:
    targets = {pair.target for pair in shipped.fields}
    sources = {pair.source for pair in shipped.fields}
    for number, pair in enumerate(table_map.fields):
        if pair.target not in targets:
            reason = f"{pair.target} is not in the shipped map{_meant(pair.target, targets)}"
            yield _at(text, "warning", ["fields", number, "target"], f"{reason}. Is it a column of Finance's entity?")
        if pair.source and pair.source not in sources:
            reason = f"{pair.source} is not in the shipped map{_meant(pair.source, sources)}"
            yield _at(text, "warning", ["fields", number, "source"], f"{reason}. Is it a column of Dataverse?")
    yield from _filter_warnings(text, table_map, shipped)
    known = {pair.target for pair in table_map.fields}
    for pair in shipped.fields:
        if pair.target not in known:
            yield _at(text, "warning", ["fields"], _gone(pair))


def _filter_warnings(text: str, table_map: TableMap, shipped: TableMap) -> Iterator[Remark]:
    """Rows that the shipped map keeps out, such as those of skip sync, are perhaps in Finance already."""
    try:
        given = conditions(table_map.source.filter)
    except FilterRefused:
        # Told as a fault.
        return
    for own in conditions(shipped.source.filter):
        if own not in given and f"({own})" not in given:
            reason = f"the condition of the shipped map is gone: {own}. Rows that it keeps out would be sent"
            yield _at(text, "warning", ["source", "filter"], reason)


def _meant(name: str, known: set[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.85)
    return f" (is {close[0]} meant?)" if close else ""


def _gone(pair: FieldPair) -> str:
    what = "is not written back any more" if pair.direction == "toDataverse" else "is not sent any more"
    return f"{pair.target}, which the shipped map has, {what}"

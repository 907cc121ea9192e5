"""Translates a map of dual-write, as its column `msdyn_mapping` holds it, into a map file of this app.

Pure: what the tenant's metadata says is given as `Described`. Whatever is not taken as it stands is a line of the
report, so that a person can compare. Source of the form: public exports of dual-write maps and tools that read them.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.maps.dual_write_filter import translate_filter
from shared.maps.dual_write_paths import Described, PathUnknown, translate_path
from shared.maps.odata_filter import conditions
from shared.maps.table_map import TableMap
from shared.maps.transforms import LocalDate, LocalDay, PlainDate, Uuid5, ValueMap

_TARGET = re.compile(r"[A-Z][A-Z0-9_]*")
_DIRECTIONS = {"1": "toDataverse", "2": "toFinance", "3": "both"}
# The gateway of dual-write has words for the directions.
_DIRECTIONS |= {"foonly": "toDataverse", "ceonly": "toFinance", "both": "both"}
_COMPANY = "cdm_companycode"
_WHOLE = re.compile(r"-?\d+")
_NUMBERS = {"Picklist", "State", "Status", "Integer", "BigInt"}
_MOST_ENCODINGS = 3

type Content = dict[str, Any]


class NoMapping(Exception):
    """A text is no dual-write map. The text of the error says what is missing."""


@dataclass(frozen=True)
class Line:
    """A line of the report."""

    kind: Literal["taken", "changed", "untranslatable", "missing"]
    target: str
    source: str = ""
    text: str = ""


@dataclass(frozen=True)
class Translated:
    """The content of a map file, and the report in the order of the dual-write map."""

    content: Content
    report: tuple[Line, ...]


@dataclass
class _Pair:
    """One field, translated so far."""

    target: str
    source: str
    direction: str
    transform: Content | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def content(self) -> Content:
        parts: Content = {"target": self.target} | ({"source": self.source} if self.source else {})
        return parts | {"direction": self.direction} | ({"transform": self.transform} if self.transform else {})


class _Untranslatable(Exception):
    """A field has no counterpart."""


def decode(text: str) -> Any:
    """The JSON of a column of dual-write, which may be encoded more than once. Raises NoMapping."""
    content: Any = text
    for _ in range(_MOST_ENCODINGS):
        if not isinstance(content, str):
            return content
        try:
            content = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise NoMapping(f"it is not JSON: {error}") from error
    return content


def leg_of(mapping: Content) -> Content:
    """The one leg of a mapping, with Finance as source. Raises NoMapping."""
    legs = mapping.get("legs")
    leg = legs[0] if isinstance(legs, list) and legs else None
    if not isinstance(leg, dict) or not isinstance(leg.get("fieldMappings"), list):
        raise NoMapping("it has no legs with fieldMappings")
    if str(leg.get("sourceEnvironmentType", "AX")).upper() in {"CRM", "1"}:
        return _turned(leg)
    return leg


def _turned(leg: Content) -> Content:
    """A leg with Dataverse as source, the other way round."""
    swap = {"sourceSchema": "destinationSchema", "sourceField": "destinationField"}
    swap |= {"sourceFilter": "reversedSourceFilter", "sourceEnvironmentType": "destinationEnvironmentType"}
    both = swap | {value: key for key, value in swap.items()}

    def turn(content: Content) -> Content:
        return {both.get(name, name): value for name, value in content.items()}

    return turn(leg) | {"fieldMappings": [turn(each) for each in leg["fieldMappings"] if isinstance(each, dict)]}


def translate(mapping: Content, shipped: TableMap, described: Described, version: str = "") -> Translated:
    """A mapping as a map file. The shipped map gives what dual-write does not know: keys, the rules of days and ids,
    the write-back, and the navigation properties where the metadata is not known. Raises NoMapping."""
    leg = leg_of(mapping)
    table = str(leg.get("destinationSchema") or shipped.source.set)
    if table.lower() != shipped.source.set:
        raise NoMapping(f"it maps {table}, and this map carries {shipped.source.set}")
    going = _Translation(leg, shipped, described)
    content = going.content(str(mapping.get("name") or shipped.name), version or shipped.version)
    return Translated(content, tuple(going.report))


class _Translation:
    def __init__(self, leg: Content, shipped: TableMap, described: Described) -> None:
        self.leg = leg
        self.shipped = shipped
        self.described = described
        self.report: list[Line] = []

    def content(self, name: str, version: str) -> Content:
        """The map file. Fills the report."""
        pairs = self._in_order(self._merged([pair for each in self._mappings() if (pair := self._read(each))]))
        self._tell_missing(pairs)
        company = self._company(pairs)
        paths = [pair.source for pair in pairs] + [company or "", self.shipped.customer or ""]
        lookups = {path.rpartition(".")[0] for path in paths} - {""}
        content: Content = {
            "name": name,
            "version": version,
            "source": {
                "set": self.shipped.source.set,
                "key": self.shipped.source.key,
                "filter": self._filter(),
                "lookups": sorted(lookups),
            },
            "target": self._target(pairs),
            "integrationKey": list(self.shipped.integrationKey),
            "company": company,
            "fields": [pair.content for pair in pairs],
        }
        if self.shipped.customer:
            content["customer"] = self.shipped.customer
        if self.shipped.writeBack:
            content["writeBack"] = self._write_back(pairs)
        return content

    def _mappings(self) -> list[Content]:
        return [each for each in self.leg["fieldMappings"] if isinstance(each, dict)]

    def _tell(self, kind: Literal["changed", "untranslatable", "missing"], target: str, source: str, text: str) -> None:
        self.report.append(Line(kind, target, source, text))

    def _read(self, mapping: Content) -> _Pair | None:
        """A field, or None if it is not taken. Adds a line to the report."""
        target, source = str(mapping.get("sourceField") or "").upper(), str(mapping.get("destinationField") or "")
        if mapping.get("isSystemGenerated"):
            self._tell("changed", target, source, "left out: dual-write adds it by itself")
            return None
        try:
            pair = self._pair(target, source, mapping)
        except (_Untranslatable, PathUnknown) as error:
            self._tell("untranslatable", target, source, str(error))
            return None
        self.report.append(Line("changed" if pair.notes else "taken", target, pair.source, "; ".join(pair.notes)))
        return pair

    def _pair(self, target: str, source: str, mapping: Content) -> _Pair:
        if not _TARGET.fullmatch(target):
            raise _Untranslatable(f"{target or 'an empty name'} is no column of a package")
        direction = _DIRECTIONS.get(str(mapping.get("syncDirection")).strip().lower())
        if direction is None:
            raise _Untranslatable(f"its direction is {mapping.get('syncDirection')!r}, which is not known")
        pair = _Pair(target, "", direction)
        self._set_source(pair, source, str(mapping.get("destinationLookupFieldRelatedEntity") or ""))
        self._set_transform(pair, _transforms(mapping))
        return pair

    def _set_source(self, pair: _Pair, source: str, related: str) -> None:
        if not source:
            return
        pair.source = translate_path(source, related, self.described, self.shipped)
        if pair.source != source:
            pair.notes.append(f"{source} is {pair.source} in the Web API")

    def _set_transform(self, pair: _Pair, transforms: Sequence[Content]) -> None:
        values = next((each for each in transforms if each["transformType"] == "ValueMap"), None)
        default = next((each for each in transforms if each["transformType"] == "Default"), None)
        if values is not None:
            pair.transform = {"kind": "valueMap", "values": self._values(pair, values)}
            if default is not None:
                value = default.get("defaultValue")
                pair.notes.append(f"the default {value!r} of an empty column is left out: a column has one transform")
        elif default is not None:
            self._set_default(pair, str(default.get("defaultValue") or ""))
        elif not pair.source:
            raise _Untranslatable("it has neither a column nor a default")
        else:
            self._set_rule(pair)

    def _set_default(self, pair: _Pair, value: str) -> None:
        if not value:
            raise _Untranslatable("its default is empty")
        name = self._member(pair, value)
        if pair.source:
            pair.transform = {"kind": "default", "value": name}
            pair.notes.append(f"an empty column is sent as {name}")
            return
        if pair.direction != "toFinance":
            raise _Untranslatable(
                "a default without a column that goes to Dataverse; this app writes back columns alone"
            )
        pair.transform = {"kind": "constant", "value": name}
        pair.notes.append(f"every row is sent with the constant {name}")

    def _set_rule(self, pair: _Pair) -> None:
        """Take the shipped map's rule for days and ids, which dual-write applies without saying so."""
        own = next((each for each in self.shipped.fields if each.target == pair.target), None)
        if own and own.source == pair.source and isinstance(own.transform, Uuid5 | LocalDay | PlainDate | LocalDate):
            pair.transform = own.transform.model_dump(mode="json", exclude_defaults=True)
            pair.notes.append(f"with the rule {own.transform.kind} of the shipped map")
        elif kind := self.described.day_kind(pair.source):
            pair.transform = {"kind": kind}
            pair.notes.append(f"with the rule {kind}, as the column of Dataverse behaves")

    def _values(self, pair: _Pair, transform: Content) -> dict[str, bool | int | str]:
        given = transform.get("valueMap")
        if not isinstance(given, dict) or not given:
            raise _Untranslatable("its value map is empty")
        found: dict[str, bool | int | str] = {}
        for name, text in given.items():
            value = self._typed(pair, str(text))
            if value in found.values() and type(value) in map(type, found.values()):
                pair.notes.append(f"{name} stands for {text} like another name, and is left out")
                continue
            found[self._member(pair, str(name))] = value
        return found

    def _typed(self, pair: _Pair, text: str) -> bool | int | str:
        kind = self.described.type_of(pair.source)
        if text.lower() in {"true", "false"} and kind in {"Boolean", ""}:
            return text.lower() == "true"
        if _WHOLE.fullmatch(text) and (kind in _NUMBERS or not kind):
            return int(text)
        return text

    def _member(self, pair: _Pair, name: str) -> str:
        """The name as Finance writes it on the wire; dual-write has another case."""
        known = [*self.described.members.get(pair.target, ()), *_shipped_names(self.shipped, pair.target)]
        wire = next((each for each in known if each.lower() == name.lower()), name)
        if wire != name:
            pair.notes.append(f"{name} is {wire} in a package")
        return wire

    def _merged(self, pairs: list[_Pair]) -> list[_Pair]:
        """One field for each target."""
        found: dict[str, _Pair] = {}
        for pair in pairs:
            first = found.setdefault(pair.target, pair)
            if first is pair:
                continue
            if first.source == pair.source and first.direction != pair.direction:
                first.direction = "both"
                self._tell("changed", pair.target, pair.source, "two fields of one column become one of direction both")
            else:
                kept, lost = (pair, first) if first.direction == "toDataverse" else (first, pair)
                found[pair.target] = kept
                self._tell("untranslatable", lost.target, lost.source, f"{kept.source} is kept for this column")
        return list(found.values())

    def _in_order(self, pairs: list[_Pair]) -> list[_Pair]:
        """In the order of the shipped map, then what is the tenant's own."""
        order = {pair.target: place for place, pair in enumerate(self.shipped.fields)}
        return sorted(pairs, key=lambda pair: order.get(pair.target, len(order)))

    def _tell_missing(self, pairs: list[_Pair]) -> None:
        known = {pair.target for pair in pairs}
        for own in self.shipped.fields:
            if own.target not in known:
                self._tell("missing", own.target, own.source, "the shipped map has it, this one has not")

    def _company(self, pairs: list[_Pair]) -> str | None:
        if self.shipped.company is None:
            return None
        mapped = [pair.source for pair in pairs if pair.source.rpartition(".")[2] == _COMPANY]
        if not mapped or self.shipped.company in mapped:
            return self.shipped.company
        self._tell("changed", "company", mapped[0], f"the company of a row comes from {mapped[0]}")
        return mapped[0]

    def _filter(self) -> str:
        if text := str(self.leg.get("sourceFilter") or "").strip():
            self._tell("untranslatable", "filter", text, "a range of Finance, which only the way to Dataverse uses")
        given = str(self.leg.get("reversedSourceFilter") or "").strip()
        if not given:
            if self.shipped.source.filter:
                self._tell(
                    "changed", "filter", "", f"dual-write has none; the shipped one stays: {self.shipped.source.filter}"
                )
            return self.shipped.source.filter
        translated = translate_filter(given, self.described)
        if translated.refused:
            reason = f"{translated.refused}; the shipped one stays: {self.shipped.source.filter}"
            self._tell("untranslatable", "filter", given, reason)
            return self.shipped.source.filter
        text, notes = translated.text, list(translated.notes)
        # The rules of the app count on the shipped conditions: rows that they keep out would be sent a second time.
        own = conditions(self.shipped.source.filter)
        if lacking := [each for each in own if each not in conditions(text)]:
            text = " and ".join(f"({each})" for each in (text, *lacking))
            notes.append(f"the shipped condition stays beside it: {' and '.join(lacking)}")
        self.report.append(Line("changed" if notes else "taken", "filter", text, "; ".join(notes)))
        return text

    def _target(self, pairs: list[_Pair]) -> Content:
        own = self.shipped.target
        label = str(self.leg.get("sourceSchema") or own.entity)
        if label != own.entity:
            self._tell(
                "changed", "entity", label, f"the entity is called {label} here, {own.entity} in the shipped map"
            )
        sendable = {pair.target for pair in pairs if pair.direction != "toDataverse"}
        content: Content = {"entity": label, "aot": own.aot, "set": own.set}
        content |= {"key": own.key} if own.key else {}
        changes = [column for column in own.changes if column in sendable]
        return content | ({"changes": changes} if changes else {})

    def _write_back(self, pairs: list[_Pair]) -> Content:
        back = {pair.target for pair in pairs if pair.direction != "toFinance"}
        content: Content = self.shipped.model_dump(mode="json", exclude_defaults=True)["writeBack"]
        columns = {name: path for name, path in content.get("columns", {}).items() if name in back}
        return {name: value for name, value in content.items() if name != "columns"} | (
            {"columns": columns} if columns else {}
        )


def _transforms(mapping: Content) -> list[Content]:
    given = mapping.get("valueTransforms") or []
    found = [each for each in given if isinstance(each, dict)]
    for each in found:
        kind = each.get("transformType")
        if kind not in {"ValueMap", "Default"}:
            raise _Untranslatable(f"its transform {kind} is not known")
    return found


def _shipped_names(shipped: TableMap, target: str) -> Iterator[str]:
    """The names of Finance's enumeration that the shipped map has for a column."""
    for pair in shipped.fields:
        if pair.target == target and isinstance(pair.transform, ValueMap):
            yield from pair.transform.values

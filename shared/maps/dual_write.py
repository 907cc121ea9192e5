"""Translates a map of dual-write, as its column `msdyn_mapping` holds it, into a map file of this app.

Pure: what the tenant's metadata says is given as `Described`. Whatever is not taken as it stands is a line of the
report, so that a person can compare. Source of the form: public exports of dual-write maps and tools that read them.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from shared.maps.dual_write_fields import Content, FieldReader, Pair, Untranslatable
from shared.maps.dual_write_filter import translate_filter
from shared.maps.dual_write_paths import Described, PathUnknown
from shared.maps.odata_filter import conditions
from shared.maps.table_map import TableMap

_COMPANY = "cdm_companycode"
_MOST_ENCODINGS = 3


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

    return turn(leg) | {
        "fieldMappings": [turn(each) if isinstance(each, dict) else each for each in leg["fieldMappings"]]
    }


def translate(mapping: Content, shipped: TableMap, described: Described, version: str = "") -> Translated:
    """A mapping as a map file. The shipped map gives what dual-write does not know: keys, the rules of days and ids,
    the write-back, and the navigation properties where the metadata is not known. Raises NoMapping."""
    leg = leg_of(mapping)
    table = str(leg.get("destinationSchema") or shipped.source.set)
    if table.lower() != shipped.source.set:
        raise NoMapping(f"it maps {table}, and this map carries {shipped.source.set}")
    going = _Translation(leg, shipped, described, len(mapping["legs"]) - 1)
    content = going.content(str(mapping.get("name") or shipped.name), version or shipped.version)
    return Translated(content, tuple(going.report))


class _Translation:
    def __init__(self, leg: Content, shipped: TableMap, described: Described, further_legs: int) -> None:
        self.leg = leg
        self.further_legs = further_legs
        self.shipped = shipped
        self.described = described
        self.fields = FieldReader(shipped, described)
        self.report: list[Line] = []

    def content(self, name: str, version: str) -> Content:
        """The map file. Fills the report."""
        pairs = self._in_order(self._merged([pair for each in self._mappings() if (pair := self._read(each))]))
        self._tell_unread()
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

    def _tell_unread(self) -> None:
        """What was not looked at for its form."""
        if self.further_legs:
            text = f"the map has {self.further_legs + 1} legs, and only the first one is translated"
            self._tell("untranslatable", "legs", "", text)
        for each in self.leg["fieldMappings"]:
            if not isinstance(each, dict):
                self._tell("untranslatable", "fieldMappings", "", f"{str(each)[:80]!r} is no field")

    def _tell(self, kind: Literal["changed", "untranslatable", "missing"], target: str, source: str, text: str) -> None:
        self.report.append(Line(kind, target, source, text))

    def _read(self, mapping: Content) -> Pair | None:
        """A field, or None if it is not taken. Adds a line to the report."""
        target, source = str(mapping.get("sourceField") or "").upper(), str(mapping.get("destinationField") or "")
        if str(mapping.get("isSystemGenerated")).strip().lower() == "true":
            self._tell("changed", target, source, "left out: dual-write adds it by itself")
            return None
        try:
            pair = self.fields.pair(target, source, mapping)
        except (Untranslatable, PathUnknown) as error:
            self._tell("untranslatable", target, source, str(error))
            return None
        self.report.append(Line("changed" if pair.notes else "taken", target, pair.source, "; ".join(pair.notes)))
        return pair

    def _merged(self, pairs: list[Pair]) -> list[Pair]:
        """One field for each target."""
        found: dict[str, Pair] = {}
        for pair in pairs:
            first = found.setdefault(pair.target, pair)
            if first is pair:
                continue
            if first.source == pair.source and first.direction != pair.direction:
                # What Finance gets is written by the field that goes there.
                sent = pair if first.direction == "toDataverse" else first
                first.direction, first.transform = "both", sent.transform
                self._tell("changed", pair.target, pair.source, "two fields of one column become one of direction both")
            else:
                kept, lost = (pair, first) if first.direction == "toDataverse" else (first, pair)
                found[pair.target] = kept
                self._tell("untranslatable", lost.target, lost.source, f"{kept.source} is kept for this column")
        return list(found.values())

    def _in_order(self, pairs: list[Pair]) -> list[Pair]:
        """In the order of the shipped map, then what is the tenant's own."""
        order = {pair.target: place for place, pair in enumerate(self.shipped.fields)}
        return sorted(pairs, key=lambda pair: order.get(pair.target, len(order)))

    def _tell_missing(self, pairs: list[Pair]) -> None:
        known = {pair.target for pair in pairs}
        for own in self.shipped.fields:
            if own.target not in known:
                self._tell("missing", own.target, own.source, "the shipped map has it, this one has not")

    def _company(self, pairs: list[Pair]) -> str | None:
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

    def _target(self, pairs: list[Pair]) -> Content:
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

    def _write_back(self, pairs: list[Pair]) -> Content:
        back = {pair.target for pair in pairs if pair.direction != "toFinance"}
        content: Content = self.shipped.model_dump(mode="json", exclude_defaults=True)["writeBack"]
        columns = {name: path for name, path in content.get("columns", {}).items() if name in back}
        return {name: value for name, value in content.items() if name != "columns"} | (
            {"columns": columns} if columns else {}
        )

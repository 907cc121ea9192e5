"""A table map: which columns of a Dataverse table become which columns of a Finance entity. Maps are data, not code.

The files in shared/maps have the form of a dual-write map, which their authors know. `load_map` refuses an invalid file
with its name, the field and the reason.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from shared.configuration.data_files import FileRefused, read_file, read_text
from shared.configuration.time_zones import Zones
from shared.maps.columns import Write, follow
from shared.maps.map_parts import FieldPair, Source, Target, WriteBack
from shared.maps.transforms import (
    Constant,
    Default,
    LocalDay,
    MapPart,
    PathText,
    PlainDate,
    Row,
    RowRefused,
    Uuid5,
    ValueMap,
)

MAPS = Path(__file__).parent

FORMAT = 1
"""The format version of `TableMap.written`."""


def digest_of(written: bytes) -> str:
    """The digest of `TableMap.written`."""
    return hashlib.blake2b(written, digest_size=16).hexdigest()


class MapRefused(FileRefused):
    """A map file is invalid. The text names the file, the field and the reason."""


def _in_numbers(version: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)+", version, re.ASCII):
        raise ValueError(f"{version!r} is no version such as 1.0.0.17: numbers with dots between them")
    return version


class TableMap(MapPart):
    """A validated table map."""

    name: str
    version: Annotated[str, AfterValidator(_in_numbers)]
    source: Source
    target: Target
    integrationKey: tuple[str, ...] = Field(min_length=1)  # noqa: N815 - as in dual-write's map files
    company: PathText | None
    customer: PathText | None = None
    writeBack: WriteBack | None = None  # noqa: N815 - as in dual-write's map files
    fields: tuple[FieldPair, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        targets = [pair.target for pair in self.fields]
        if doubled := {target for target in targets if targets.count(target) > 1}:
            raise ValueError(f"fields: target {', '.join(sorted(doubled))} is given twice")
        # A second import of a row is harmless only because Finance updates by this key (docs/decisions, 1).
        if strange := [key for key in self.integrationKey if key not in self.columns]:
            raise ValueError(f"integrationKey: {', '.join(strange)} is not a target column that goes to Finance")
        self._check_key()
        self._check_write_back()
        if strange := [
            column for column in self.target.changes if column not in {pair.target for pair in self._sendable}
        ]:
            raise ValueError(f"target.changes: {', '.join(strange)} is not a target column that goes to Finance")
        for number, pair in enumerate(self.fields):
            self._check_lookup(f"fields[{number}].source", pair.source)
        self._check_lookup("company", self.company)
        self._check_lookup("customer", self.customer)
        return self

    def _check_key(self) -> None:
        # Finance updates the row of an equal key, so rows that share one would overwrite each other.
        given = [pair.transform for pair in self.fields if pair.target in self.integrationKey]
        if all(isinstance(transform, Constant | Default | ValueMap) for transform in given):
            kinds = ", ".join(sorted({transform.kind for transform in given if transform}))
            raise ValueError(f"integrationKey: made by {kinds} alone, it would be the same for many rows")

    def _check_write_back(self) -> None:
        given = self.writeBack.columns if self.writeBack else {}
        if strange := [column for column in given if column not in self.incoming]:
            raise ValueError(f"writeBack.columns: {', '.join(strange)} is not a column that goes to Dataverse")
        if self.writeBack and self.writeBack.strategy == "customColumns" and not given:
            raise ValueError("writeBack.columns: customColumns needs to name them")

    def _check_lookup(self, field: str, path: str | None) -> None:
        lookup = (path or "").rpartition(".")[0]
        if lookup and lookup not in self.source.lookups:
            raise ValueError(f"{field}: {path} goes through {lookup}, which is not among source.lookups")

    @cached_property
    def _sendable(self) -> tuple[FieldPair, ...]:
        return tuple(pair for pair in self.fields if pair.direction in {"toFinance", "both"})

    @cached_property
    def owned(self) -> frozenset[str]:
        """The columns that belong to Finance once a row exists there: those that it `changes`, and those that are
        written back to Dataverse. They are never sent, because a row may be posted between any check and the import.
        A new row gets Finance's defaults; a row that is sent again keeps its values."""
        # An id that the map itself generates is not changed by posting, although it may be written back.
        given = {pair.target for pair in self.fields if isinstance(pair.transform, Uuid5)}
        return frozenset({*self.target.changes, *(self.incoming.keys() - given)})

    @cached_property
    def outgoing(self) -> tuple[FieldPair, ...]:
        """The fields that are sent to Finance, in the order of the file."""
        return tuple(pair for pair in self._sendable if pair.target not in self.owned)

    @cached_property
    def incoming(self) -> dict[str, str]:
        """The columns that Finance fills after posting, mapped to their columns in Dataverse. Keys are not included."""
        back = [pair for pair in self.fields if pair.direction in {"toDataverse", "both"}]
        return {pair.target: pair.source for pair in back if pair.target not in self.integrationKey}

    @cached_property
    def written_back(self) -> dict[str, str]:
        """The columns that are written back, Finance's column to Dataverse's. Empty if write-back is off."""
        if self.writeBack is None or self.writeBack.strategy == "off":
            return {}
        return self.incoming if self.writeBack.strategy == "dualWriteColumns" else dict(self.writeBack.columns)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The header of the CSV file."""
        return tuple(pair.target for pair in self.outgoing)

    @cached_property
    def written(self) -> bytes:
        """A description of what this map writes, as canonical JSON: the target entity, its integration key, the
        company of a row, and each column in the order of the file with its source and transform. Name, version,
        filter and write-back are not included, because they do not change any cell of a row."""
        content = {
            "format": FORMAT,
            "entity": self.target.entity,
            "integrationKey": self.integrationKey,
            "company": self.company,
            "source": {"set": self.source.set, "key": self.source.key},
            "fields": [pair.written for pair in self.outgoing],
        }
        # Parts in storage carry the digest of these bytes, so every release must write them alike for the same map.
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    @cached_property
    def digest(self) -> str:
        """The identity of the map. Two maps with the same digest write the same rows."""
        return digest_of(self.written)

    @cached_property
    def identity(self) -> dict[str, str]:
        """What a row is recognized by in Finance, in words: the entity, the company, and each column of the key. A map
        with another identity would write a row that is there a second time."""
        keys = {pair.target: pair for pair in self.fields if pair.target in self.integrationKey}
        written = {name: json.dumps(keys[name].written, sort_keys=True) for name in sorted(keys)}
        return {"target.aot": self.target.aot, "company": self.company or "", **written}

    @cached_property
    def document(self) -> dict[str, Any]:
        """The whole map as the content of its file, without members that have their defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @cached_property
    def file_digest(self) -> str:
        """The identity of the whole file: other words, another filter or another write-back are another file."""
        return digest_of(json.dumps(self.document, sort_keys=True, separators=(",", ":")).encode())

    @cached_property
    def source_column(self) -> str | None:
        """The target column that holds the row's id in Dataverse."""
        return next((pair.target for pair in self.outgoing if pair.source == self.source.key), None)

    @cached_property
    def query(self) -> dict[str, str]:
        """The OData options `$select` and `$expand` that read all sources of the outgoing fields and of the company."""
        return options_of(self.paths)

    @cached_property
    def paths(self) -> set[tuple[str, ...]]:
        """The paths to all sources of the outgoing fields, to the company, the customer and the row's id."""
        return self.paths_of(self.columns, *filter(None, (self.company, self.customer)))

    def query_of(self, columns: Collection[str], *paths: str) -> dict[str, str]:
        """The OData options that read the sources of some target columns, the row's id, and other paths."""
        return options_of(self.paths_of(columns, *paths))

    def query_with(self, other: "TableMap") -> dict[str, str]:
        """The OData options that read a row for this map and for another one of the same table."""
        return options_of(self.paths_with(other))

    def paths_with(self, other: "TableMap") -> set[tuple[str, ...]]:
        """The paths that read a row for this map and for another one of the same table."""
        company = filter(None, (self.company, other.company))
        return self.paths_of(self.columns, *company) | other.paths_of(other.columns)

    def paths_of(self, columns: Collection[str], *paths: str) -> set[tuple[str, ...]]:
        """The paths to the sources of some target columns, to the row's id, and other paths."""
        pairs = [pair for pair in self.outgoing if pair.target in columns]
        found = (
            {pair.steps for pair in pairs if pair.steps}
            | {(self.source.key,)}
            | {tuple(path.split(".")) for path in paths}
        )
        return found | {(name,) for pair in pairs if pair.transform for name in pair.transform.columns_beside}

    def blame(self, text: str) -> str:
        """The field of this map that an error message of a service quotes, or ""."""
        for pair in self.outgoing:
            if any(f"'{step}'" in text for step in pair.steps):
                return f"field {pair.target} from {pair.source}"
        return ""

    def company_of(self, row: Row) -> str:
        """The legal entity of the row. Raises RowRefused if it is empty."""
        value = follow(row, tuple((self.company or "").split(".")))
        if not value:
            raise RowRefused(f"no company: {self.company} is empty")
        return str(value).lower()

    def customer_of(self, row: Row) -> str:
        """The customer's name for display, "" if unknown."""
        return str(follow(row, tuple((self.customer or "").split("."))) or "")

    def write(self, row: Row, zone: Zones) -> list[str]:
        """The row as the texts of its CSV columns. Raises RowRefused."""
        return [write(row, zone) for write in self._writers]

    def days_in_doubt(self, row: Row, zone: Zones) -> list[str]:
        """The days of the row that are doubtful, each as `column value`: the stored instant is not a midnight in any
        zone of the settings, or differs from the zone-free column of the same row. The row must be one that `write`
        accepts."""
        values = ((target, follow(row, steps), transform) for target, steps, transform in self._days)
        return [f"{target} {value}" for target, value, transform in values if _is_in_doubt(transform, value, row, zone)]

    @cached_property
    def _days(self) -> tuple[tuple[str, tuple[str, ...], LocalDay | PlainDate], ...]:
        pairs = self.outgoing
        return tuple(
            (pair.target, pair.steps, pair.transform)
            for pair in pairs
            if isinstance(pair.transform, LocalDay | PlainDate)
        )

    @cached_property
    def _writers(self) -> tuple[Write, ...]:
        return tuple(pair.write for pair in self.outgoing)

    def position(self, column: str) -> int:
        """The index of a column in the result of `write`."""
        return self.columns.index(column)


def _is_in_doubt(transform: LocalDay | PlainDate, value: Any, row: Row, zone: Zones) -> bool:
    try:
        return transform.is_in_doubt(value, row, zone)
    except (ValueError, TypeError, OverflowError):
        # A map may take the day from another column while this one holds no instant at all.
        return True


def read_written(content: Mapping[str, Any], present: TableMap) -> TableMap:
    """The map that `written` describes. Everything else is taken from the `present` map. Raises pydantic's
    ValidationError for content that this version cannot read."""
    fields = tuple(FieldPair.model_validate({**pair, "direction": "toFinance"}) for pair in content["fields"])
    paths = filter(None, [*(pair.source for pair in fields), content["company"]])
    lookups = {path.rpartition(".")[0] for path in paths} - {""}
    return TableMap(
        name=present.name,
        version=present.version,
        source=Source(**content["source"], filter=present.source.filter, lookups=tuple(sorted(lookups))),
        target=Target(entity=content["entity"], aot=present.target.aot, set=present.target.set, key=present.target.key),
        integrationKey=content["integrationKey"],
        company=content["company"],
        fields=fields,
    )


def options_of(paths: set[tuple[str, ...]]) -> dict[str, str]:
    """The OData options `$select` and `$expand` that read these paths."""
    select, expand = _selection(paths)
    return {"$select": select} | ({"$expand": expand} if expand else {})


def _selection(paths: set[tuple[str, ...]]) -> tuple[str, str]:
    columns = sorted(path[0] for path in paths if len(path) == 1)
    expands = []
    for lookup in sorted({path[0] for path in paths if len(path) > 1}):
        select, expand = _selection({path[1:] for path in paths if path[0] == lookup and len(path) > 1})
        inner = ";".join(part for part in (select and f"$select={select}", expand and f"$expand={expand}") if part)
        expands.append(f"{lookup}({inner})")
    return ",".join(columns), ",".join(expands)


def load_map(name: str, folder: Path = MAPS, *, needs: Collection[str] = ()) -> TableMap:
    """Read the map `name`, which must have the target columns that its job `needs`. Raises MapRefused."""
    try:
        table_map = read_file(folder / f"{name}.json", TableMap, "map")
    except FileRefused as refused:
        raise MapRefused(str(refused)) from refused.__cause__
    check_needs(name, table_map, needs)
    return table_map


def read_map(name: str, text: str, *, needs: Collection[str] = ()) -> TableMap:
    """The map `name` from the text of its file. Raises MapRefused."""
    try:
        table_map = read_text(text, f"{name}.json", TableMap, "map")
    except FileRefused as refused:
        raise MapRefused(str(refused)) from refused.__cause__
    check_needs(name, table_map, needs)
    return table_map


def check_needs(name: str, table_map: TableMap, needs: Collection[str]) -> None:
    """Refuse a map without the target columns that its job `needs`. Raises MapRefused."""
    if missing := [column for column in needs if column not in table_map.columns]:
        raise MapRefused(
            f"{name}.json refused: fields: {', '.join(missing)} must go to Finance, runs are verified by it"
        )

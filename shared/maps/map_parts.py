"""The parts of a table map: the two sides, one column of them, and the way back."""

import re
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared.configuration.time_zones import Zones
from shared.maps.columns import Write, writer
from shared.maps.transforms import (
    NAME,
    Constant,
    MapPart,
    OptionalPath,
    PathText,
    Row,
    RowRefused,
    Transform,
    text_of,
)


def _in_capitals(target: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", target):
        hint = f", such as {target.upper()}" if re.fullmatch(r"[A-Za-z]\w*", target, re.ASCII) else ""
        raise ValueError(f"{target!r} is no column of a package: letters in capitals, digits and _{hint}")
    return target


class FieldPair(MapPart):
    """One column of the target and its source. A constant has no source."""

    target: Annotated[str, AfterValidator(_in_capitals)]
    source: OptionalPath = ""
    direction: Literal["toFinance", "toDataverse", "both"]
    transform: Transform | None = None

    @model_validator(mode="after")
    def _has_its_source(self) -> Self:
        if not isinstance(self.transform, Constant):
            if not self.source:
                raise ValueError("source: is missing. Only a constant has none")
        elif self.source or self.direction != "toFinance":
            raise ValueError("a constant has no source, and its direction is toFinance")
        return self

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """The path to the value: lookups by navigation property, then the column."""
        return tuple(self.source.split(".")) if self.source else ()

    @cached_property
    def write(self) -> Write:
        """Writes the text of this column for the CSV file, "" for an empty column. Raises RowRefused."""
        return writer(self.steps, self.text, self.transform)

    @property
    def written(self) -> dict[str, Any]:
        """Everything that influences the texts of this column. Default values are omitted, so that a transform keeps
        its digest when it gets a new member."""
        transform = self.transform and self.transform.model_dump(mode="json", exclude_defaults=True)
        return {"target": self.target, "source": self.source} | ({"transform": transform} if transform else {})

    def text(self, value: Any, row: Row, zone: Zones) -> str:
        """The text of this column for a source value. Raises RowRefused."""
        if self.transform:
            try:
                value = self.transform.apply(value, row, zone)
            except (RowRefused, ValueError, TypeError, OverflowError) as error:
                raise RowRefused(f"{self.target} from {self.source}: {error}") from error
        text = text_of(value)
        if not text.isascii():
            _check_unicode(self, text)
        return text


def _check_unicode(pair: FieldPair, text: str) -> None:
    """An emoji that was cut at the column's length is valid JSON but not valid Unicode, and cannot be written to a
    file."""
    try:
        # CSV-Unicode is UTF-16, which rejects lone surrogates.
        text.encode("utf-16-le")
    except UnicodeEncodeError as error:
        raise RowRefused(f"{pair.target} from {pair.source}: the text holds half a character") from error


class Source(MapPart):
    """The Dataverse side. `filter` is an OData filter, part of the map as in dual-write. `lookups` are the
    navigation properties (case-sensitive) that the map's paths may use."""

    set: str = Field(pattern=NAME.pattern + "$")
    key: str = Field(pattern=NAME.pattern + "$")
    filter: str
    lookups: tuple[PathText, ...]


class Target(MapPart):
    """The Finance side: `entity` is the Data Management label, `set` the OData entity set or null, and `key` the OData
    property of the integration key. Rows can be read back by key if both are given. `changes` are columns that Finance
    changes itself after an import, for example by posting. They are never sent (see `TableMap.owned`)."""

    entity: str = Field(min_length=1)
    aot: str = Field(pattern=NAME.pattern + "$")
    set: str | None
    key: str = ""
    changes: tuple[str, ...] = ()


class WriteBack(MapPart):
    """Where the accounting detail of posted rows is written in Dataverse's `table`.

    `dualWriteColumns` writes the map's own columns, which Dataverse may reserve for dual-write. `customColumns` writes
    the columns named in `columns` (target column to Dataverse column). `off` leaves it to dual-write's map from
    Finance.
    """

    table: str = Field(pattern=NAME.pattern + "$")
    strategy: Literal["dualWriteColumns", "customColumns", "off"]
    columns: dict[str, PathText] = Field(default_factory=dict)

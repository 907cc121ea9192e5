"""How a value on its way to Finance changes: the transforms that a map may name, each a small checked piece of data."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.totals import plain

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

type Row = dict[str, Any]
"""A row as Dataverse sends it: JSON numbers with decimals as Decimal, lookups expanded in place."""


class RowRefused(Exception):
    """A row cannot be mapped. The text names the target column and the reason."""


def _path(value: str) -> str:
    for step in value.split("."):
        if not NAME.fullmatch(step):
            raise ValueError(
                f"{value!r} is no path such as msdyn_Project.msdyn_projectnumber: {step!r} is no column name"
            )
    return value


PathText = Annotated[str, AfterValidator(_path)]


class MapPart(BaseModel):
    """A piece of a map file: what is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(MapPart):
    """A transform. `of_value_alone` says whether what comes of it depends on nothing else in the row."""

    of_value_alone: ClassVar[bool] = True


class ValueMap(Change):
    """Finance's enum element name for each Dataverse value. An empty column stays empty."""

    kind: Literal["valueMap"]
    values: dict[str, bool | int | str] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_to_one(self) -> Self:
        if len(set(self.values.values())) != len(self.values):
            raise ValueError("two names stand for the same Dataverse value")
        return self

    def apply(self, value: Any, row: Row, zone: ZoneInfo) -> Any:
        del row, zone
        if value is None:
            return None
        for name, known in self.values.items():
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return name
        raise RowRefused(f"{value!r} has no counterpart in the value map ({', '.join(map(str, self.values.values()))})")


class Default(Change):
    """A fixed value where the column is empty."""

    kind: Literal["default"]
    value: str | int

    def apply(self, value: Any, row: Row, zone: ZoneInfo) -> Any:
        del row, zone
        return self.value if value is None or value == "" else value


class Uuid5(Change):
    """A fixed uuid5 of another column where the column is empty, so that a second reading gives the same key."""

    of_value_alone: ClassVar[bool] = False

    kind: Literal["uuid5"]
    of: str = Field(pattern=NAME.pattern + "$")
    namespace: UUID

    def apply(self, value: Any, row: Row, zone: ZoneInfo) -> Any:
        del zone
        if not value and not row.get(self.of):
            raise RowRefused(f"it and {self.of} are both empty")
        return str(value or uuid5(self.namespace, str(row[self.of]).lower())).lower()


class LocalDate(Change):
    """The date that a UserLocal column means: Dataverse sends the UTC instant of the local midnight, so cutting off
    the time would give the day before east of Greenwich."""

    kind: Literal["localDate"]

    def apply(self, value: Any, row: Row, zone: ZoneInfo) -> Any:
        del row
        if value is None:
            return None
        if len(value) == len("2026-11-20"):
            return value
        instant = datetime.fromisoformat(value)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(zone).date().isoformat()


class PlainDate(Change):
    """The date of a time-zone-independent column, as it stands."""

    kind: Literal["date"]

    def apply(self, value: Any, row: Row, zone: ZoneInfo) -> Any:
        del row, zone
        return None if value is None else datetime.fromisoformat(value).date().isoformat()


Transform = Annotated[ValueMap | Default | Uuid5 | LocalDate | PlainDate, Field(discriminator="kind")]


def text_of(value: Any) -> str:
    """A value as the package's CSV wants it: decimals as digits, nothing as an empty text."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)

"""How a value on its way to Finance changes: the transforms that a map may name, each a small checked piece of data."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.configuration.time_zones import Zones
from shared.maps.days import day_meant, is_midnight, is_zone_free, read_instant
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
    """A transform."""

    @property
    def of_value_alone(self) -> bool:
        """Whether what comes of it depends on nothing else in the row."""
        return True

    @property
    def columns_beside(self) -> tuple[str, ...]:
        """Columns of the same row that it reads as well."""
        return ()


class ValueMap(Change):
    """Finance's enum element name for each Dataverse value. An empty column stays empty."""

    kind: Literal["valueMap"]
    values: dict[str, bool | int | str] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_to_one(self) -> Self:
        if len(set(self.values.values())) != len(self.values):
            raise ValueError("two names stand for the same Dataverse value")
        return self

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
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

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del row, zone
        return self.value if value is None or value == "" else value


class Uuid5(Change):
    """A fixed uuid5 of another column where the column is empty, so that a second reading gives the same key."""

    kind: Literal["uuid5"]
    of: str = Field(pattern=NAME.pattern + "$")
    namespace: UUID

    @property
    def of_value_alone(self) -> bool:
        return False

    @property
    def columns_beside(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del zone
        if not value and not row.get(self.of):
            raise RowRefused(f"it and {self.of} are both empty")
        return str(value or uuid5(self.namespace, str(row[self.of]).lower())).lower()


class LocalDate(Change):
    """The date in the app's zone of a UserLocal column that carries a time as well."""

    kind: Literal["localDate"]

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del row
        if value is None or len(value) == len("2026-11-20"):
            return value
        return read_instant(value).astimezone(zone.home).date().isoformat()


class LocalDay(Change):
    """The day that a person chose in a UserLocal column without a time: Dataverse keeps the UTC instant of midnight
    where the person sat, so cutting off the time, or reading it in one zone, may give the day before."""

    kind: Literal["localDay"]
    zoneFree: str | None = Field(None, pattern=NAME.pattern + "$")  # noqa: N815 - as in dual-write's map files
    """A column of the same row that holds the day without a zone, where the tenant has one: what it says counts."""

    @property
    def of_value_alone(self) -> bool:
        return self.zoneFree is None

    @property
    def columns_beside(self) -> tuple[str, ...]:
        return (self.zoneFree,) if self.zoneFree else ()

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        if said := self._said(row):
            return said
        return None if value is None else day_meant(value, zone).isoformat()

    def is_in_doubt(self, value: Any, row: Row, zone: Zones) -> bool:
        """Whether the instant is no midnight where people are known, or the column beside it says another day. Raises
        ValueError for what is no instant."""
        if value is None:
            return False
        if not is_midnight(value, zone):
            return True
        said = self._said(row)
        return said is not None and said != day_meant(value, zone).isoformat()

    def _said(self, row: Row) -> str | None:
        said = row.get(self.zoneFree) if self.zoneFree else None
        return str(said)[: len("2026-11-20")] if said else None


class PlainDate(Change):
    """The date of a time-zone-independent column, as it stands. A column that turns out to keep instants, since its
    midnight is one where people are known, means the day that a person chose."""

    kind: Literal["date"]

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del row
        if value is None:
            return None
        return (
            day_meant(value, zone) if is_midnight(value, zone) else datetime.fromisoformat(value).date()
        ).isoformat()

    def is_in_doubt(self, value: Any, row: Row, zone: Zones) -> bool:
        """Whether the column keeps an instant, which none without a zone does."""
        del row, zone
        return value is not None and not is_zone_free(value)


Transform = Annotated[ValueMap | Default | Uuid5 | LocalDate | LocalDay | PlainDate, Field(discriminator="kind")]


def text_of(value: Any) -> str:
    """A value as the package's CSV wants it: decimals as digits, nothing as an empty text."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)

"""The transforms that a map may use to convert a value for Finance. Each is validated data."""

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
"""A row as Dataverse sends it: JSON with decimals as Decimal, lookups expanded in place."""


class RowRefused(Exception):
    """A row cannot be mapped. The text names the target column and the reason."""


def _path(value: str) -> str:
    for step in value.split("."):
        if not NAME.fullmatch(step):
            raise ValueError(
                f"{value!r} is not a path such as msdyn_Project.msdyn_projectnumber: {step!r} is not a column name"
            )
    return value


PathText = Annotated[str, AfterValidator(_path)]
OptionalPath = Annotated[str, AfterValidator(lambda value: _path(value) if value else value)]
"""A path, or "" for none."""


class MapPart(BaseModel):
    """A part of a map file. Unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(MapPart):
    """A transform."""

    @property
    def of_value_alone(self) -> bool:
        """Whether the result depends on this value alone, not on other columns of the row."""
        return True

    @property
    def columns_beside(self) -> tuple[str, ...]:
        """Other columns of the same row that the transform reads."""
        return ()


class ValueMap(Change):
    """Maps Dataverse values to the names of Finance's enum elements. An empty column stays empty."""

    kind: Literal["valueMap"]
    values: dict[str, bool | int | str] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_to_one(self) -> Self:
        # Otherwise the order of the file would decide which of the two names is sent.
        if len(set(self.values.values())) != len(self.values):
            raise ValueError("two names stand for the same Dataverse value")
        return self

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del row, zone
        if value is None:
            return None
        for name, known in self.values.items():
            # In Python True == 1, but a Dataverse boolean is not the option 1.
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return name
        raise RowRefused(f"{value!r} has no counterpart in the value map ({', '.join(map(str, self.values.values()))})")


class Default(Change):
    """A fixed value for an empty column."""

    kind: Literal["default"]
    value: str | int

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del row, zone
        return self.value if value is None or value == "" else value


class Constant(Change):
    """The same value for every row, for a column that has no source. An empty text would be no value."""

    kind: Literal["constant"]
    value: bool | int | Annotated[str, Field(min_length=1)]

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del value, row, zone
        return self.value


class Uuid5(Change):
    """A uuid5 of another column for an empty column, so that a second reading gives the same key."""

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
        # GUIDs are compared without regard to case by both services, so one spelling is used for hashing.
        return str(value or uuid5(self.namespace, str(row[self.of]).lower())).lower()


class LocalDate(Change):
    """The date, in the app's time zone, of a UserLocal column with a time."""

    kind: Literal["localDate"]

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del row
        # A tenant may have changed the behaviour of the column to DateOnly. Then the value is a day already.
        if value is None or len(value) == len("2026-11-20"):
            return value
        return read_instant(value).astimezone(zone.home).date().isoformat()


class LocalDay(Change):
    """The day that a user chose in a UserLocal column without a time. Dataverse stores the UTC instant of midnight
    in the user's zone, so truncating the time, or converting it with a single zone, may give the day before."""

    kind: Literal["localDay"]
    zoneFree: str | None = Field(None, pattern=NAME.pattern + "$")  # noqa: N815 - as in dual-write's map files
    """A column of the same row with the day without a zone, if the tenant has one. It takes precedence."""

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
        """Whether the instant is not a midnight in any zone of the settings, or the zone-free column has another
        day. Raises ValueError for text that is not an instant."""
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
    """The date of a time-zone-independent column, unchanged. If the column turns out to hold instants, because the
    value is midnight in a zone of the settings, it means the day that a user chose."""

    kind: Literal["date"]

    def apply(self, value: Any, row: Row, zone: Zones) -> Any:
        del row
        if value is None:
            return None
        return (
            day_meant(value, zone) if is_midnight(value, zone) else datetime.fromisoformat(value).date()
        ).isoformat()

    def is_in_doubt(self, value: Any, row: Row, zone: Zones) -> bool:
        """Whether the column holds an instant, which a zone-independent column never does."""
        del row, zone
        return value is not None and not is_zone_free(value)


Transform = Annotated[
    ValueMap | Default | Constant | Uuid5 | LocalDate | LocalDay | PlainDate, Field(discriminator="kind")
]


def text_of(value: Any) -> str:
    """A value in the package's CSV format: decimals as digits, None as an empty text."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    # Finance's NoYes enum.
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)

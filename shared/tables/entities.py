"""Table entities: frozen dataclasses as columns of a row, and a row as the dataclass again.

Each field has a column whose name is in camel case: `posted_at` is `postedAt`. Earlier releases wrote fewer columns, so
a field without a column gets its default. Earlier releases also read our rows after a roll-back, so a column keeps its
name and its form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol, get_type_hints

from shared.clock import parse_stamp, stamp
from shared.tables.schema import SIGNATURE, check
from shared.totals import Totals, plain


@dataclass(frozen=True)
class Form:
    """How the value of a field is written to its column, and read from it."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


_AS_IT_IS = Form(lambda value: value, lambda column: column)
_FORMS: dict[object, Form] = {
    datetime: Form(stamp, parse_stamp),
    # A table has no null.
    datetime | None: Form(lambda at: stamp(at) if at else "", lambda text: parse_stamp(text) if text else None),
    Decimal: Form(plain, Decimal),
    Totals: Form(Totals.to_json, Totals.from_json),
}


def _form_of(hint: object) -> Form:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Form(str, hint)
    return _FORMS.get(hint, _AS_IT_IS)


def _cut(form: Form, limit: int) -> Form:
    return Form(lambda value: form.write(value)[:limit], form.read)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _etag_of(row: Any) -> str:
    return str(row.metadata["etag"])


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


class Entities[T: _Dataclass]:
    """The entities of one kind of value.

    `others` reads the fields that are not columns, most of them from the keys of the row. `forms` are the forms of
    fields whose type does not tell theirs, and `limits` the numbers of characters after which texts are cut. `name_of`
    names a row for an operator; rows with a name have a schema.
    """

    def __init__(
        self,
        kind: type[T],
        name_of: Callable[[Any], str] | None = None,
        *,
        others: Mapping[str, Callable[[Any], Any]] | None = None,
        forms: Mapping[str, Form] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        names, hints = [field.name for field in fields(kind)], get_type_hints(kind)
        known = {name: _form_of(hints[name]) for name in names} | dict(forms or {})
        known |= {name: _cut(known[name], limit) for name, limit in (limits or {}).items()}
        self._kind = kind
        self._name_of = name_of
        self._others = dict(others or {}) | ({"etag": _etag_of} if "etag" in names else {})
        self._columns = [(name, _camel(name), known[name]) for name in names if name not in self._others]

    def columns(self, value: Any) -> dict[str, Any]:
        """The columns of a value of this kind, or of another value with these fields."""
        columns = {column: form.write(getattr(value, name)) for name, column, form in self._columns}
        return {**SIGNATURE, **columns} if self._name_of else columns

    def value(self, row: Any) -> T:
        """The value in a row. Raises NewerVersion for a row that only a later version understands."""
        if self._name_of:
            check(row, self._name_of(row))
        found = {name: form.read(row[column]) for name, column, form in self._columns if column in row}
        return self._kind(**found, **{name: read(row) for name, read in self._others.items()})

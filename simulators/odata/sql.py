"""A filter tree to a parameterised SQLite condition."""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Literal as OneOf

from simulators.odata.dialect import Dialect
from simulators.odata.errors import ODataError
from simulators.odata.filters import And, Compare, Expression, Function, In, Literal, Not, Or, Path

type Kind = OneOf["string", "guid", "integer", "decimal", "boolean", "datetime", "date", "enum"]
type Stored = str | int | None

_OPERATORS = {"eq": "IS", "ne": "IS NOT", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_NAMES = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Column:
    """How a property is stored.

    `sql` is the expression that yields it. Stored forms: string and guid as text (guid in lower case), integer as
    INTEGER, decimal as INTEGER scaled by 10**scale, boolean as 0/1, datetime as text `YYYY-MM-DDTHH:MM:SSZ` (UTC),
    date as text `YYYY-MM-DD`, enum as the value that `members` gives the member's name.
    """

    sql: str
    kind: Kind
    scale: int = 0
    members: Mapping[str, int | str] = field(default_factory=dict)


type Resolver = Callable[[Path], Column]


@dataclass(frozen=True)
class Sql:
    text: str
    parameters: tuple[Stored, ...] = ()


def register_functions(connection: sqlite3.Connection) -> None:
    """Give the connection the functions that translated conditions call."""
    connection.create_function("odata_matches", 2, _matches, deterministic=True)
    connection.create_function("odata_fold", 1, _fold, deterministic=True)


def to_sql(tree: Expression, resolve: Resolver, dialect: Dialect) -> Sql:
    """Return the condition; `resolve` answers a path with its column or raises ODataError.

    Absent values follow OData: `ne` is true for them, the other comparisons are false, and `not` turns false to true.
    """
    return _Translator(resolve, dialect).translate(tree)


class _Translator:
    def __init__(self, resolve: Resolver, dialect: Dialect) -> None:
        self.resolve = resolve
        self.dialect = dialect

    def translate(self, tree: Expression) -> Sql:
        match tree:
            case And(terms):
                return self._join(terms, " AND ")
            case Or(terms):
                return self._join(terms, " OR ")
            case Not(term):
                inner = self.translate(term)
                return Sql(f"(COALESCE({inner.text}, 0) = 0)", inner.parameters)
            case Function():
                return self._function(tree)
            case In():
                return self._in(tree)
            case Compare():
                return self._compare(tree)

    def _join(self, terms: tuple[Expression, ...], word: str) -> Sql:
        parts = [self.translate(term) for term in terms]
        text = word.join(part.text for part in parts)
        return Sql(f"({text})", tuple(value for part in parts for value in part.parameters))

    def _compare(self, tree: Compare) -> Sql:
        match tree.left, tree.right:
            case Path() as left, Path() as right:
                return self._columns(tree.operator, self.resolve(left), self.resolve(right))
            case Path() as path, Literal() as literal:
                return self._constant(tree.operator, self.resolve(path), literal)
            case Literal() as literal, Path() as path:
                return self._constant(_MIRRORED[tree.operator], self.resolve(path), literal)
        raise ODataError("A comparison needs a property on one side.")

    def _columns(self, operator: str, left: Column, right: Column) -> Sql:
        if (left.kind, left.scale) != (right.kind, right.scale):
            raise _incompatible(left, f"Edm.{right.kind.title()}", operator)
        collation = " COLLATE NOCASE" if left.kind == "string" else ""
        return Sql(f"({left.sql} {_OPERATORS[operator]} {right.sql}{collation})")

    def _constant(self, operator: str, column: Column, literal: Literal) -> Sql:
        if literal.value is None:
            return _absent(operator, column)
        value = encode(column, literal, operator)
        if column.kind == "string" and isinstance(value, str):
            return self._text(operator, column, value)
        symbol = _equality(operator)
        if operator == "ne":
            return Sql(f"({column.sql} IS NOT ?)", (value,))
        return Sql(f"({column.sql} {symbol} ?)", (value,))

    def _text(self, operator: str, column: Column, value: str) -> Sql:
        if self.dialect.star_in_eq and operator in {"eq", "ne"} and "*" in value:
            found = Sql(f"COALESCE(odata_matches(?, {column.sql}), 0)", (_star_pattern(value),))
            return found if operator == "eq" else Sql(f"(NOT {found.text})", found.parameters)
        symbol = "IS NOT" if operator == "ne" else _equality(operator)
        if value.isascii():
            return Sql(f"({column.sql} {symbol} ? COLLATE NOCASE)", (value,))
        return Sql(f"(odata_fold({column.sql}) {symbol} ?)", (value.lower(),))

    def _function(self, tree: Function) -> Sql:
        column = self.resolve(tree.path)
        if column.kind != "string" or tree.argument.edm != "Edm.String":
            raise ODataError(
                f"No function signature for the function with name '{tree.name}' matches the specified arguments. "
                f"The function signatures considered are: {tree.name}(Edm.String Nullable=true, Edm.String "
                "Nullable=true).",
                tree.path.position,
            )
        before = "" if tree.name == "startswith" else ".*"
        after = "" if tree.name == "endswith" else ".*"
        pattern = before + _like_pattern(str(tree.argument.value)) + after
        return Sql(f"odata_matches(?, {column.sql})", (pattern,))

    def _in(self, tree: In) -> Sql:
        column = self.resolve(tree.path)
        values = [_in_value(column, value, tree.path) for value in tree.values]
        if column.kind == "string" and not all(value.isascii() for value in tree.values):
            return self._join(
                tuple(Compare("eq", tree.path, Literal("Edm.String", value, 0)) for value in tree.values), " OR "
            )
        collation = " COLLATE NOCASE" if column.kind == "string" else ""
        members = "(SELECT value FROM json_each(?))"
        return Sql(f"({column.sql}{collation} IN {members})", (json.dumps(values),))


def encode(column: Column, literal: Literal, operator: str) -> Stored:
    """Return the stored form of a constant, for comparison by `operator`. Raises ODataError for a wrong type.

    A constant finer than the column's precision moves to the neighbour that gives the same answer: `lt 1.00005` on
    four decimals means `lt 1.0001`, `gt 1.00005` means `gt 1.0000`, and nothing equals it.
    """
    match column.kind, literal.value:
        case "string" | "guid", str() as text if literal.edm == f"Edm.{column.kind.title()}":
            return text
        case "boolean", bool() as truth:
            return int(truth)
        case "integer" | "decimal", Decimal() as number:
            return _scaled(number, column.scale, operator)
        case "datetime", date() as moment:
            return _moment(moment, operator)
        case "date", date() as day if not isinstance(day, datetime):
            return day.isoformat()
        case "enum", str() as member if literal.edm == "enum" and operator in {"eq", "ne"}:
            return _member(column, member, literal)
    raise _incompatible(column, literal.edm, operator)


def _scaled(number: Decimal, scale: int, operator: str) -> Stored:
    if number.adjusted() > 18:
        return _LARGEST if number > 0 else -_LARGEST
    exact = number.scaleb(scale)
    if operator in {"eq", "ne"} and exact != exact.to_integral_value():
        return str(number)
    rounding = ROUND_CEILING if operator in {"ge", "lt"} else ROUND_FLOOR
    whole = int(exact.to_integral_value(rounding))
    return max(-_LARGEST, min(_LARGEST, whole))


def _moment(moment: date, operator: str) -> str:
    if not isinstance(moment, datetime):
        return f"{moment.isoformat()}T00:00:00Z"
    utc = moment.astimezone(UTC)
    if utc.microsecond and operator in {"eq", "ne"}:
        return utc.isoformat()
    if utc.microsecond and operator in {"ge", "lt"}:
        utc += timedelta(seconds=1)
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def _member(column: Column, member: str, literal: Literal) -> Stored:
    if member not in column.members:
        raise ODataError(f"The string '{member}' is not a valid enumeration type constant.", literal.position)
    return column.members[member]


def _in_value(column: Column, value: str, path: Path) -> Stored:
    """In takes every value as a string, whatever the column's type."""
    try:
        if column.kind in {"integer", "decimal"}:
            return _scaled(Decimal(value), column.scale, "eq")
    except ArithmeticError as error:
        raise ODataError(f"The value '{value}' is not valid for property '{path.segments[-1]}'.") from error
    if column.kind == "boolean":
        return int(value.lower() in {"true", "1"})
    return value.strip("{}").lower() if column.kind == "guid" else value


def _absent(operator: str, column: Column) -> Sql:
    if operator not in {"eq", "ne"}:
        return Sql("(0)")
    return Sql(f"({column.sql} {_OPERATORS[operator]} NULL)")


def _equality(operator: str) -> str:
    return "=" if operator == "eq" else _OPERATORS[operator]


def _incompatible(column: Column, found: str, operator: str) -> ODataError:
    edm = {"datetime": "Edm.DateTimeOffset", "integer": "Edm.Int32"}.get(column.kind, f"Edm.{column.kind.title()}")
    return ODataError(
        "A binary operator with incompatible types was detected. "
        f"Found operand types '{edm}' and '{found}' for operator kind '{_NAMES[operator]}'."
    )


def _star_pattern(text: str) -> str:
    return ".*".join(re.escape(part) for part in text.split("*"))


_LIKE_PART = re.compile(r"%|_|\[\^?[^\[\]]+\]|.", re.DOTALL)


def _like_pattern(text: str) -> str:
    """SQL Server's LIKE: `%` any text, `_` one character, `[abc]` one of these, `[^abc]` none of these."""
    wild = {"%": ".*", "_": "."}
    return "".join(wild.get(part) or _like_set(part) for part in _LIKE_PART.findall(text))


def _like_set(part: str) -> str:
    if len(part) == 1:
        return re.escape(part)
    negated = part[1] == "^" and len(part) > 3
    members = part[2 if negated else 1 : -1].replace("\\", r"\\").replace("^", r"\^").replace("&&", r"&\&")
    return f"[{'^' if negated else ''}{members}]"


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern, re.IGNORECASE | re.DOTALL)
    except re.error:
        return None


def _matches(pattern: str, text: str | None) -> int | None:
    if text is None:
        return None
    compiled = _compiled(pattern)
    return int(compiled is not None and compiled.fullmatch(text) is not None)


def _fold(text: str | None) -> str | None:
    return None if text is None else text.lower()

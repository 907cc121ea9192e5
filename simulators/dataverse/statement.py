"""The SELECT statements that `?sql=` takes: text to a small tree.

The subset is the one that Microsoft's SDK for Python documents: SELECT [DISTINCT] [TOP n], INNER and LEFT JOIN, WHERE
over columns and constants, GROUP BY, ORDER BY columns, OFFSET and FETCH, and five aggregates.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from simulators.dataverse.errors import ServiceError

MOST_ROWS = 5_000
AGGREGATES = frozenset({"COUNT", "SUM", "AVG", "MIN", "MAX"})
_KEYWORDS = re.compile(
    "SELECT|DISTINCT|TOP|FROM|AS|INNER|LEFT|OUTER|JOIN|ON|WHERE|AND|OR|NOT|IN|IS|NULL|LIKE|BETWEEN|GROUP|BY|ORDER|ASC"
    "|DESC|OFFSET|ROWS|FETCH|NEXT|ONLY",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    "HAVING|UNION|WITH|EXISTS|CASE|CROSS|RIGHT|FULL|OVER|INSERT|UPDATE|DELETE|EXCEPT|INTERSECT|INTO", re.IGNORECASE
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>N?'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>\[?[A-Za-z_]\w*\]?(?:\.\[?\w+\]?)?)
    |(?P<mark><>|!=|<=|>=|[=<>(),*;]))""",
    re.VERBOSE,
)
_COMPARISONS = {"=": "=", "!=": "<>", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}

type Constant = str | Decimal


def refused(reason: str) -> ServiceError:
    return ServiceError(400, "0x80040203", f"The SQL query is not valid or not supported: {reason}")


@dataclass(frozen=True)
class Name:
    """A column, perhaps of a table's alias."""

    table: str
    column: str


@dataclass(frozen=True)
class Item:
    """What is selected: a column, or an aggregate of it (`column` None: of all rows). `alias` may be empty."""

    column: Name | None
    function: str = ""
    alias: str = ""


@dataclass(frozen=True)
class Test:
    """A leaf of WHERE: a column, an operator and constants."""

    column: Name
    operator: str
    values: tuple[Constant, ...] = ()


@dataclass(frozen=True)
class Group:
    """AND or OR of conditions, or NOT of one."""

    word: str
    parts: tuple["Condition", ...]


type Condition = Test | Group


@dataclass(frozen=True)
class Join:
    table: str
    alias: str
    outer: bool
    left: Name
    right: Name


@dataclass
class Statement:
    items: list[Item] = field(default_factory=list)
    distinct: bool = False
    top: int | None = None
    table: str = ""
    alias: str = ""
    joins: list[Join] = field(default_factory=list)
    where: Condition | None = None
    groups: list[Name] = field(default_factory=list)
    orders: list[tuple[Name, bool]] = field(default_factory=list)
    offset: int = 0
    fetch: int | None = None


def parse_statement(text: str) -> Statement:
    """Return the tree of a statement. Raises ServiceError for what the service does not take."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.place = 0

    def parse(self) -> Statement:
        found = Statement()
        self._need("SELECT")
        found.distinct = self._take("DISTINCT")
        if self._take("TOP"):
            found.top = self._whole()
            if found.top > MOST_ROWS:
                raise refused(f"TOP must be between 0 and {MOST_ROWS}.")
        found.items = self._several(self._item)
        self._need("FROM")
        found.table, found.alias = self._source()
        while (join := self._join()) is not None:
            found.joins.append(join)
        found.where = self._condition() if self._take("WHERE") else None
        found.groups = self._several(self._name) if self._both("GROUP", "BY") else []
        found.orders = self._several(self._order) if self._both("ORDER", "BY") else []
        self._page(found)
        if self.place < len(self.tokens):
            raise refused(f"'{self.tokens[self.place][1]}' is not expected.")
        return found

    def _item(self) -> Item:
        kind, text = self._next()
        if text == "*":
            raise refused("SELECT * is not supported.")
        if kind != "name":
            raise refused(f"'{text}' is no column.")
        item = Item(_name_of(text))
        if self._take("("):
            if text.upper() not in AGGREGATES:
                raise refused(f"the function {text} is not supported.")
            item = Item(None if self._take("*") else self._name(), text.upper())
            self._need(")")
        return Item(item.column, item.function, self._alias())

    def _alias(self) -> str:
        if self._take("AS"):
            return self._next()[1].strip("[]")
        kind, text = self._peek()
        return self._next()[1].strip("[]") if kind == "name" and not _KEYWORDS.fullmatch(text) else ""

    def _source(self) -> tuple[str, str]:
        name = self._next()[1].strip("[]").lower()
        return name, (self._alias() or name).lower()

    def _join(self) -> Join | None:
        outer = self._take("LEFT")
        if outer:
            self._take("OUTER")
        inner = self._take("INNER")
        if not self._take("JOIN"):
            if outer or inner:
                raise refused("JOIN is missing.")
            return None
        table, alias = self._source()
        self._need("ON")
        left = self._name()
        self._need("=")
        return Join(table, alias, outer, left, self._name())

    def _condition(self) -> Condition:
        parts = [self._conjunction()]
        while self._take("OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Group("OR", tuple(parts))

    def _conjunction(self) -> Condition:
        parts = [self._negation()]
        while self._take("AND"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else Group("AND", tuple(parts))

    def _negation(self) -> Condition:
        if self._take("NOT"):
            return Group("NOT", (self._negation(),))
        if self._take("("):
            inner = self._condition()
            self._need(")")
            return inner
        return self._test()

    def _test(self) -> Condition:
        column = self._name()
        if self._take("IS"):
            negated = self._take("NOT")
            self._need("NULL")
            return Test(column, "IS NOT NULL" if negated else "IS NULL")
        if self._take("NOT"):
            return Group("NOT", (self._membership(column),))
        if self._peek()[1].upper() in {"IN", "LIKE", "BETWEEN"}:
            return self._membership(column)
        operator = _COMPARISONS.get(self._next()[1])
        if operator is None:
            raise refused("a comparison is missing.")
        return Test(column, operator, (self._constant(),))

    def _membership(self, column: Name) -> Test:
        word = self._next()[1].upper()
        if word == "LIKE":
            return Test(column, "LIKE", (self._constant(),))
        if word == "BETWEEN":
            low = self._constant()
            self._need("AND")
            return Test(column, "BETWEEN", (low, self._constant()))
        self._need("(")
        values = tuple(self._several(self._constant))
        self._need(")")
        return Test(column, "IN", values)

    def _order(self) -> tuple[Name, bool]:
        name = self._name()
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        return name, descending

    def _page(self, found: Statement) -> None:
        if not self._take("OFFSET"):
            return
        found.offset = self._whole()
        self._need("ROWS")
        if self._take("FETCH"):
            self._need("NEXT")
            found.fetch = self._whole()
            self._need("ROWS")
            self._need("ONLY")

    def _name(self) -> Name:
        kind, text = self._next()
        if kind != "name":
            raise refused(f"a column is expected, not '{text}'.")
        return _name_of(text)

    def _constant(self) -> Constant:
        kind, text = self._next()
        if kind == "string":
            return text.removeprefix("N")[1:-1].replace("''", "'")
        if kind == "number":
            return Decimal(text)
        raise refused(f"a constant is expected, not '{text}'.")

    def _whole(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdecimal():
            raise refused(f"a whole number is expected, not '{text}'.")
        return int(text)

    def _several[T](self, one: Callable[[], T]) -> list[T]:
        found = [one()]
        while self._take(","):
            found.append(one())
        return found

    def _both(self, first: str, second: str) -> bool:
        if not self._take(first):
            return False
        self._need(second)
        return True

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end":
            raise refused("it ends too early.")
        self.place += 1
        return token

    def _take(self, text: str) -> bool:
        kind, found = self._peek()
        if kind != "string" and found.upper() == text:
            self.place += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise refused(f"{text} is expected, not '{self._peek()[1]}'.")


def _name_of(text: str) -> Name:
    table, _, column = text.replace("[", "").replace("]", "").lower().rpartition(".")
    return Name(table, column)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise refused(f"'{text[place : place + 20]}' cannot be read.")
        kind, token = match.lastgroup, match[match.lastgroup]
        if kind == "name" and _REFUSED.fullmatch(token):
            raise refused(f"{token.upper()} is not supported.")
        if token == ";":
            raise refused("only one statement is taken.")
        found.append((kind, token))
        place = match.end()
    return found

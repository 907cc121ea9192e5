"""`$filter` text to a tree."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from simulators.odata.dialect import DATAVERSE, Dialect
from simulators.odata.errors import ODataError, syntax_error

COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
MAX_DEPTH = 100

type Value = str | Decimal | bool | datetime | date | None


@dataclass(frozen=True)
class Path:
    """A property, reached through zero or more single-valued navigation properties."""

    segments: tuple[str, ...]
    position: int


@dataclass(frozen=True)
class Literal:
    """A constant; `edm` is its OData type, `enum` the type name in front of an enumeration member."""

    edm: str
    value: Value
    position: int
    enum: str = ""


type Operand = Path | Literal


@dataclass(frozen=True)
class Compare:
    operator: str
    left: Operand
    right: Operand


@dataclass(frozen=True)
class Function:
    """contains, startswith or endswith."""

    name: str
    path: Path
    argument: Literal


@dataclass(frozen=True)
class In:
    path: Path
    values: tuple[str, ...]


@dataclass(frozen=True)
class And:
    terms: tuple["Expression", ...]


@dataclass(frozen=True)
class Or:
    terms: tuple["Expression", ...]


@dataclass(frozen=True)
class Not:
    term: "Expression"


type Expression = Compare | Function | In | And | Or | Not

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<enum>[A-Za-z_]\w*(?:\.\w+)+'(?:[^']|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<guid>[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})
  | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?(?:Z|[+-]\d\d:\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[mMlLfFdD]?(?![\w]))
  | (?P<alias>@\w+)
  | (?P<name>[A-Za-z_]\w*(?:[./][A-Za-z_]\w*)*)
  | (?P<mark>[(),=])
  )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def parse_filter(text: str, dialect: Dialect = DATAVERSE, aliases: Mapping[str, str] | None = None) -> Expression:
    """Return the tree of a decoded `$filter` value; `aliases` maps "@name" to its literal text. Raises ODataError."""
    return _Parser(text, dialect, aliases or {}).parse()


class _Parser:
    """Recursive descent: or < and < not < comparison."""

    def __init__(self, text: str, dialect: Dialect, aliases: Mapping[str, str]) -> None:
        self.text = text
        self.dialect = dialect
        self.aliases = aliases
        self.offset = 0
        self.depth = 0
        self.conditions = 0
        self.token = self._next()

    def parse(self) -> Expression:
        tree = self._or()
        if self.token.kind != "end":
            raise syntax_error(self.text, self.token.position)
        return tree

    def _next(self) -> _Token:
        match = _TOKEN.match(self.text, self.offset)
        if match is None or match.lastgroup is None:
            return self._end_or_fault()
        self.offset = match.end()
        return _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))

    def _end_or_fault(self) -> _Token:
        rest = self.text[self.offset :]
        start = self.offset + len(rest) - len(rest.lstrip())
        if start == len(self.text):
            return _Token("end", "", start)
        if self.text[start] == "'":
            raise ODataError(f"There is an unterminated string literal at position {start} in '{self.text}'.", start)
        raise syntax_error(self.text, start)

    def _advance(self) -> _Token:
        token, self.token = self.token, self._next()
        return token

    def _expect(self, mark: str) -> None:
        if self.token.text != mark or self.token.kind != "mark":
            position = self.token.position
            raise ODataError(f"'{mark}' expected at position {position} in '{self.text}'.", position)
        self._advance()

    def _word(self, *words: str) -> bool:
        return self.token.kind == "name" and self.token.text in words

    def _or(self) -> Expression:
        terms = [self._and()]
        while self._word("or"):
            self._advance()
            terms.append(self._and())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _and(self) -> Expression:
        terms = [self._not()]
        while self._word("and"):
            self._advance()
            terms.append(self._not())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _not(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ODataError("Recursion depth exceeded allowed limit.", self.token.position)
        if self._word("not"):
            self._advance()
            tree: Expression = Not(self._not())
        elif self.token.text == "(" and self.token.kind == "mark":
            self._advance()
            tree = self._or()
            self._expect(")")
        else:
            tree = self._condition()
        self.depth -= 1
        return tree

    def _condition(self) -> Expression:
        self.conditions += 1
        if self.conditions > self.dialect.max_conditions:
            raise ODataError("Number of conditions in query exceeded maximum limit.")
        if self.token.kind == "name" and self.text[self.offset : self.offset + 1] == "(":
            return self._call()
        left = self._operand()
        if not self._word(*COMPARISONS):
            return self._bare(left)
        operator = self._advance().text
        return Compare(operator, left, self._operand())

    def _bare(self, left: Operand) -> Expression:
        if isinstance(left, Literal) or self.token.text not in {"", ")", "and", "or"}:
            raise syntax_error(self.text, self.token.position)
        return Compare("eq", left, Literal("Edm.Boolean", True, left.position))

    def _call(self) -> Expression:
        name = self.token
        if name.text in self.dialect.query_functions:
            return self._in()
        if name.text in self.dialect.not_queryable:
            raise ODataError(f"The method '{name.text}' is not Queryable.", name.position)
        if name.text not in self.dialect.pattern_functions:
            raise ODataError(
                f"An unknown function with name '{name.text}' was found. This may also be a function import or a key "
                "lookup on a navigation property, which is not allowed.",
                name.position,
            )
        self._advance()
        self._expect("(")
        path, position = self._operand(), self.token.position
        self._expect(",")
        argument = self._operand()
        self._expect(")")
        if not isinstance(path, Path) or not isinstance(argument, Literal):
            raise syntax_error(self.text, position)
        return Function(name.text, path, argument)

    def _in(self) -> Expression:
        self._advance()
        self._expect("(")
        self._argument("PropertyName")
        path = self._literal()
        self._expect(",")
        values = self._values()
        self._expect(")")
        if not isinstance(path.value, str):
            raise syntax_error(self.text, path.position)
        return In(Path(tuple(path.value.split("/")), path.position), values)

    def _argument(self, name: str) -> None:
        if not self._word(name):
            raise syntax_error(self.text, self.token.position)
        self._advance()
        self._expect("=")

    def _values(self) -> tuple[str, ...]:
        """Read `PropertyValues=[...]`: the array is JSON, so it is read from the text, not from tokens."""
        if not self._word("PropertyValues"):
            raise syntax_error(self.text, self.token.position)
        start = self.text.find("[", self.offset)
        if self.text[self.offset : start].strip() != "=" or start < 0:
            raise syntax_error(self.text, self.offset)
        try:
            values, self.offset = json.JSONDecoder().raw_decode(self.text, start)
        except ValueError as error:
            raise syntax_error(self.text, start) from error
        if not values or not all(isinstance(value, str) for value in values):
            raise ODataError("PropertyValues must be a collection of strings with at least one member.", start)
        self.token = self._next()
        return tuple(values)

    def _operand(self) -> Operand:
        if self.token.kind == "name" and self.token.text not in {"null", "true", "false"}:
            token = self._advance()
            if token.text in self.dialect.folding_functions and self.token.text == "(":
                return self._folded()
            return Path(tuple(token.text.split("/")), token.position)
        return self._literal()

    def _folded(self) -> Operand:
        self._expect("(")
        inner = self._operand()
        self._expect(")")
        return inner

    def _literal(self) -> Literal:
        if self.token.kind == "alias":
            return self._aliased(self._advance())
        if self.token.kind in {"end", "mark"}:
            position = self.token.position
            raise ODataError(f"Expression expected at position {position} in '{self.text}'.", position)
        return _literal_of(self._advance(), self.text)

    def _aliased(self, token: _Token) -> Literal:
        if token.text not in self.aliases:
            raise ODataError(f"The parameter alias '{token.text}' has no value.", token.position)
        match = _TOKEN.fullmatch(self.aliases[token.text].strip())
        if match is None or match.lastgroup in {None, "mark", "alias"}:
            raise syntax_error(self.text, token.position)
        return _literal_of(_Token(str(match.lastgroup), match[0], token.position), self.text)


def _literal_of(token: _Token, text: str) -> Literal:
    try:
        return _READERS[token.kind](token)
    except (KeyError, ValueError) as error:
        raise syntax_error(text, token.position) from error


def _read_word(token: _Token) -> Literal:
    words: dict[str, tuple[str, Value]] = {
        "null": ("null", None),
        "true": ("Edm.Boolean", True),
        "false": ("Edm.Boolean", False),
    }
    edm, value = words[token.text]
    return Literal(edm, value, token.position)


def _read_enum(token: _Token) -> Literal:
    name, member = token.text[:-1].split("'", 1)
    return Literal("enum", member.replace("''", "'"), token.position, name)


def _read_number(token: _Token) -> Literal:
    digits = token.text.rstrip("mMlLfFdD")
    edm = "Edm.Int32" if digits.lstrip("+-").isdecimal() else "Edm.Decimal"
    return Literal(edm, Decimal(digits), token.position)


def _read_string(token: _Token) -> Literal:
    return Literal("Edm.String", token.text[1:-1].replace("''", "'"), token.position)


_READERS: dict[str, Callable[[_Token], Literal]] = {
    "name": _read_word,
    "enum": _read_enum,
    "number": _read_number,
    "string": _read_string,
    "guid": lambda token: Literal("Edm.Guid", token.text.lower(), token.position),
    "datetime": lambda token: Literal("Edm.DateTimeOffset", datetime.fromisoformat(token.text), token.position),
    "date": lambda token: Literal("Edm.Date", date.fromisoformat(token.text), token.position),
}

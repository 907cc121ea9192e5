"""The OData filter of a map: whether Dataverse can understand it, and which columns it asks for.

It knows the part of the language that filters of dual-write maps use: comparisons, `and`, `or`, `not`, parentheses, and
functions of texts and of Dataverse.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*')
    | (?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
    | (?P<instant>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][\w.]*(?:/[A-Za-z_]\w*)*)
    | (?P<mark>[(),=\[\]])
    )""",
    re.VERBOSE,
)
_OPERATORS = {"eq", "ne", "gt", "ge", "lt", "le"}
_CONSTANTS = {"null", "true", "false"}
_FUNCTIONS = {"contains", "startswith", "endswith"}
_KEYWORDS = {"and", "or", "not"}


class FilterRefused(Exception):
    """A text is no OData filter. `at` is the position of the fault in it."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at


@dataclass(frozen=True)
class Token:
    """A word of a filter, with its place in it."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Comparison:
    """A column is compared with a value. The steps of the path are those of Dataverse, with dots."""

    path: str
    operator: str
    value: Token


@dataclass(frozen=True)
class Filter:
    """What a filter asks for."""

    comparisons: tuple[Comparison, ...]
    paths: tuple[str, ...]


def parse_filter(text: str) -> Filter:
    """The filter, parsed; an empty text asks for nothing. Raises FilterRefused."""
    reader = _Reader(text)
    if reader.tokens:
        reader.any_of()
        if reader.here is not None:
            reader.refuse(f"{reader.here.text} does not continue the filter")
    return Filter(tuple(reader.comparisons), tuple(dict.fromkeys(reader.paths)))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.index = 0
        self.comparisons: list[Comparison] = []
        self.paths: list[str] = []

    @property
    def here(self) -> Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    def refuse(self, reason: str) -> NoReturn:
        raise FilterRefused(self.here.start if self.here else len(self.text), reason)

    def any_of(self) -> None:
        self._all_of()
        while self._take("or"):
            self._all_of()

    def _all_of(self) -> None:
        self._one()
        while self._take("and"):
            self._one()

    def _one(self) -> None:
        while self._take("not"):
            pass
        if self._take("("):
            self.any_of()
            self._need(")")
            return
        word = self._next("a column")
        if word.kind != "word" or word.text in _KEYWORDS | _OPERATORS | _CONSTANTS:
            self.index -= 1
            self.refuse(f"{word.text} stands where a column is expected")
        if self._take("("):
            self._call(word)
        else:
            self._compare(word)

    def _call(self, name: Token) -> None:
        if name.text not in _FUNCTIONS and not name.text.startswith("Microsoft.Dynamics.CRM."):
            self.index -= 2
            self.refuse(f"{name.text} is no function that Dataverse filters with")
        depth, first = 1, True
        while depth:
            token = self._next(")")
            depth += (token.text == "(") - (token.text == ")")
            if first and token.kind == "word" and name.text in _FUNCTIONS:
                self.paths.append(token.text.replace("/", "."))
            first = False

    def _compare(self, column: Token) -> None:
        operator = self._next("eq, ne, gt, ge, lt or le")
        if operator.text not in _OPERATORS:
            self.index -= 1
            self.refuse(f"{operator.text} stands where eq, ne, gt, ge, lt or le is expected")
        value = self._next("a value")
        if value.kind == "mark" or (value.kind == "word" and value.text not in _CONSTANTS):
            self.index -= 1
            self.refuse(f"{value.text} stands where a value is expected; a text needs single quotes")
        path = column.text.replace("/", ".")
        self.paths.append(path)
        self.comparisons.append(Comparison(path, operator.text, value))

    def _take(self, word: str) -> bool:
        found = self.here is not None and self.here.text == word
        self.index += found
        return found

    def _need(self, word: str) -> None:
        if not self._take(word):
            self.refuse(f"{word} is missing")

    def _next(self, expected: str) -> Token:
        if self.here is None:
            self.refuse(f"the filter ends where {expected} is expected")
        self.index += 1
        return self.tokens[self.index - 1]


def conditions(text: str) -> list[str]:
    """The conditions that must all hold, as texts: the parts of a filter between its outermost `and`. A filter with an
    `or` outside parentheses is one condition. Raises FilterRefused."""
    found, depth, start = list[str](), 0, 0
    for token in _tokens(text):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.kind == "word" and token.text == "or":
            return [text.strip()]
        if depth == 0 and token.kind == "word" and token.text == "and":
            found.append(text[start : token.start].strip())
            start = token.end
    return [each for each in [*found, text[start:].strip()] if each]


def _tokens(text: str) -> list[Token]:
    found, index = list[Token](), 0
    while index < len(text.rstrip()):
        token = _TOKEN.match(text, index)
        if token is None or token.lastgroup is None:
            at = index + len(text[index:]) - len(text[index:].lstrip())
            what = "a text without its closing quote" if text[at] == "'" else f"{text[at]!r}"
            raise FilterRefused(at, f"{what} is no part of a filter")
        kind = token.lastgroup
        found.append(Token(kind, token[kind], token.start(kind), token.end(kind)))
        index = token.end()
    return found

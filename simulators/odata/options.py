"""`$select`, `$orderby` and `$expand` text to lists and trees."""

import re
from dataclasses import dataclass, replace

from simulators.odata.errors import ODataError, syntax_error

_NAME = re.compile(r"[A-Za-z_]\w*(?:/[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class OrderBy:
    path: tuple[str, ...]
    descending: bool


@dataclass(frozen=True)
class Expand:
    """One expanded navigation property with its own options, all still as text but the nested expands."""

    navigation: str
    select: tuple[str, ...] | None = None
    filter: str | None = None
    orderby: tuple[OrderBy, ...] = ()
    top: int | None = None
    expand: tuple["Expand", ...] = ()


def split_top(text: str, separator: str) -> list[str]:
    """Return the parts between separators that stand outside brackets and quoted strings. Raises ODataError."""
    parts, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                raise syntax_error(text, position)
        elif character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    if depth or quoted:
        raise syntax_error(text, len(text))
    return [*parts, text[start:]]


def parse_select(text: str) -> tuple[str, ...]:
    """Return the names; `*` stands for all. Raises ODataError."""
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name != "*" and not _NAME.fullmatch(name):
            raise ODataError(f"Term '{name}' is not valid in a $select or $expand expression.", text.find(name))
    return names


def parse_orderby(text: str) -> tuple[OrderBy, ...]:
    """Return the order, first key first. Raises ODataError."""
    keys = []
    for part in text.split(","):
        words = part.split()
        if len(words) not in {1, 2} or not _NAME.fullmatch(words[0]) or words[1:] not in ([], ["asc"], ["desc"]):
            raise syntax_error(text, text.find(part))
        keys.append(OrderBy(tuple(words[0].split("/")), words[1:] == ["desc"]))
    return tuple(keys)


def parse_expand(text: str) -> tuple[Expand, ...]:
    """Return the expanded navigation properties with their nested options. Raises ODataError."""
    return tuple(_expand(part.strip(), text) for part in split_top(text, ","))


def _expand(part: str, text: str) -> Expand:
    name, bracket, rest = part.partition("(")
    name = name.strip()
    if not _NAME.fullmatch(name) or (bracket and not rest.endswith(")")):
        raise ODataError(f"Term '{part}' is not valid in a $select or $expand expression.", text.find(part))
    if name.endswith("/$ref") or "/" in name:
        raise ODataError(f"The navigation path '{name}' is not supported in $expand.", text.find(part))
    expand = Expand(name)
    for option in split_top(rest[:-1], ";") if rest[:-1].strip() else []:
        expand = _with_option(expand, option.strip())
    return expand


def _with_option(expand: Expand, option: str) -> Expand:
    name, equals, value = option.partition("=")
    if not equals:
        raise ODataError(f"Missing expand option value on option '{name}'.")
    match name.strip():
        case "$select":
            return replace(expand, select=parse_select(value))
        case "$filter":
            return replace(expand, filter=value)
        case "$orderby":
            return replace(expand, orderby=parse_orderby(value))
        case "$top":
            return replace(expand, top=_whole(value))
        case "$expand":
            return replace(expand, expand=parse_expand(value))
    raise ODataError(f"Term '{option}' is not valid in a $select or $expand expression.")


def _whole(text: str) -> int:
    if not text.strip().isdecimal():
        raise ODataError(f"Invalid value '{text}' for $top query option found. It must be a non-negative integer.")
    return int(text)

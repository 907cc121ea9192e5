"""HTTP routes: ASP.NET route templates, matching, and precedence among several matches."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from devhost.refusal import StartRefused

_PARAMETER = re.compile(r"\{(\*{0,2})(\w+)((?::[^{}:?=]+(?:\{[^{}]*\})*(?:\([^()]*\))?)*)(?:=([^{}?]*))?(\?)?\}")
_CONSTRAINT = re.compile(r"(\w+)(?:\((.*)\))?$")
_GUID = re.compile(r"[{(]?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}[)}]?$", re.IGNORECASE)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")

Constraint = Callable[[str], bool]


def _is_int(bits: int) -> Constraint:
    return lambda v: re.fullmatch(r"[+-]?\d{1,19}", v) is not None and -(2 ** (bits - 1)) <= int(v) < 2 ** (bits - 1)


def _length(argument: str) -> Constraint:
    low, _, high = argument.partition(",")
    return lambda value: int(low) <= len(value) <= int(high or low)


def _range(argument: str) -> Constraint:
    low, _, high = argument.partition(",")
    return lambda value: _is_int(64)(value) and int(low) <= int(value) <= int(high)


CONSTRAINTS: dict[str, Callable[[str], Constraint]] = {
    "int": lambda _: _is_int(32),
    "long": lambda _: _is_int(64),
    "guid": lambda _: lambda value: _GUID.match(value) is not None,
    "bool": lambda _: lambda value: value.lower() in ("true", "false"),
    "alpha": lambda _: lambda value: re.fullmatch("[A-Za-z]*", value) is not None,
    "required": lambda _: bool,
    **dict.fromkeys(("decimal", "double", "float"), lambda _: lambda value: _DECIMAL.match(value) is not None),
    "length": _length,
    "minlength": lambda argument: lambda value: len(value) >= int(argument),
    "maxlength": lambda argument: lambda value: len(value) <= int(argument),
    "min": lambda argument: lambda value: _is_int(64)(value) and int(value) >= int(argument),
    "max": lambda argument: lambda value: _is_int(64)(value) and int(value) <= int(argument),
    "range": _range,
    "regex": lambda argument: lambda value: re.search(argument, value, re.IGNORECASE) is not None,
}


@dataclass(frozen=True)
class Segment:
    """One part of a template between slashes: a literal, or a pattern with one or more parameters in it."""

    pattern: re.Pattern[str]
    constraints: dict[str, tuple[Constraint, ...]]
    names: tuple[str, ...]
    optional: bool
    catch_all: bool
    default: str | None

    @property
    def rank(self) -> int:
        """Precedence, lowest first: literal, constrained, free, catch-all."""
        if not self.names:
            return 0
        return 3 if self.catch_all else (1 if any(self.constraints.values()) else 2)


class Route:
    """A template such as `runs/{invoiceId:guid}/{part:int?}`."""

    def __init__(self, template: str, function: str) -> None:
        self.template = template
        self._segments = [_read_segment(text, function) for text in template.split("/")] if template else []

    @property
    def rank(self) -> tuple[int, ...]:
        """The position in which routes are tried."""
        return tuple(segment.rank for segment in self._segments)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a percent-encoded path without leading slash, or None when the route does not match."""
        parts = path.split("/") if path else []
        values: dict[str, str] = {}
        for position, segment in enumerate(self._segments):
            if segment.catch_all:
                values[segment.names[0]] = unquote("/".join(parts[position:])) or segment.default or ""
                return values
            found = _match_segment(segment, unquote(parts[position]) if position < len(parts) else "")
            if found is None:
                return None
            values.update(found)
        return values if len(parts) <= len(self._segments) else None


def _match_segment(segment: Segment, text: str) -> dict[str, str] | None:
    if not text:
        if segment.default is not None:
            return {segment.names[0]: segment.default}
        return {} if segment.optional else None
    match = segment.pattern.fullmatch(text)
    if match is None:
        return None
    values = match.groupdict()
    met = all(test(values[name]) for name, tests in segment.constraints.items() for test in tests)
    return values if met else None


def _read_segment(text: str, function: str) -> Segment:
    pattern, position, parameters = "", 0, list(_PARAMETER.finditer(text))
    for parameter in parameters:
        pattern += re.escape(text[position : parameter.start()]) + f"(?P<{parameter[2]}>.+?)"
        position = parameter.end()
    rest = text[position:]
    if "{" in rest or "}" in rest or "{" in _PARAMETER.sub("", text):
        raise StartRefused(f"function '{function}': route segment '{text}' is not a valid template")
    last = parameters[-1] if parameters else None
    return Segment(
        pattern=re.compile(pattern + re.escape(rest), re.IGNORECASE),
        constraints={p[2]: _read_constraints(p[3], function) for p in parameters},
        names=tuple(p[2] for p in parameters),
        optional=last is not None and last[5] == "?",
        catch_all=last is not None and bool(last[1]),
        default=last[4] if last is not None else None,
    )


def _read_constraints(text: str, function: str) -> tuple[Constraint, ...]:
    # A colon inside a regex belongs to the regex, so constraints are split at colons outside parentheses.
    tests = []
    for part in re.findall(r":((?:[^:()]|\([^()]*\))+)", text):
        match = _CONSTRAINT.match(part)
        if match is None or match[1] not in CONSTRAINTS:
            raise StartRefused(f"function '{function}': route constraint '{part}' is not known to devhost")
        tests.append(CONSTRAINTS[match[1]](match[2] or ""))
    return tuple(tests)

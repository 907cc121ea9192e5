"""The events that the deployed code logs, and what a query asks of them."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from infra.package import packaged
from simulators.processes import PROJECT

_NAMES = re.compile(r"\be (?:==|in) *(\([^)]*\)|'[^']*')|countif\(e == '([^']*)'")
_TEXT = re.compile(r"'([^']*)'")
_FACT = re.compile(r"\bd(?:\.|\[')(\w+)")


@cache
def logged() -> set[str]:
    """The names of all events in the deployed code."""
    files = [path for path in packaged(PROJECT) if path.suffix == ".py" and path.parts[0] != ".python_packages"]
    return {name for path in files for name in _logged_by((PROJECT / path).read_text("utf-8"))}


def _logged_by(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "event":
            name = node.args[0]
            assert isinstance(name, ast.Constant), ast.dump(name)
            yield str(name.value)


def events_in(query: str) -> set[str]:
    """The names of events in a query."""
    return {name for found in _NAMES.finditer(query) for name in _TEXT.findall(found[0])}


def facts_in(query: str) -> set[str]:
    """The facts of events that a query reads."""
    return set(_FACT.findall(query)) - {"event"}

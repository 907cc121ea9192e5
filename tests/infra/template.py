"""The template as two parsers see it. No compiler of Bicep is on PyPI, npm or Debian: pycep reads a subset of the
language into a dictionary, tree-sitter finds errors of syntax in all of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from pycep import BicepParser
from tree_sitter import Language, Node, Parser
from tree_sitter_bicep import language

from simulators.processes import PROJECT

INFRA = PROJECT / "infra"
MODULES = sorted(INFRA.glob("*.bicep"))

Tree = dict[str, Any]


def read(file: Path) -> Tree:
    """The parameters, variables, resources, modules and outputs of a module. Raises what pycep raises."""
    return cast("Tree", BicepParser().parse(text=file.read_text("utf-8")))


def main() -> Tree:
    """The module that azd deploys."""
    return read(INFRA / "main.bicep")


def resources() -> Iterator[Tree]:
    """Every resource of every module, those that only refer to another module's included."""
    for file in MODULES:
        yield from read(file).get("resources", {}).values()


def settings() -> Tree:
    """The app settings of the template: those that main.bicep composes, and those that the platform needs."""
    site = read(INFRA / "site.bicep")["resources"]["site__appSettings"]
    platform: Tree = site["config"]["properties"]["function"]["parameters"]["arg_2"]
    composed: Tree = main()["variables"]["settings"]["value"]
    return composed | platform


def strings(tree: object) -> Iterator[str]:
    """Every string and every key below."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield str(key)
            yield from strings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from strings(value)
    elif isinstance(tree, str):
        yield tree


def syntax_errors(file: Path) -> list[str]:
    """Where tree-sitter does not understand a file: line and text."""
    wrong = [node for node in _nodes(file) if node.is_error or node.is_missing]
    return [f"{node.start_point.row + 1}: {_text(node)[:60]}" for node in wrong]


def declared(file: Path) -> set[str]:
    """The names of parameters, variables, resources, modules and loop variables."""
    return {_text(node) for node in _nodes(file) if _declares(node)}


def used(file: Path) -> set[str]:
    """The names that are referred to, those of functions included."""
    names = (node for node in _nodes(file) if node.type == "identifier" and not _declares(node))
    return {_text(node) for node in names if not _is_key(node)}


def _declares(node: Node) -> bool:
    parent = node.parent
    if parent is None or node.type in ("loop_variable", "loop_enumerator"):
        return parent is not None
    loop = parent.type == "for_statement"
    return node.type == "identifier" and parent.named_children[0] == node and (loop or _is_declaration(parent))


def _is_declaration(node: Node) -> bool:
    return node.type.endswith("_declaration") and node.type != "output_declaration"


def _is_key(node: Node) -> bool:
    parent = node.parent
    named = parent is not None and parent.type in ("object_property", "output_declaration")
    return named and parent is not None and parent.named_children[0] == node


def _nodes(file: Path) -> Iterator[Node]:
    waiting = [Parser(Language(language())).parse(file.read_bytes()).root_node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def load(name: str) -> Any:
    """A JSON file of the folder."""
    return json.loads((INFRA / name).read_text("utf-8"))

"""What the documents name exists: modules, links, make targets, packages; and the changelog is of this version."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay_contract.version import VERSION

PROJECT = Path(__file__).resolve().parent.parent.parent
READMES = [PROJECT / "README.md", PROJECT / "infra" / "README.md"]
DOCUMENTS = [*READMES, PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
_FILES = {".py", ".json", ".md", ".toml", ".txt", ".js", ".css", ".html", ".yaml"}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_MAKE = re.compile(r"`make ([a-z][a-z-]*)|^    make ([a-z][a-z-]*)", re.MULTILINE)
_NAMES_IN = re.compile(r"((?:`[\w.]+`(?:,| and)?\s+)+)in\s+`([\w/]+\.py)`")
_NOT_HERE = {"local.settings.json"}
"""Files that a person makes."""


def _paths(text: str) -> Iterator[str]:
    """What stands in code quotes and can only be a path of this project."""
    for name in _CODE.findall(text):
        is_file = Path(name).suffix in _FILES and ("/" in name or name not in _NOT_HERE)
        if _PATH.fullmatch(name) and (is_file or name.endswith("/")):
            yield name


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"`", "", heading)).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text("utf-8")
    roots = (PROJECT, document.parent)
    assert [name for name in _paths(text) if not any((root / name).exists() for root in roots)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    broken = []
    for link in _LINK.findall(document.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        if link.startswith("https://"):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_make_target_that_a_document_names_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {name for pair in _MAKE.findall(document.read_text("utf-8")) for name in pair if name}
    assert named - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_name_is_in_the_module_that_a_document_says(document: Path) -> None:
    named = _NAMES_IN.findall(document.read_text("utf-8"))
    pairs = [(name, module) for names, module in named for name in _CODE.findall(names)]
    assert [pair for pair in pairs if not _has(PROJECT / pair[1], pair[0])] == []


def _has(module: Path, name: str) -> bool:
    return bool(re.search(rf"\b{name.rpartition('.')[2]}\b", module.read_text("utf-8")))


def test_every_package_of_shared_is_on_the_map() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    packages = [path.parent.name for path in (PROJECT / "shared").glob("*/__init__.py")]
    assert [name for name in packages if f"`shared/{name}/`" not in text] == []


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (PROJECT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert next(each for each in headings if each != "Unreleased") == VERSION

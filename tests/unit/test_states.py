"""The state of a run has one home, and the document shows the tables that it obeys."""

import ast
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from shared.ledger.run import Facts, State
from shared.ledger.transitions import POSTING_TRANSITIONS, RUN_TRANSITIONS, Move, Occasion, leads
from tests.states import DOCUMENT, END, section

PROJECT = Path(__file__).parents[2]
DEPLOYED = ("confirm_invoice", "sync_actuals", "link_transactions", "write_back", "operate", "shared")
HOME = "shared/engine/lifecycle.py"
BOOKS = "shared/ledger/runs.py"
OF_A_STATE = {"state", "posting", "detail", "posting_detail"}


def test_the_document_shows_the_tables() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert f"-->\n\n{section()}\n{END}" in text, "renew docs/architecture.md: .venv/bin/python -m tests.states"


def test_a_run_is_saved_without_its_state() -> None:
    """mypy refuses `save(run, state=...)`, for that is none of the facts."""
    assert Facts.__annotations__.keys() & OF_A_STATE == set()
    assert set(Move.__annotations__) == set(Facts.__annotations__) | OF_A_STATE


def test_only_the_lifecycle_may_import_what_a_change_of_state_needs() -> None:
    contracts = ConfigParser()
    contracts.read(PROJECT / ".importlinter")
    states = contracts["importlinter:contract:states"]
    assert states["type"] == "protected"
    assert states["protected_modules"].split() == ["shared.ledger.transitions"]
    assert states["allowed_importers"].split() == ["shared.engine.lifecycle", "shared.ledger.runs", "tests"]


@pytest.mark.parametrize("method", ["move", "open"])
def test_only_the_lifecycle_changes_the_state_of_a_run(method: str) -> None:
    """Also by a name of its own, without the types."""
    callers = {path for path, names in _calls() if method in names and "ledger" in names}
    assert callers == {HOME}
    assert {path for path, names in _calls() if "entity_of_run" in names} == {BOOKS}


def _calls() -> Iterator[tuple[str, set[str]]]:
    """Each call in the deployed sources: the file, and the names that lead to what is called."""
    for folder in DEPLOYED:
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(PROJECT)), _names(node.func)


def _names(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Attribute):
        return {node.attr} | _names(node.value)
    return {node.id} if isinstance(node, ast.Name) else set()


def test_every_state_is_reached_and_every_occasion_has_a_row() -> None:
    assert {state for row in RUN_TRANSITIONS for state in row.after} == set(State)
    assert {row.occasion for row in RUN_TRANSITIONS} == set(Occasion)
    assert {row.occasion for row in POSTING_TRANSITIONS} <= set(Occasion)


def test_only_both_ends_that_agree_complete_a_run_and_only_from_verifying() -> None:
    ways = {
        (occasion, before)
        for occasion in Occasion
        for before in [None, *State]
        if before != State.COMPLETED and leads(occasion, before, State.COMPLETED)
    }
    assert ways == {(Occasion.BOTH_ENDS_AGREE, State.VERIFYING)}

"""The list of the tiers names what there is: a renamed test must not leave the quick tier unnoticed."""

from pathlib import Path

import pytest

from tests.tiers import APART, LONGEST, QUICK

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("name", [*QUICK, *APART, *(each for each in LONGEST if each.endswith(".py"))])
def test_every_name_in_the_list_is_that_of_a_test(name: str) -> None:
    file, _, test = name.partition("::")
    assert (TESTS / file).exists()
    assert not test or f"def {test.partition('[')[0]}(" in (TESTS / file).read_text(encoding="utf-8")

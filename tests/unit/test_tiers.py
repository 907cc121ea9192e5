"""The list of the tiers names what there is: a renamed test must not leave the quick tier unnoticed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiers import APART, LONGEST, QUICK, TESTS, may_hold


@pytest.mark.parametrize("name", [*QUICK, *APART, *(each for each in LONGEST if each.endswith(".py"))])
def test_every_name_in_the_list_is_that_of_a_test(name: str) -> None:
    file, _, test = name.partition("::")
    assert (TESTS / file).exists()
    assert not test or f"def {test.partition('[')[0]}(" in (TESTS / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "tiers"),
    [
        ("unit", ["quick"]),
        ("unit/test_tiers.py", ["quick"]),
        ("simulators/dataverse", ["quick"]),
        ("infra", ["quick", "full"]),
        ("infra/test_hooks.py", ["quick"]),
        ("infra/test_package.py", ["full"]),
        ("endtoend", ["quick", "full"]),
        ("endtoend/test_sizes.py", ["quick", "full"]),
        ("endtoend/test_crashes.py", ["full"]),
        ("watch", ["full"]),
        (".", ["quick", "full"]),
    ],
)
def test_a_tier_leaves_out_only_what_holds_none_of_its_tests(name: str, tiers: list[str]) -> None:
    assert [tier for tier in ("quick", "full") if may_hold(TESTS / name, tier)] == tiers


def test_tests_of_one_system_run_in_one_process(tmp_path: Path) -> None:
    # pytest 9.2 kept node ids in another way than pytest-xdist 3.8 expects: each test started a system of its own.
    text = """
import os, pathlib, pytest
@pytest.mark.xdist_group("folder/system")
@pytest.mark.parametrize("number", range(6))
def test_it(number):
    pathlib.Path(str(os.getpid())).touch()
"""
    (tmp_path / "test_group.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    subprocess.run(command, cwd=tmp_path, env=plain, check=True, capture_output=True)  # noqa: S603 - our own command
    assert len([file for file in tmp_path.iterdir() if file.name.isdecimal()]) == 1

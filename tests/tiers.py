"""Which tests `make test` runs, which `make test-all` adds, and in which order: the only place that says so.

    make test        the quick tier: every test of QUICK. Five minutes on two cores at most
    make test-all    the full tier: all other tests but those marked `prove`. The goal is twelve minutes
    make prove       the tests marked `prove`

A new test of a folder in QUICK is quick, every other new test is full. `pytest FILE` runs whatever it is given.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

QUICK = (
    # Parts by themselves: functions, every HTTP call, the simulators, the Functions host, the command's output.
    "unit",
    "contract",
    "simulators",
    "devhost",
    "signin",
    # The way into Azure; the package itself, which takes pip half a minute, is full.
    "infra/test_azd.py",
    "infra/test_hooks.py",
    "infra/test_refusals.py",
    "infra/test_template.py",
    # Named stories: what the proofs found, and what came from the field.
    "proof/test_stories.py",
    "proof/test_checker.py",
    "proof/test_table.py",
    "proof/test_bad_input_messages.py",
    "proof/test_bad_input_maps.py",
    # Maps that change, and what an earlier release left in storage.
    "endtoend/test_further_map.py",
    "endtoend/test_releases.py::test_every_run_of_an_earlier_release_is_finished[ef26520]",
    "endtoend/test_releases.py::test_every_run_of_an_earlier_release_is_finished[0.5.0]",
    "endtoend/test_start.py",
    # A journey through the API, one through the command, one through the page.
    "endtoend/test_sizes.py::test_every_row_arrives_once_and_the_proposal_equals_the_proforma[2500]",
    "relay_cli/test_stack.py::test_rejected_rows_are_found_mended_and_sent_again",
    "page/test_work.py::test_an_invoice_is_followed_from_confirmation_to_written_back",
)

SYSTEMS = ("running", "running_stage", "running_troubles", "system", "patient")
"""Fixtures that start a whole system for the tests of a folder. Those that use it run in one process, one after the
other, so that it is started once."""

APART = (
    "endtoend/test_registration.py",
    "endtoend/test_rejections.py",
    "endtoend/test_sizes.py",
    "operations/test_replay.py",
    "proof/test_ambiguity.py",
)
"""Files that take so long that another process may run them. Where it does not, their system is the one that others
have used before."""

LONGEST = (
    "endtoend/running",
    "proof/running_troubles",
    "endtoend/test_rejections.py",
    "operations/running",
    "endtoend/system",
    "page/running",
    "endtoend/test_sizes.py",
    "write_back/running",
    "doctor/patient",
    "operations/test_gates.py",
    "proof/running_stage",
    "proof/test_crashes.py",
    "proof/test_ambiguity.py",
    "watch/test_alerts.py",
    "relay_cli/system",
    "operations/test_replay.py",
    "endtoend/test_registration.py",
    "relay_cli/test_webhook.py",
    "write_back/test_crashes.py",
    "endtoend/test_economy.py",
    "proof/test_competition.py",
    "endtoend/test_crashes.py",
    "proof/test_storage_faults.py",
    "operations/test_edges.py",
    "endtoend/test_releases.py",
    "devhost/test_stack.py",
    "contract/test_imports.py",
    "write_back/test_strategies.py",
    "devhost/test_queues.py",
    "devhost/test_processes.py",
    "proof/test_bad_input_maps.py",
    "contract/test_storage_refusals.py",
)
"""What takes longest begins first, a system or a file; at the end the others would only wait for it."""


TIERS = {"quick": "not full and not prove", "full": "full and not prove"}
"""The tiers, and which marks their tests have."""


def may_hold(path: Path, tier: str) -> bool:
    """Whether a file or folder of tests/ may hold tests of a tier. What cannot is not even read."""
    name = str(path.relative_to(TESTS)).removesuffix("__init__.py").rstrip("/")
    files = {each.partition("::")[0] for each in QUICK}
    if tier == "full":
        return not any(name == each or name.startswith(f"{each}/") for each in QUICK)
    return name == "." or any(f"{each}/".startswith(f"{name}/") or name.startswith(f"{each}/") for each in files)


def mark(item: pytest.Item) -> None:
    """Mark a test as full if it is not quick, and keep together what shares a system."""
    if not _is_quick(_name(item)):
        item.add_marker(pytest.mark.full)
    item.add_marker(pytest.mark.xdist_group(_group(item)))


def turn(item: pytest.Item) -> int:
    """When a test has its turn: the longest begin first."""
    group = _group(item)
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)


def _is_quick(name: str) -> bool:
    return any(name == each or name.startswith((f"{each}/", f"{each}::", f"{each}[")) for each in QUICK)


def _name(item: pytest.Item) -> str:
    """The node id below tests/."""
    return item.nodeid.removeprefix("tests/")


def _group(item: pytest.Item) -> str:
    """What stays together: the tests of a folder that use its system, or those of a file."""
    file = _name(item).partition("::")[0]
    if file in APART:
        return file
    used = set(getattr(item, "fixturenames", ()))
    return next((f"{file.rpartition('/')[0]}/{name}" for name in SYSTEMS if name in used), file)

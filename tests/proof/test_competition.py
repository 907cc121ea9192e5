"""The rows in Finance are those that Dataverse says, each once, in its company, however many hosts compete."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.processes import PROJECT
from tests.endtoend.relay import Relay, relay
from tests.proof.checker import check, records_of
from tests.proof.competition import Competition
from tests.proof.figures import record

SEED = int(os.environ.get("PROOF_SEED", "1"))
SETTINGS = {"DATAVERSE_PAGE_ROWS": "12", "FINANCE_SHIPMENT_ROWS": "150"}


@pytest.mark.timeout(900)
def test_three_hosts_carry_invoices_told_three_times_each(tmp_path: Path) -> None:
    _compete(tmp_path, hosts=3, invoices=10, corrections=3)


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_four_hosts_carry_many_invoices_told_three_times_each(tmp_path: Path) -> None:
    _compete(tmp_path, hosts=4, invoices=150, corrections=30, keep=record)


def _compete(
    run_dir: Path, *, hosts: int, invoices: int, corrections: int, keep: Callable[..., None] | None = None
) -> None:
    print(f"seed {SEED}")
    with relay(run_dir, webhook=False, hosts=hosts, settings=SETTINGS) as system:
        began = time.monotonic()
        competition = Competition(system, random.Random(SEED))  # noqa: S311 - a reproducible order
        competition.confirm(competition.draft(invoices))
        competition.finish()
        competition.confirm(competition.correct(corrections))
        runs = competition.finish()
        seconds = time.monotonic() - began
        assert [run["detail"] for run in runs if run["state"] != "completed"] == []
        assert len({run["runId"] for run in runs}) == invoices + corrections
        findings = check(records_of(system.stack), competition.invoices)
        assert findings.problems() == {}
        assert _checked_apart(system) == 0
        assert set(findings.money) == {"USD", "EUR"}
        counts = system.tenant.counts()
        assert counts["clashes"] == 0
    if keep is not None:
        keep(
            "Competition",
            tried=competition.webhooks,
            what="webhooks",
            findings=[findings],
            seed=SEED,
            note="every webhook three times, shuffled, to any host; two companies, two currencies, corrections",
            hosts=hosts,
            invoices=len(competition.invoices),
            lines=competition.lines,
            imports=counts["imports"],
            seconds=round(seconds),
        )


def _checked_apart(system: Relay) -> int:
    """The checker as a program of its own, about everything that was ever confirmed."""
    addresses = ["--dataverse", system.stack.url("dataverse"), "--finance", system.stack.url("finance")]
    command = [sys.executable, "-m", "tests.proof.checker", *addresses]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode  # noqa: S603 - our own command

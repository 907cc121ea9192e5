"""Storage stops at any moment and comes back with its data: nothing is lost or duplicated."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.endtoend.relay import Relay, await_that, relay
from tests.proof.checker import check, records_of
from tests.proof.figures import record
from tests.proof.findings import Findings

_SETTINGS = {"DATAVERSE_PAGE_ROWS": "25", "FINANCE_SHIPMENT_ROWS": "100", "FINANCE_SHIPMENT_LEASE_SECONDS": "5"}
_FLAGS = {"host": ["--lease-seconds", "3"]}
LONG_PATIENCE_SECONDS = 300.0
"""The long form shares the processors with the crash matrix: eight invoices of eighteen pages each advance slowly."""
_MOMENTS = ("syncing header", "syncing actuals", "linking")


def test_storage_restarted_while_an_invoice_is_on_its_way(tmp_path: Path) -> None:
    findings, recovery = _carry(tmp_path, invoices=1, lines=100, rounds=1, moments=_MOMENTS[1:2])
    assert findings.clean, findings.problems()
    assert recovery


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_storage_restarted_again_and_again_while_many_invoices_are_on_their_way(tmp_path: Path) -> None:
    findings, recovery = _carry(tmp_path, invoices=8, lines=400, rounds=6, moments=_MOMENTS)
    record("Storage: restarted in mid-run", tried=6 * len(_MOMENTS), what="restarts", findings=[findings],
           recovery=recovery)  # fmt: skip
    assert findings.clean, findings.problems()


def _carry(
    run_dir: Path, *, invoices: int, lines: int, rounds: int, moments: Sequence[str]
) -> tuple[Findings, list[float]]:
    """Carry invoices while storage is restarted at every stage; the findings, and how long each round took from its
    last restart to the final state of its runs."""
    carried: list[str] = []
    recovery: list[float] = []
    with relay(run_dir, settings=_SETTINGS, flags=_FLAGS) as system:
        system.tenant.switch("finance", importFixedSeconds=0.5)
        for number in range(rounds):
            ours = [system.tenant.draft(lines, seed=100 * number + each + 1, edited=0.2) for each in range(invoices)]
            for invoice_id in ours:
                system.tenant.confirm(invoice_id)
            for moment in moments:
                _await_moment(system, ours[0], moment)
                system.stack.restart_azurite()
            back = time.monotonic()
            runs = system.finish(ours)
            recovery.append(time.monotonic() - back)
            assert {run["state"] for run in runs} == {"completed"}, [run["detail"] for run in runs]
            carried += ours
        return check(records_of(system.stack), carried), recovery


def _await_moment(system: Relay, invoice_id: str, moment: str) -> None:
    """Wait until a run has reached a stage. Storage may be too busy starting to answer immediately."""

    def reached() -> bool | None:
        try:
            run = system.tenant.run(invoice_id)
        except RuntimeError:
            return None
        order = ["accepted", *_MOMENTS, "verifying", "completed"]
        return True if run and order.index(run["state"]) >= order.index(moment) else None

    await_that(reached, f"{moment} of {invoice_id}", LONG_PATIENCE_SECONDS)

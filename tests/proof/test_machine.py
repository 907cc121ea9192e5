"""Any events in any order: no row is lost, none is there twice, every run ends, and its state is right."""

import os
import secrets

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.proof.checker import check, records_of
from tests.proof.figures import record
from tests.proof.findings import Findings
from tests.proof.machine import Machine
from tests.proof.machine_stage import Scene

SHORT = settings(
    max_examples=12,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    # Making a failure smaller would take minutes, and its story says every step.
    phases=[Phase.generate],
)
LONG = settings(SHORT, max_examples=100, stateful_step_count=40, derandomize=False)
SEED = int(os.environ.get("PROOF_SEED") or secrets.randbelow(1 << 32))


@pytest.mark.timeout(600)
def test_whatever_happens_every_row_arrives_once_and_every_run_ends(staged: Scene) -> None:
    _drive(staged, SHORT)


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_whatever_happens_for_a_long_time_every_row_arrives_once_and_every_run_ends(staged: Scene) -> None:
    print(f"PROOF_SEED={SEED}")
    findings = _drive(staged, LONG, SEED)
    record(
        "Whatever may happen, in any order",
        tried=staged.steps,
        what="steps",
        findings=[findings],
        seed=SEED,
        examples=LONG.max_examples,
        invoicesWrittenBack=sum(len(outcome.posted) for outcome in staged.outcomes),
    )


def _drive(staged: Scene, profile: settings, number: int = 0) -> Findings:
    Machine.scene = staged
    staged.outcomes.clear()
    try:
        run_state_machine_as_test(seed(number)(Machine) if number else Machine, settings=profile)
    except Exception:
        print("\n".join(staged.story))
        raise
    invoices = [invoice_id for outcome in staged.outcomes for invoice_id in outcome.invoices]
    findings = check(
        records_of(staged.world.stack),
        invoices,
        missing=[key for outcome in staged.outcomes for key in outcome.missing],
        late=[invoice_id for outcome in staged.outcomes if outcome.late for invoice_id in outcome.invoices],
        posted=[invoice_id for outcome in staged.outcomes for invoice_id in outcome.posted],
    )
    assert findings.clean, findings.problems()
    assert any(outcome.posted for outcome in staged.outcomes), "nothing was posted, so nothing was seen of the way back"
    return findings

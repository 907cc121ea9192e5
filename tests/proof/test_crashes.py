"""A host killed right before or after anything it does loses nothing, doubles nothing, and leaves nothing behind."""

import os
import random
import zlib
from pathlib import Path

import pytest

from tests.proof.figures import record
from tests.proof.journeys import JOURNEYS
from tests.proof.matrix import Case, Matrix, Place, Result, all_cases, enumerate_effects, sample
from tests.proof.ordeal import ordeal
from tests.proof.parts import CRASH_SHARES

SEED = int(os.environ.get("PROOF_SEED", "1"))
PLACES = 6
"""In each of the two journeys of the short form."""
WORKERS = 3


@pytest.mark.timeout(900)
def test_a_host_killed_at_a_sample_of_its_effects_carries_every_row_once(tmp_path: Path) -> None:
    result = Result()
    with ordeal(tmp_path / "recorded") as tested:
        effects = enumerate_effects(tested, result, ["post", "mend"])
        Matrix(result, sample(effects, PLACES, SEED)).run_on(tested)
    assert result.failed == []
    assert len(result.killed) >= PLACES, result
    assert all(found.clean for found in result.findings)


@pytest.mark.timeout(600)
def test_a_replay_that_dies_before_its_page_leaves_its_rows_rejected(tmp_path: Path) -> None:
    """The operator's replay marked rows as sent again and crashed before a page existed for them. Nothing blocked
    the run any more, and its connections were sent to Finance before their actuals."""
    place = Place("post_replay: resend.send_again > runs.open_repair", "before", 1)
    result = Result(undisturbed={"mend": 0.0})
    with ordeal(tmp_path) as tested:
        Matrix(result, [Case("mend", (place,))]).run_on(tested)
    assert (result.failed, result.killed) == ([], {place})


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("share", range(CRASH_SHARES))
def test_a_host_killed_at_every_effect_before_and_after_once_and_twice(tmp_path: Path, share: int) -> None:
    result = Result()
    with ordeal(tmp_path / "recorded") as tested:
        effects = enumerate_effects(tested, result, JOURNEYS)
    # By name, because each share records the journeys again, and some effects occur only by chance.
    mine = {journey: [each for each in names if _share_of(each) == share] for journey, names in effects.items()}
    cases = all_cases(mine)
    random.Random(SEED).shuffle(cases)  # noqa: S311 - so that the systems are evenly busy
    Matrix(result, cases).run(tmp_path, workers=WORKERS)
    record(
        f"Crash matrix, {share + 1} of {CRASH_SHARES}",
        tried=result.kills,
        what="kills by SIGKILL",
        findings=result.findings,
        unfinished=len(result.failed),
        recovery=result.delays,
        seed=SEED,
        note="right before and right after every named effect, and at each once more in the next life",
        effects=sum(map(len, mine.values())),
        placesKilledAt=len(result.killed),
        ofThemAgainInTheNextLife=result.twice,
        runsThatNeededASweep=result.sweeps,
        placesNotReached=len(result.unreached),
    )
    assert result.failed == []
    assert all(found.clean for found in result.findings)
    assert len(result.unreached) < len(result.effects) / 20 / CRASH_SHARES + 1, result.unreached


def _share_of(effect: str) -> int:
    return zlib.crc32(effect.encode()) % CRASH_SHARES

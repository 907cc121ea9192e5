"""`python -m tests.proof`: run the long form of the proofs, part by part, and write what was measured into
docs/reliability.md. Parts that have passed on the present commit are not run again unless they are named."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from simulators.processes import PROJECT
from tests.proof.figures import RESULTS, progress_of
from tests.proof.parts import PARTS, Kept, Session
from tests.proof.table import write

DOCUMENT = PROJECT / "docs" / "reliability.md"
SEED = "PROOF_SEED"
AT_ONCE = 2
"""A part is mostly waiting; more than two are in each other's way on two cores."""


def main() -> int:
    """Run and write; 1 when a part failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(f"{datetime.now(UTC):%Y%m%d}"), help="default: today's date")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="run this part, and no other; repeatable")
    arguments = parser.parse_args()
    kept, commit = Kept(PROJECT / ".local" / "proof"), _commit()
    parts = arguments.part or kept.left(commit)
    print(f"{len(parts)} of {len(PARTS)} parts to run on {commit}, seed {arguments.seed}", flush=True)
    passed = _run(kept, parts, commit, arguments.seed)
    write(DOCUMENT, kept.figures(), kept.sessions())
    print(f"written: {DOCUMENT.relative_to(PROJECT)}")
    return 0 if passed else 1


def _run(kept: Kept, parts: Sequence[str], commit: str, seed: int) -> bool:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return all(list(pool.map(partial(_run_part, kept, commit=commit, seed=seed), parts)))


def _run_part(kept: Kept, part: str, *, commit: str, seed: int) -> bool:
    figures, began = kept.begin(part), time.monotonic()
    print(f"{part}: begins, progress in {progress_of(figures).relative_to(PROJECT)}", flush=True)
    output = figures.with_suffix(".out")
    code = _pytest(part, figures, output, seed)
    minutes = round((time.monotonic() - began) / 60)
    kept.end(Session(part, commit, f"{datetime.now(UTC):%Y-%m-%d}", seed, minutes, passed=code == 0))
    print(
        f"{part}: {'passed' if code == 0 else f'FAILED, see {output.relative_to(PROJECT)}'}, {minutes} min", flush=True
    )
    return code == 0


def _pytest(part: str, figures: Path, output: Path, seed: int) -> int:
    command = [sys.executable, "-m", "pytest", "-m", "prove", "-v", PARTS[part]]
    env = {**os.environ, RESULTS: str(figures), SEED: str(seed)}
    with output.open("wb") as file:
        return subprocess.run(  # noqa: S603 - our own command
            command, cwd=PROJECT, env=env, check=False, stdout=file, stderr=subprocess.STDOUT
        ).returncode


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603

    # The document that this writes is no change of what it proves.
    changed = git("status", "--porcelain", "--", ".", ":!docs")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


if __name__ == "__main__":
    sys.exit(main())

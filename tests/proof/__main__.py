"""`python -m tests.proof`: run the long form of every proof and write what was measured into docs/reliability.md."""

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from simulators.processes import PROJECT
from tests.proof.figures import RESULTS, progress_of, read
from tests.proof.table import Session, write

DOCUMENT = PROJECT / "docs" / "reliability.md"
SEED = "PROOF_SEED"


def main() -> int:
    """Run and write; pytest's exit code."""
    now = datetime.now(UTC)
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(f"{now:%Y%m%d}"), help="default: today's date as a number")
    parser.add_argument("--only", default="", help="a pytest -k expression; then the document is left alone")
    arguments = parser.parse_args()
    results = PROJECT / ".local" / "proof" / f"{now:%Y%m%dT%H%M%S}.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.touch()
    progress = progress_of(results).relative_to(PROJECT)
    print(f"seed {arguments.seed}, figures in {results.relative_to(PROJECT)}, progress in {progress}", flush=True)
    began = time.monotonic()
    code = _run(results, arguments.seed, arguments.only)
    session = Session(now.date(), arguments.seed, round((time.monotonic() - began) / 60), code == 0)
    if not arguments.only:
        write(DOCUMENT, read(results), session)
        print(f"written: {DOCUMENT.relative_to(PROJECT)}")
    return code


def _run(results: Path, seed: int, only: str) -> int:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "prove",
        "-v",
        # The crash matrix in one process, all the rest in another.
        *("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
        "tests/proof",
        *(["-k", only] if only else []),
    ]
    env = {**os.environ, RESULTS: str(results), SEED: str(seed)}
    return subprocess.run(command, cwd=PROJECT, env=env, check=False).returncode  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main())

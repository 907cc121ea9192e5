"""`python -m benchmarks`: run everything side by side and write docs/benchmarks.md.

`--quick` takes small sizes, to see that everything runs: its figures mean little and go to .local/benchmarks-quick.md.
"""

import argparse
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.document import preface, write
from benchmarks.figures import say
from benchmarks.ground import FULL, QUICK, Ground
from benchmarks.sections import ALL, Figures
from simulators.processes import PROJECT


def main() -> None:
    """Run the command."""
    # Terminated, it ends like interrupted: what it started is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _read_arguments()
    sizes = QUICK if arguments.quick else FULL
    if arguments.rounds:
        sizes = replace(sizes, rounds=arguments.rounds)
    target = PROJECT / (".local/benchmarks-quick.md" if arguments.quick else "docs/benchmarks.md")
    chosen = [section for section in ALL if not arguments.only or section.__name__ in arguments.only]
    with tempfile.TemporaryDirectory(prefix="relay-benchmarks-") as folder:
        ground, figures = Ground(sizes, Path(folder)), Figures()
        if arguments.prepare:
            _prepare(ground)
            return
        document = preface(ground)
        for section in chosen:
            say(f"== {section.__name__.replace('_', ' ')}")
            try:
                lines = section(ground, figures)
            except Exception as error:  # noqa: BLE001 - one section that fails must not take the others with it
                lines = [f"## {section.__name__.replace('_', ' ').capitalize()}", "", f"failed: {error}", ""]
            document += lines
            print("\n".join(lines), flush=True)
            write(target, document)
    say(f"written to {target}")


def _prepare(ground: Ground) -> None:
    sizes = ground.sizes
    lines = (sizes.large, sizes.middle, sizes.thousand, sizes.small, *sizes.one_by_one)
    for each in lines:
        ground.workload(1, each)
    for count in (*sizes.script, sizes.together[0]):
        ground.workload(count, sizes.together[1])
    ground.workload(1, sizes.huge)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    parser.add_argument("--prepare", action="store_true", help="only make the workloads, which are kept for later runs")
    parser.add_argument("--rounds", type=int, help="rounds of the main contests (default 5)")
    parser.add_argument("--only", nargs="+", choices=[section.__name__ for section in ALL], help="some sections")
    return parser.parse_args()


if __name__ == "__main__":
    main()

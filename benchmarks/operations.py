"""`python -m benchmarks.operations`: the storage operations that an invoice costs, of many together and of a lone one.

Counted from Azurite's own log, by table and verb. `--quick` takes fewer invoices, whose share of an import is larger.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.ground import FULL, QUICK, Ground
from benchmarks.relaying import carry
from benchmarks.usage import Usage
from benchmarks.workload import Prepared, fresh

_PATIENCE_SECONDS = 900.0


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operations", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few invoices")
    sizes = QUICK if parser.parse_args().quick else FULL
    with tempfile.TemporaryDirectory(prefix="relay-operations-") as folder:
        ground = Ground(sizes, Path(folder))
        for invoices, lines in (sizes.together, (1, sizes.small)):
            counted = count(ground.workload(invoices, lines), Path(folder))
            print(f"{invoices} x {lines} lines: {sum(counted.values()) / invoices:.0f} storage operations an invoice")
            for kind, number in counted.most_common():
                print(f"  {number / invoices:8.2f}  {kind}")


def count(prepared: Prepared, folder: Path) -> Counter[str]:
    """Carry a workload once; the storage operations of the app by kind."""
    with fresh(prepared, folder, hosts=1) as ground:
        usage = Usage(ground.stack)
        carry(ground, _PATIENCE_SECONDS)
        return Counter(usage.facts()["storage"])


if __name__ == "__main__":
    main()

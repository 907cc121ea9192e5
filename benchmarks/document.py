"""The document: what was measured, how, on what, and what speaks for the relay without being its merit."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import costs
from benchmarks.ground import Ground

_PREFACE = """# Benchmarks

Written by `make bench`. Ratios are what counts here; times belong to one machine, to simulated services and to one day
({day}; {cores} cores, {machine}, Python {python}).

## What is biased, and which way

- **The services are simulators, and share the {cores} cores with everything else**: Azurite, Dataverse, Finance, the host,
  and the contestant. Their own CPU counts inside the cost model, not on top of it: a simulator that is quicker than the
  model waits. Where it is slower (Finance's, when several lanes import large packages at once) all contestants pay for it, the
  ceiling too; the CPU seconds below the table say how much that is.
- **The cost model is ours**, and the same for every contestant. Dataverse: {page:g} s a page of 5,000 rows, smaller pages
  in proportion, no read under {read:g} s, its service protection limits on. Finance: an import {fixed:g} s and
  {row:g} s a row, one at a time in each data project; any other request {odata:g} s, {written:g} s for each row that OData
  writes, at most {at_once} at once. A row that OData *reads* costs what Dataverse's costs ({each:g} s): the {written:g} s are
  those of X++ writing a row. Only the relay reads back what it wrote, so a dearer reading would count against it alone.
- **The ceiling (e) is no product.** Its packages were built before the clock started, it parses and maps nothing, checks
  nothing, and could not go on after a crash. Its requests for reading are the relay's own, recorded and replayed at most
  48 at once, so what the relay reads more than necessary does not show here. It has the same lanes as the relay. It polls
  every 20 ms, which no guest should do to Finance.
- **(a), (b) and (c) read with the relay's own reading code**, which flatters them. They sign in without asking; so does (e).
  OData takes neither headers nor connections, so (a) and (b) send those as packages. (c) polls once a second.
- **The relay's clock** runs from the first webhook to the last run completed, which includes verification. The others' ends
  with the last import.
- All start from the same bytes: the invoices are made and confirmed once and the databases copied for every round. Each
  round has fresh processes, whose start is not counted. Contestants take turns. After each round the rows in Finance's
  database are compared with what the confirmation produced: every key, every amount, nothing twice; what is wrong is a
  failed round. Shown are the median and the range.
"""
_EXPLAINED = Path(__file__).parent / "explained.md"


def preface(ground: Ground) -> list[str]:
    """What has to be said before any figure."""
    text = _PREFACE.format(
        day=datetime.now(UTC).date().isoformat(),
        cores=os.cpu_count(),
        machine=platform.machine(),
        python=platform.python_version(),
        page=costs.PAGE_SECONDS,
        read=costs.READ_SECONDS,
        fixed=costs.IMPORT_SECONDS,
        row=costs.IMPORT_SECONDS_PER_ROW,
        odata=costs.ODATA_SECONDS,
        written=costs.ODATA_SECONDS_PER_ROW,
        at_once=costs.ODATA_AT_ONCE,
        each=costs.ODATA_SECONDS_PER_ROW_READ,
    )
    rounds = f"{ground.sizes.rounds} rounds of what is measured against a goal, {ground.sizes.few_rounds} of the rest."
    return [*text.rstrip().split("\n"), f"- {rounds}", ""]


def write(target: Path, lines: list[str]) -> None:
    """Write the document whole, with what explains its figures at the end."""
    lines = [*lines, _EXPLAINED.read_text(encoding="utf-8")]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")

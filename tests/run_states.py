"""Runs that stand where a test begins, whatever would lead there."""

from dataclasses import replace
from typing import Unpack

from shared.ledger.run import Run
from shared.ledger.runs import Ledger
from shared.ledger.transitions import Move


async def set_state(ledger: Ledger, run: Run, **changes: Unpack[Move]) -> Run:
    """Change a run as it was read, its state included."""
    return await ledger._write(run, replace(run, **changes))

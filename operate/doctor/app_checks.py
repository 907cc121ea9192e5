"""The app itself: settings that are allowed and risky, and what its storage says."""

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.visit import Visit


async def look_at_sweep_start(visit: Visit) -> Finding:
    """The sweep begins at the cut-over."""
    start, now = visit.settings.sweep_start, visit.now()
    expected = "SWEEP_START is the moment of the cut-over"
    if start is None:
        seen = f"SWEEP_START is not set: invoices of the last {visit.settings.look_back_days} days are carried"
        step = "Set SWEEP_START to the moment from which this app carries invoices (docs/go-live.md, step 6)"
        return Finding(Verdict.WARN, seen, expected, step)
    seen = f"SWEEP_START is {start:%Y-%m-%d %H:%M} UTC"
    if start > now:
        step = "Right before the cut-over. At the cut-over, set SWEEP_START to that moment (docs/go-live.md, step 6)"
        return Finding(Verdict.WARN, f"{seen}, which is to come: the sweep finds no invoice until then", expected, step)
    return Finding(Verdict.OK, seen, expected)


CHECKS = (Check("sweep-start", "Start of the sweep", "app", look_at_sweep_start),)

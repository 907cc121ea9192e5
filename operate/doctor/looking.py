"""Makes one check. Whatever it meets, it ends within its time and has a finding."""

import asyncio

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.onlooker import Unseen
from operate.doctor.visit import Visit
from shared.errors import Throttled
from shared.log import where

LONGEST_CHECK = 45.0
"""Seconds. Metadata of Dataverse takes seconds to answer; a service that takes longer than this would not let the other
checks have their turn before the host ends the function."""


async def look(visit: Visit, check: Check) -> list[Finding]:
    """The findings of a check, at least one."""
    try:
        async with asyncio.timeout(LONGEST_CHECK):
            found = await check.look(visit)
    except Exception as error:  # noqa: BLE001 - a check that fails must not hide what the others see
        return [_unknown(check, error)]
    findings = [found] if isinstance(found, Finding) else list(found)
    return findings or [_nothing_seen(check)]


def _nothing_seen(check: Check) -> Finding:
    # A user without rights may see an empty list, so an empty one is no proof that all is well.
    seen, step = (
        "there was nothing to look at",
        f"If the app's user should see something: relay doctor --only {check.name}",
    )
    return Finding(Verdict.UNKNOWN, seen, "something to look at", step)


def _unknown(check: Check, error: Exception) -> Finding:
    again = f"relay doctor --only {check.name}"
    if isinstance(error, Unseen):
        return Finding(Verdict.UNKNOWN, str(error), error.expected, f"{error.remedy}. Then: {again}")
    if isinstance(error, Throttled):
        seen = f"{error.service} asks to wait until {error.until:%H:%M:%S} UTC, so nothing was sent"
        return Finding(Verdict.UNKNOWN, seen, f"{error.service} answers", f"Wait until then. Then: {again}")
    if isinstance(error, TimeoutError):
        seen = f"no result within {LONGEST_CHECK:.0f} seconds"
        return Finding(Verdict.UNKNOWN, seen, "a result", f"Try again: {again}")
    place = where(error).rpartition(" > ")[2]
    seen = f"the check itself failed with {type(error).__name__} at {place}"
    step = "Report this text as a fault of the app. The other checks are not affected"
    return Finding(Verdict.UNKNOWN, seen, "a result", step)

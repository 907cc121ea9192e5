"""The app itself: settings that are allowed and risky, its credential, its storage, its sweep, and its release."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from azure.core.exceptions import AzureError

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.visit import Visit
from relay_contract.version import VERSION
from shared.clock import parse_stamp
from shared.configuration.texts import unresolved
from shared.engine.newer import told
from shared.services.sign_in import credential_ends
from shared.settings import Settings
from shared.storage import refusals

_NOTE = "doctor's test of writing"
# Weekends and holidays: a webhook that is lost on their first day must still be found on the day after.
_SHORTEST_LOOK_BACK = 7
_SOON, _VERY_SOON = timedelta(days=30), timedelta(days=7)
_SWEEP_IS_LATE = timedelta(hours=1)
_DISABLED = re.compile(r"AzureWebJobs[._](?P<name>\w+)[._]Disabled", re.IGNORECASE)
_TRUE = {"1", "true"}


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


async def look_at_settings(visit: Visit) -> Sequence[Finding]:
    """No setting is allowed and risky."""
    found = [*_risky(visit.settings), *_disabled(os.environ)]
    return found or [Finding(Verdict.OK, "no setting is risky", "no setting is risky")]


def _risky(settings: Settings) -> Iterator[Finding]:
    days = settings.look_back_days
    if days < _SHORTEST_LOOK_BACK:
        seen = f"the sweep looks back {days} day{'' if days == 1 else 's'}: it may miss webhooks lost over holidays"
        step = "Leave it out; the default is 60"
        yield _warning("SWEEP_LOOK_BACK_DAYS", seen, f"at least {_SHORTEST_LOOK_BACK} days", step)
    if not settings.looks_after:
        seen = "completed runs are not counted again, so actuals that Dataverse writes late go unnoticed"
        yield _warning("LATER_LOOKS_SECONDS", seen, "an hour and a day after completion", "Leave it out")
    if settings.taken_over_from:
        seen = "the storage of another owner may be taken over"
        step = "Remove it when the app has taken the account over"
        yield _warning("STORAGE_TAKEN_OVER_FROM", seen, "empty, unless an account is being taken over", step)


def _disabled(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name, value in sorted(environment.items()):
        if (found := _DISABLED.fullmatch(name)) and value.strip().lower() in _TRUE:
            seen = f"function {found['name']} is switched off, and its work is not done"
            yield _warning(name, seen, "every function is on", f"Remove the setting {name}")


def _warning(about: str, seen: str, expected: str, step: str) -> Finding:
    return Finding(Verdict.WARN, seen, expected, step, about)


async def look_at_references(visit: Visit) -> Finding:
    """Every secret has come from the vault."""
    del visit
    expected = "every Key Vault reference is resolved"
    names = sorted(name for name, text in os.environ.items() if unresolved(text))
    if not names:
        return Finding(Verdict.OK, "no reference has come as its own text", expected)
    step = "Portal: function app > Settings > Environment variables: the column Source says why. Correct it and restart"
    return Finding(Verdict.FAIL, f"not resolved: {', '.join(names)}", expected, step)


async def look_at_credential(visit: Visit) -> Finding:
    """The credential does not expire soon."""
    settings, now = visit.settings, visit.now()
    expected = "a credential that is valid for at least 30 days"
    if settings.sign_in == "managedIdentity":
        return Finding(Verdict.OK, "a managed identity, which never expires", expected)
    ends = credential_ends(settings, now)
    if ends is None:
        step = f"az ad app credential list --id {settings.client_id}. Put the day into a calendar"
        return Finding(Verdict.UNKNOWN, "a client secret, which does not tell when it expires", expected, step)
    seen, left = f"the certificate is valid until {ends:%Y-%m-%d}", ends - now
    if left >= _SOON:
        return Finding(Verdict.OK, seen, expected)
    step = "Register a new certificate, put it into the vault, restart the app (docs/runbook.md)"
    return Finding(Verdict.FAIL if left < _VERY_SOON else Verdict.WARN, seen, expected, step)


async def look_at_storage(visit: Visit) -> Finding:
    """The storage account is this app's alone, and lets it read and write."""
    ports, expected = visit.ports, "the storage account is this app's alone, and lets it read and write"
    try:
        await ports.landing.ask()
        for queue in ports.queues.clients.values():
            await queue.get_queue_properties()
        await ports.notes.write(_NOTE, {})
        other = await ports.ownership.refused_app()
    except AzureError as error:
        return Finding(Verdict.FAIL, refusals.describe(error), expected, f"First {refusals.advise(error)}")
    if other:
        step = "Give that app a storage account of its own (docs/runbook.md, the storage account belongs to another)"
        return Finding(Verdict.WARN, other, expected, step)
    return Finding(Verdict.OK, "it lets the app read and write", expected)


async def look_at_sweep(visit: Visit) -> Finding:
    """The sweep has run lately and could ask Dataverse."""
    note, expected = await visit.ports.notes.read("sweep"), "a sweep every ten minutes"
    step = "relay sweep. If none comes by itself, the log of function sweep says why"
    if note is None:
        return Finding(Verdict.WARN, "no sweep has run yet", expected, step)
    at = parse_stamp(note["at"])
    seen = f"the last one was at {at:%Y-%m-%d %H:%M} UTC"
    if visit.now() - at > _SWEEP_IS_LATE:
        return Finding(Verdict.FAIL, f"{seen}: lost webhooks are not found", expected, step)
    if note.get("problem"):
        return Finding(Verdict.WARN, f"{seen}, and could not ask Dataverse: {note['problem']}", expected, step)
    return Finding(Verdict.OK, seen, expected)


async def look_at_pauses(visit: Visit) -> Sequence[Finding]:
    """Nothing is paused."""
    pauses = await visit.ports.pauses.standing()
    return [
        _warning(
            pause.stage or "everything",
            f"paused by {pause.by} at {pause.at:%Y-%m-%d %H:%M} UTC: {pause.reason}",
            "nothing is paused",
            "relay resume" + (f" --map {pause.stage}" if pause.stage else ""),
        )
        for pause in pauses
    ] or [Finding(Verdict.OK, "nothing is paused", "nothing is paused")]


async def look_at_release(visit: Visit) -> Finding:
    """No later version of the app has left work behind."""
    newer, expected = await told(visit.ports), "nothing was written by a later version of the app"
    if not newer:
        return Finding(Verdict.OK, f"version {VERSION}", expected)
    step = "Deploy that version again; until then its work waits"
    return Finding(Verdict.WARN, f"version {VERSION}; {'; '.join(dict.fromkeys(newer.values()))}", expected, step)


CHECKS = (
    Check("app-version", "Release of the app", "app", look_at_release),
    Check("app-settings", "Settings that are allowed and risky", "app", look_at_settings),
    Check("sweep-start", "Start of the sweep", "app", look_at_sweep_start),
    Check("sweep", "The sweep", "app", look_at_sweep),
    Check("pauses", "Pauses", "app", look_at_pauses),
    Check("key-vault-references", "Secrets from the vault", "app", look_at_references),
    Check("credential", "The app's credential", "app", look_at_credential),
    Check("storage", "The app's storage account", "app", look_at_storage),
)

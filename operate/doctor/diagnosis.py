"""Runs the doctor: one message makes all checks of a run, one after the other.

After a crash the message is delivered again and goes on after the last check that has findings. A run ends in any case:
when its time is up, the checks that are left are unknown.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from uuid import uuid4

from operate.api.refusals import BadRequest
from operate.doctor.changes import compare, count, last, worst_of
from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.checks import CHECKS
from operate.doctor.diagnoses import Diagnoses
from operate.doctor.diagnoses import Diagnosis as Run
from operate.doctor.looking import look
from operate.doctor.visit import Visit, visit
from relay_contract import doctor as contract
from relay_contract.version import VERSION
from shared.engine.messages import Diagnose
from shared.engine.ports import Ports

LONGEST_RUN = 420.0
"""Seconds. The host ends a function after ten minutes; a check that has begun may take its own time on top."""

# A check that ends its worker, by using up its memory for instance, must not end the run as well. A deployment may end
# a worker once or twice.
_MOST_DEATHS = 3
THE_CLOCK = "the daily timer"
_NAMED: Mapping[str, Check] = {check.name: check for check in CHECKS}


async def start(ports: Ports, *, by: str, only: Sequence[str] = ()) -> str:
    """Start a run of all checks, or of those that are named, alone or by their area. Returns its name. Raises
    BadRequest for a name that no check and no area has."""
    checks, job = chosen(only), uuid4().hex
    names = tuple(check.name for check in checks)
    await Diagnoses(ports).open(Run(job, by, ports.now(), tuple(only), names, _place(ports)))
    await ports.queues.send(Diagnose(job=job))
    return job


def chosen(only: Iterable[str], checks: Sequence[Check] = CHECKS) -> list[Check]:
    """The checks with these names or areas, in their order; all of them without any. Raises BadRequest."""
    wanted = {name.strip().lower() for name in only}
    known = {check.name for check in checks} | {str(check.area) for check in checks}
    if strange := sorted(wanted - known):
        text = f"only: no check and no area is called {', '.join(strange)}; there are {', '.join(sorted(known))}"
        raise BadRequest(400, "badRequest", text)
    return [check for check in checks if not wanted or wanted & {check.name, check.area}]


async def diagnose(ports: Ports, message: Diagnose) -> None:
    """Make the checks of a run that have no findings yet, and end it."""
    runs = Diagnoses(ports)
    run = await runs.read(message.job)
    if run is None or run.state != "running":
        return
    seen, made, until = visit(ports), await runs.findings(run.job), time.monotonic() + LONGEST_RUN
    for number, name in enumerate(run.checks):
        if number not in made:
            made[number] = await _make(runs, seen, run, number) if time.monotonic() < until else [_too_late(name)]
            await runs.put(run.job, number, made[number])
    # Only the worker that ends the run tells what has changed.
    ended = await runs.end(run, "done")
    await compare(ports, ended, {name: made[number] for number, name in enumerate(run.checks)})


async def _make(runs: Diagnoses, seen: Visit, run: Run, number: int) -> list[Finding]:
    name = run.checks[number]
    check, deaths = _NAMED.get(name), await runs.begin(run.job, number)
    if deaths >= _MOST_DEATHS:
        told = f"the app was ended {deaths} times while this check was made"
        step = "Report this as a fault of the app. The other checks are not affected"
        return [Finding(Verdict.UNKNOWN, told, "a result", step)]
    if check is None:
        return [Finding(Verdict.UNKNOWN, f"version {VERSION} of the app has no check {name}", "a check of this name")]
    return await look(seen, check)


def _too_late(name: str) -> Finding:
    return _not_made(name, f"the run had used up its {LONGEST_RUN / 60:.0f} minutes")


def _not_made(name: str, reason: str) -> Finding:
    return Finding(Verdict.UNKNOWN, f"not made: {reason}", "a result", f"Run it alone: relay doctor --only {name}")


async def give_up(ports: Ports, message: Diagnose, reason: str) -> None:
    """End a run whose message was given up. The checks that were not made are unknown: without them the verdicts of the
    others would read as those of the whole."""
    runs = Diagnoses(ports)
    run = await runs.read(message.job)
    if run is None or run.state != "running":
        return
    made = await runs.findings(run.job)
    for number, name in enumerate(run.checks):
        if number not in made:
            await runs.put(run.job, number, [_not_made(name, "the run was given up")])
    await runs.end(run, "failed", reason)


def _place(ports: Ports) -> contract.Place:
    settings = ports.settings
    return contract.Place(
        app=VERSION,
        organization=str(settings.organization_id),
        dataverse=settings.dataverse_url,
        finance=settings.finance_url,
        maps={name: table_map.version for name, table_map in ports.maps.items()},
    )


async def describe(ports: Ports, job: str) -> contract.Diagnosis | None:
    """The progress and the findings of a run, or None if it does not exist."""
    runs = Diagnoses(ports)
    run = await runs.read(job)
    if run is None:
        return None
    made = await runs.findings(job)
    results = [_result(name, made[number]) for number, name in enumerate(run.checks) if number in made]
    counts = count(each for findings in made.values() for each in findings)
    return contract.Diagnosis(
        id=job,
        state=run.state,
        detail=run.detail,
        by=run.by,
        only=list(run.only),
        began=run.began,
        ended=run.ended,
        done=len(made),
        of=len(run.checks),
        worst=worst_of(counts).value,
        counts=counts,
        place=run.place,
        checks=results,
    )


async def describe_last(ports: Ports) -> contract.Diagnosis | None:
    """The last run of all checks, or None."""
    note = await last(ports)
    return await describe(ports, note.id) if note else None


def _result(name: str, findings: Sequence[Finding]) -> contract.CheckResult:
    check = _NAMED.get(name)
    told = [
        contract.Finding(
            verdict=each.verdict.value,
            seen=each.seen,
            expected=each.expected,
            next_step=each.next_step,
            about=each.about,
        )
        for each in findings
    ]
    return contract.CheckResult(
        name=name,
        title=check.title if check else name,
        area=check.area if check else "app",
        verdict=worst_of(count(findings)).value,
        findings=told,
    )

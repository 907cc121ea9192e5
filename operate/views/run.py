"""The document of a run: state, progress of each map, and what it waits for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from relay_contract import Money
from relay_contract.runs import Account, Gate, MapDetail, RunDetail, Wait
from shared.engine import troubles
from shared.engine.account import is_over, pages_in, reading_of
from shared.engine.import_waits import waits_of_run
from shared.engine.lifecycle import stage_of
from shared.engine.newer import told
from shared.engine.ports import Ports
from shared.engine.troubles import Trouble
from shared.errors import NewerVersion
from shared.jobs.job import Job, Step
from shared.ledger.book import Book
from shared.ledger.progress import progress_of
from shared.ledger.rejected_rows import RejectedRow, measured
from shared.ledger.run import Page, Part, Run
from shared.ledger.run_list import Entry
from shared.project_operations.codes import ACTUALS, NEW_UNBILLED, SOLD
from shared.services import dataverse, finance, throttle_gates
from shared.storage.pauses import Pause
from shared.totals import Totals

SERVICES = (dataverse.NAME, finance.NAME)


async def describe(ports: Ports, run: Run) -> RunDetail:
    """The run for the API. Counts are rows."""
    waits = [] if run.state.is_final else [*(await standing(ports)).waits_of(run), *await _imports_of(ports, run)]
    book = await ports.ledger.book(run.subject)
    found = {stage: _read(ports, run, book, stage) for stage in ports.job.maps}
    counted = ports.job.step(ACTUALS)
    maps = [_progress(run, ports.job.step(stage), each) for stage, each in found.items()]
    return RunDetail(
        invoice_id=str(run.subject),
        run_id=run.run_id,
        invoice_number=run.number,
        company=run.company,
        customer=run.customer,
        project=run.project,
        state=str(run.state),
        detail=run.detail,
        waits_for=waits,
        accepted_at=run.accepted_at,
        updated_at=run.updated_at,
        generation=run.generation,
        maps=maps,
        accounts=[
            _account("billed sales", counted, found[ACTUALS], SOLD),
            _account("new unbilled sales", counted, found[ACTUALS], NEW_UNBILLED),
        ],
        posting=run.posting,
        posting_detail=run.posting_detail,
        posted_at=run.posted_at,
        written_back_at=run.written_back_at,
        rows=run.expected.rows,
        rejected=sum(each.rejected for each in maps),
        odd_days=sum(part.odd_days for each in found.values() for part in each.parts),
        billed_sales=money_of(run.expected),
    )


async def _imports_of(ports: Ports, run: Run) -> list[Wait]:
    """The imports that keep the run waiting."""
    return [
        Wait(reason=wait.describe(), service=finance.NAME, kind=wait.what, since=wait.since, until=wait.until)
        for wait in await waits_of_run(ports, run, stage_of(ports.job, run))
    ]


@dataclass(frozen=True)
class Standing:
    """What delays runs at `at`: pauses, closed gates, and problems."""

    job: Job
    pauses: Sequence[Pause]
    gates: Sequence[Gate]
    troubles: Sequence[Trouble]
    at: datetime
    newer: Mapping[str, str] = field(default_factory=dict)
    """Data of a later version on a queue, by queue."""

    def waits_of(self, run: Run | Entry) -> list[Wait]:
        """What an unfinished run waits for."""
        stage = stage_of(self.job, run)
        own = [Wait(reason=run.wait, kind="incomplete")] if run.wait else []
        paused = [
            Wait(reason=f"paused by {pause.by}: {pause.reason}", kind="paused")
            for pause in self.pauses
            if pause.stage in {None, stage}
        ]
        troubles = [describe_trouble(each, self.at) for each in self.troubles if each.holds_up(stage)]
        left = self.newer.get(stage, "")
        newer = [Wait(reason=left, kind="newer version")] if left and left != run.wait else []
        return [*own, *paused[:1], *self.gates, *troubles, *newer]


async def standing(ports: Ports) -> Standing:
    """Read what delays all runs. The number of reads does not depend on the number of runs."""
    gates = [describe_gate(gate) for service in SERVICES if (gate := await ports.gates.look(service))]
    paused, stand = await ports.pauses.standing(), await troubles.standing(ports)
    return Standing(ports.job, paused, gates, stand, ports.now(), await told(ports))


def describe_gate(gate: throttle_gates.Gate) -> Gate:
    """A closed gate for the API, as a sentence and as fields."""
    return Gate(
        reason=gate.describe(),
        service=gate.service,
        until=gate.until,
        kind=gate.kind,
        asked=gate.asked,
        text=gate.reason,
    )


def describe_trouble(trouble: Trouble, now: datetime) -> Wait:
    """A problem for the API."""
    return Wait(
        reason=trouble.describe(now),
        service=trouble.service,
        kind=trouble.kind,
        since=trouble.since,
        until=trouble.until,
    )


@dataclass(frozen=True)
class _Found:
    """The ledger's data about one map of a run."""

    pages: Sequence[Page]
    parts: Sequence[Part]
    rows: Sequence[RejectedRow]


def _read(ports: Ports, run: Run, book: Book, stage: str) -> _Found:
    generation = reading_of(ports, run, stage)
    try:
        return _Found(pages_in(ports, book, stage, generation), book.parts(stage, generation), book.rejected(stage))
    except NewerVersion:
        # Rows of a later version cannot be counted. The run itself is shown nevertheless.
        return _Found([], [], [])


def _progress(run: Run, step: Step, found: _Found) -> MapDetail:
    progress = progress_of(found.parts, found.rows)
    return MapDetail(
        map=step.map,
        title=step.shown,
        rows=max(progress.rows, promised_rows(step, run)),
        rows_read=progress.rows,
        done=progress.done,
        rejected=progress.rejected,
        dismissed=progress.dismissed,
        state=_state(run, found.parts, over=is_over(found.pages, found.parts)),
    )


def _account(what: str, step: Step, found: _Found, name: str) -> Account:
    """The result of one kind of actuals: in Finance, in transit, rejected, dismissed; in rows and money."""
    settled = [part for part in found.parts if part.state == "settled"]
    others = [part for part in found.parts if part.state != "settled"]
    by_status = {
        status: measured((row for row in found.rows if row.status == status), step)[name]
        for status in ("open", "dismissed")
    }
    taken, under_way = _sum(settled, name), _sum(others, name)
    return Account(
        what=what,
        read=money_of(sum(by_status.values(), taken + under_way)),
        taken=money_of(taken),
        under_way=money_of(under_way),
        rejected=money_of(by_status["open"]),
        dismissed=money_of(by_status["dismissed"]),
    )


def _sum(parts: Sequence[Part], name: str) -> Totals:
    return sum((part.measure(name) for part in parts), Totals())


def money_of(totals: Totals) -> Money:
    """Totals for the API."""
    return Money(rows=totals.rows, amounts=dict(sorted(totals.amounts.items())))


def promised_rows(step: Step, run: Run | Entry) -> int:
    """The expected number of rows of a step, as far as it is known before they are read."""
    if step.readOnce:
        return 1
    return run.expected.rows if step.measures else 0


def _state(run: Run, parts: Sequence[Part], *, over: bool) -> str:
    if over:
        return "done"
    if not parts or all(part.state == "held" for part in parts):
        return "waiting"
    return "stopped" if run.state.is_final else "running"

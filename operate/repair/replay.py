"""Replay sends missing and rejected rows again, and nothing else. Dismiss marks rejected rows as settled by an
operator.
"""

from collections import Counter
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from operate.api.refusals import BadRequest
from operate.reconcile.reports import Reports
from operate.repair.selection import Selected, select
from relay_contract.changes import Dismissed, Replayed, Send
from relay_contract.requests import Selection
from shared.engine.lifecycle import as_it_stands, claim, go_on, read_again
from shared.engine.messages import Reconcile
from shared.engine.ports import Ports
from shared.engine.resend import FIRST_REPAIR, send_again, source_of
from shared.errors import NeedsAttention
from shared.ledger.run import Run, State
from shared.project_operations.accounting_detail import start as start_write_back
from shared.project_operations.codes import ACTUALS
from shared.project_operations.held_actuals import held_actuals
from shared.services.odata import guid
from shared.storage.names import WRITE_BACK

_SHOWN_KEYS = 100
_NAMED_KEYS = 3


@dataclass(frozen=True)
class Plan:
    """The effect of a replay on one run."""

    selected: Selected
    note: str

    def describe(self) -> Replayed:
        """The plan for the API."""
        run, rows = self.selected.run, self.selected.rows
        counts = Counter(row.stage for row in rows)
        sends = [
            Send(map=str(stage), rows=count, keys=[row.key for row in rows if row.stage == stage][:_SHOWN_KEYS])
            for stage, count in counts.items()
        ]
        return Replayed(
            invoice_id=str(run.subject),
            invoice_number=run.number,
            state=str(run.state),
            sends=sends,
            note=self.note,
        )


async def plan(ports: Ports, selection: Selection) -> list[Plan]:
    """The effect of a replay, run by run. Rejected rows of a running run may have to wait until it has stopped."""
    chosen = [selected async for selected in select(ports, selection)]
    ready = [each if each.run.state.is_final else Selected(each.run, []) for each in chosen]
    return [Plan(selected, _note(selected)) for selected in ready]


def _note(selected: Selected) -> str:
    run = selected.run
    if selected.rows:
        rows = "1 rejected row" if len(selected.rows) == 1 else f"{len(selected.rows)} rejected rows"
        return f"reads and sends {rows} again, then goes on"
    if run.state == State.COMPLETED:
        return "is completed: nothing to send; reconcile it to compare row by row"
    if not run.state.is_final:
        return f"is under way ({run.state}): the messages for what is not done are sent once more"
    if run.state == State.NEEDS_ATTENTION:
        return "is compared row by row; what Finance lacks is read and sent again, then it goes on"
    return "goes on where it stopped"


async def replay(ports: Ports, plans: list[Plan], by: str) -> None:
    """Execute the plans. Raises BadRequest for a run that was read too often, LeaseLost for one that has changed."""
    for each in plans:
        await _replay(ports, each.selected, by)


async def _replay(ports: Ports, selected: Selected, by: str) -> None:
    run = selected.run
    rows = [row for row in selected.rows if row.stage != WRITE_BACK]
    if len(rows) < len(selected.rows):
        # Has no effect while the run is not completed. After its completion the posting is checked anyway.
        await start_write_back(ports, run.subject)
        if not rows:
            return
    if rows:
        again: dict[str, list[str]] = {}
        for row in rows:
            again.setdefault(row.stage, []).append(source_of(run, row))
        # Claimed for the first of its maps: the later ones may not go before it.
        held = await claim(ports, run, next(stage for stage in ports.job.maps if stage in again))
        await send_again(ports, held, again, [replace(row, by=by, at=ports.now()) for row in rows])
    elif run.state == State.NEEDS_ATTENTION:
        job = uuid4().hex
        await Reports(ports).open(job, 1, by=by)
        await ports.queues.send(Reconcile(job=job, subject=run.subject, fix=True))
    elif run.state == State.FAILED and await _lacks_a_page(ports, run):
        await _read_from_the_start(ports, run)
    elif run.state != State.COMPLETED:
        await go_on(ports, run)


async def _read_from_the_start(ports: Ports, run: Run) -> None:
    try:
        await read_again(
            ports, replace(run, detail="", rejected=0), "replayed: the actuals are read from the start", asked=True
        )
    except NeedsAttention as error:
        raise BadRequest(409, "readTooOften", str(error)) from error


async def _lacks_a_page(ports: Ports, run: Run) -> bool:
    """Whether the reading stopped at a next link. The link itself may be the cause: it can expire, or be wrong."""
    pages = await ports.ledger.pages(run.subject, ACTUALS, run.generation)
    return any(not page.read and 0 < page.number < FIRST_REPAIR for page in pages)


async def dismiss(ports: Ports, chosen: list[Selected], *, reason: str, by: str) -> None:
    """Dismiss rows. A run that nothing else blocks continues. Raises BadRequest, before anything is changed, for
    rows that Finance holds."""
    await _refuse_held(ports, chosen)
    for selected in chosen:
        run = selected.run
        await ports.rejections.change(
            run.subject, selected.rows, status="dismissed", reason=reason, by=by, at=ports.now()
        )
        if run.state == State.COMPLETED:
            await start_write_back(ports, run.subject)
        await _go_on_without(ports, run.subject)


async def _refuse_held(ports: Ports, chosen: list[Selected]) -> None:
    """A dismissed row counts as not in Finance, and its connections are not sent. So it must not be in Finance."""
    held = [key for selected in chosen for key in await _held_keys(ports, selected)]
    if held:
        rows = "1 row is" if len(held) == 1 else f"{len(held)} rows are"
        more = f" and {len(held) - _NAMED_KEYS} more" if len(held) > _NAMED_KEYS else ""
        raise BadRequest(
            409,
            "heldByFinance",
            f"{rows} in Finance: {', '.join(held[:_NAMED_KEYS])}{more}. Nothing was dismissed: a dismissed row counts "
            "as missing there, and its connections are not sent. Replay the run: what Finance holds is then counted",
        )


async def _held_keys(ports: Ports, selected: Selected) -> list[str]:
    run = selected.run
    # A row of kind "contract" was refused by the map and never sent, so Finance cannot hold it.
    rows = [row for row in selected.rows if row.stage == ACTUALS and row.kind != "contract"]
    if not rows:
        return []
    keys = [guid(row.key) for row in rows]
    parts = await ports.ledger.parts(run.subject, ACTUALS, run.generation)
    companies = sorted({part.company for part in parts} or {run.company})
    select = "ActualsImportId"
    return [
        str(row[select]).lower()
        for company in companies
        async for row in held_actuals(ports, company, keys, select=select)
    ]


async def _go_on_without(ports: Ports, invoice_id: UUID) -> None:
    async def go_on_if_free(run: Run) -> None:
        if run.state != State.NEEDS_ATTENTION:
            return
        left = [row for row in await ports.rejections.of(invoice_id) if row.status == "open"]
        await (ports.ledger.save(run, rejected=len(left)) if left else go_on(ports, run))

    await as_it_stands(ports, invoice_id, go_on_if_free)


def describe_dismissal(selected: Selected) -> Dismissed:
    """The effect of a dismissal on one run."""
    return Dismissed(
        invoice_id=str(selected.run.subject),
        invoice_number=selected.run.number,
        state=str(selected.run.state),
        keys=[row.key for row in selected.rows][:_SHOWN_KEYS],
    )

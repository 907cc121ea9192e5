"""Reconciliation: reads an invoice from Dataverse now and compares it with Finance, row by row and column by column.

It needs no run. Rows are compared page by page, so memory use is limited to one page. Headers and connections cannot be
read from Finance; for these the counts that Finance reported for their imports are shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID, uuid4

from operate.api.refusals import BadRequest
from operate.reconcile.period import Scope, scope_of
from operate.reconcile.reports import Reports
from operate.views.run import money_of
from relay_contract import Money
from relay_contract.reconciliation import Difference, DifferenceCounts, MapCounts, Reconciled, RowKey
from relay_contract.requests import ReconcileRequest
from shared.engine.account import account_of
from shared.engine.lifecycle import accept, claim, go_on, read_again
from shared.engine.messages import Load, Reconcile
from shared.engine.ports import Ports
from shared.engine.resend import send_again
from shared.errors import ContractBroken, NeedsAttention, NotPermitted, NotYet, Refused
from shared.ledger.progress import Progress
from shared.ledger.rejected_rows import BILLED, RejectedRow, measured
from shared.ledger.run import Run, State
from shared.maps.columns_compared import differing_columns, unseen_columns
from shared.maps.transforms import Row, RowRefused
from shared.project_operations.actual_pages import read_actual_pages
from shared.project_operations.billed_sales import billed_totals
from shared.project_operations.codes import ACTUALS, CANCELED, CONNECTIONS, INVOICES, SOLD
from shared.project_operations.completeness import Completeness, completeness
from shared.project_operations.held_actuals import billed_under, held_actuals, held_by_actual
from shared.project_operations.invoices import (
    STATE,
    STATUS,
    Standing,
    invoices_numbered,
    number_column,
    number_of,
    standing_of,
)
from shared.services.dataverse import NAME as DATAVERSE
from shared.services.odata import guid
from shared.totals import Tally

_MOST_AT_ONCE = 1000


@dataclass
class Findings:
    """The result of a comparison. Keys are those of Finance; `sources` are the ids in Dataverse of the rows to send
    again."""

    source: Tally = field(default_factory=Tally)
    target: Tally = field(default_factory=Tally)
    completeness: Completeness | None = None
    billed: int = 0
    connections: int = 0
    linked: int = 0
    dismissed: int = 0
    doubt: str = ""
    unseen: tuple[str, ...] = ()
    set_aside_links: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)
    different: list[Difference] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether everything agrees: nothing is missing, surplus, different or unexplained, the confirmation is
        complete, and Finance has accepted as many connections as the confirmation has."""
        rows = not (self.missing or self.surplus or self.different or self.unexplained or self.doubt)
        # Two counts that differ are never equal, although connections cannot be read from Finance one by one.
        return rows and self.is_whole and self.linked == self.connections

    @property
    def has_billed(self) -> bool:
        """Whether Dataverse holds billed sales of the invoice."""
        return self.completeness is not None and self.completeness.billed.totals.rows > 0

    @property
    def is_whole(self) -> bool:
        """Whether Dataverse holds everything that the invoice's details require, and all of it was compared."""
        # The rows are counted by a second query: if Dataverse withholds a next link, the first one ends too early.
        found = self.completeness
        return found is not None and found.billed.totals.rows == self.billed > 0 and not found.missing

    def set_aside(self, rows: Iterable[RejectedRow]) -> None:
        """Exclude dismissed rows that Finance does not hold."""
        dismissed = {row.key: row.source_id.lower() for row in rows}
        self.dismissed = len(dismissed)
        self.missing = [key for key in self.missing if key not in dismissed]
        gone = set(dismissed.values())
        self.sources = [source for source in self.sources if source.lower() not in gone]
        self.unexplained = [source for source in self.unexplained if source.lower() not in gone]


async def start(ports: Ports, asked: ReconcileRequest) -> str:
    """Open a job that compares the requested invoices, and return its id. Raises BadRequest if there are none or too
    many."""
    scope, job = await _scope(ports, asked), uuid4().hex
    await ports.audit.note("reconcile", asked.by, asked.document() | {"job": job})
    # Before the messages: the caller asks for the job at once, and a result may come back before the last is sent.
    await Reports(ports).open(job, len(scope.invoices), by=asked.by, expected=scope.describe())
    for invoice_id in scope.invoices:
        # An invoice that dual-write has carried is sent only if an operator names it.
        fix = asked.fix and invoice_id not in scope.before_go_live
        await ports.queues.send(Reconcile(job=job, subject=invoice_id, fix=fix))
    return job


async def _scope(ports: Ports, asked: ReconcileRequest) -> Scope:
    if asked.invoice_id:
        return Scope((asked.invoice_id,))
    if asked.invoice_number:
        found = await invoices_numbered(ports, asked.invoice_number)
        if not found:
            raise BadRequest(404, "noInvoice", f"Dataverse has no project invoice {asked.invoice_number}")
        return Scope(tuple(invoice.invoice_id for invoice in found))
    scope = await scope_of(ports, asked.since or ports.now(), asked.until or ports.now())
    if (number := len(scope.invoices)) > _MOST_AT_ONCE:
        raise BadRequest(
            400, "tooMany", f"The period has {number} invoices, more than {_MOST_AT_ONCE}: give a shorter one"
        )
    return scope


async def reconcile(ports: Ports, message: Reconcile) -> None:
    """Compare one invoice for a job and store the result. With `fix`, missing and different rows are sent again."""
    run = await ports.ledger.run(message.subject)
    try:
        aside = await _set_aside(ports, run)
        number, findings = await compare(ports, message.subject, aside)
        if run is not None:
            findings.set_aside(aside.actuals)
            findings.linked = await _linked(ports, run)
        # An invoice that was cancelled or set back must not be sent, whatever Finance lacks of it.
        fix = message.fix and not findings.doubt
        fixed = await _fix(ports, message.subject, run, findings) if fix else 0
        result = await _describe(ports, message.subject, number=number, run=run, findings=findings, fixed=fixed)
    # These are a result to tell. Throttled and Unavailable pass: the worker handles the message again later.
    except (NotYet, NeedsAttention, NotPermitted, Refused, ContractBroken, RowRefused) as error:
        result = _unanswered(message, run, str(error))
    await Reports(ports).put(message.job, message.subject, result)


async def give_up(ports: Ports, message: Reconcile, reason: str) -> None:
    """Store that an invoice could not be compared, and why."""
    run = await ports.ledger.run(message.subject)
    await Reports(ports).put(message.job, message.subject, _unanswered(message, run, reason))


def _unanswered(message: Reconcile, run: Run | None, reason: str) -> Reconciled:
    return Reconciled(
        invoice_id=str(message.subject),
        invoice_number=run.number if run else "",
        run_state=str(run.state) if run else None,
        equal=False,
        problem=reason,
        maps=[],
        missing=[],
        surplus=[],
        unexplained=[],
        different=[],
        fixed=0,
    )


@dataclass(frozen=True)
class Aside:
    """The rows that an operator has dismissed: `actuals` that Finance does not hold, and `connections`. The
    connections of these actuals are not sent either."""

    actuals: Sequence[RejectedRow] = ()
    connections: Sequence[RejectedRow] = ()

    def leaves_out(self, link: Row, key: str) -> bool:
        """Whether a connection is not sent."""
        if any(row.source_id.lower() == link[key].lower() for row in self.connections):
            return True
        ends = {str(link[end]).lower() for end in ("msdyn_transaction1", "msdyn_transaction2")}
        return bool(ends & {row.source_id.lower() for row in self.actuals})


async def _set_aside(ports: Ports, run: Run | None) -> Aside:
    if run is None:
        return Aside()
    dismissed = [row for row in await ports.rejections.of(run.subject) if row.status == "dismissed"]
    actuals = [row for row in dismissed if row.stage == ACTUALS]
    held = await held_by_actual(ports, {guid(row.source_id) for row in actuals})
    return Aside(
        [row for row in actuals if guid(row.source_id) not in held],
        [row for row in dismissed if row.stage == CONNECTIONS],
    )


async def compare(ports: Ports, invoice_id: UUID, aside: Aside) -> tuple[str, Findings]:
    """The invoice's number and the result of the comparison. Raises the errors of reading."""
    table_map, column = ports.maps[INVOICES], number_column(ports)
    options = {"$select": f"{column},{STATUS},{STATE}"}
    invoice = await ports.dataverse.one(table_map.source.set, invoice_id, options)
    if invoice is None:
        raise Refused(DATAVERSE, 404, "", f"there is no invoice {invoice_id}")
    number, findings = number_of(ports, invoice), Findings()
    companies: set[str] = set()
    async for page in read_actual_pages(ports, invoice_id):
        _count_connections(ports, page.connections, aside, findings)
        findings.unexplained += [row["msdyn_actualid"] for row in page.unexplained]
        findings.sources += [row["msdyn_actualid"] for row in page.unexplained]
        for company, rows in page.rows.items():
            companies.add(company)
            await _compare_rows(ports, company, rows, findings)
    for company in companies:
        await _find_surplus(ports, invoice_id, company, number, findings)
    findings.completeness = await completeness(ports, invoice_id)
    findings.doubt = _doubt(ports, invoice, findings)
    return number, findings


def _count_connections(ports: Ports, links: Sequence[Row], aside: Aside, findings: Findings) -> None:
    key = ports.maps[CONNECTIONS].source.key
    left = [link[key] for link in links if aside.leaves_out(link, key)]
    findings.connections += len(links) - len(left)
    findings.set_aside_links += left


def _doubt(ports: Ports, invoice: Row, findings: Findings) -> str:
    """The reason why the invoice may not belong in Finance, or ""."""
    standing, status = standing_of(invoice, ports.settings.confirmed_statuses), invoice[STATUS]
    if invoice[STATE] == CANCELED:
        return f"Dataverse shows the invoice as cancelled (statecode {CANCELED})"
    if standing is Standing.NOT_CONFIRMED or (standing is Standing.UNCLEAR and not findings.has_billed):
        return f"Dataverse does not show the invoice as confirmed ({STATUS} is {status})"
    return ""


async def _linked(ports: Ports, run: Run) -> int:
    """The number of connections that Finance has accepted, as it reported for their imports."""
    parts = await ports.ledger.parts(run.subject, CONNECTIONS, run.generation)
    return sum(part.rows - part.rejected for part in parts if part.state == "settled")


async def _compare_rows(ports: Ports, company: str, rows: list[list[str]], findings: Findings) -> None:
    table_map = ports.maps[ACTUALS]
    sent = {row[table_map.position("ACTUALSIMPORTID")].lower(): row for row in rows}
    held = {str(row["ActualsImportId"]).lower(): row async for row in held_actuals(ports, company, map(UUID, sent))}
    lacking: list[str] = []
    for key, row in sent.items():
        values = dict(zip(table_map.columns, row, strict=True))
        findings.source.add(key, values["TRANSACTIONCURRENCYID"], Decimal(values["AMOUNT"] or 0))
        findings.billed += values["TRANSACTIONTYPE"] == BILLED
        source_id = values.get(table_map.source_column or "", "")
        if key not in held:
            findings.missing.append(key)
            lacking.append(source_id)
            continue
        findings.target.add(key, str(held[key]["TransactionCurrencyId"]), Decimal(held[key]["Amount"]))
        findings.unseen = unseen_columns(table_map, held[key])
        if found := differing_columns(table_map, row, held[key]):
            findings.sources.append(source_id)
            findings.different += [
                Difference(map=ACTUALS, key=key, field=each.column, source=each.source, target=each.target)
                for each in found
            ]
    # What dual-write or a person has brought under another key is told as missing, and is not sent a second time.
    there = await held_by_actual(ports, [guid(each) for each in lacking if each])
    findings.sources += [each for each in lacking if not each or guid(each) not in there]


async def _find_surplus(ports: Ports, invoice_id: UUID, company: str, number: str, findings: Findings) -> None:
    """Billed sales that Finance holds under the proposal but Dataverse does not have for this invoice."""
    table_map = ports.maps[ACTUALS]
    options = {"$filter": billed_under(company, number), "$select": "ActualsImportId,ActualId"}
    async for rows in ports.finance.pages(str(table_map.target.set), options):
        # Asked page by page, because remembering the keys of all rows would take memory that grows with the invoice.
        ids = {UUID(row["ActualId"]): str(row["ActualsImportId"]).lower() for row in rows}
        known: set[UUID] = set()
        async for found in ports.dataverse.rows_in(
            table_map.source.set,
            (table_map.source.key,),
            ids,
            {"$select": table_map.source.key},
            where=f"_msdyn_invoice_value eq {invoice_id}",
        ):
            known |= {UUID(row[table_map.source.key]) for row in found}
        findings.surplus += [key for actual, key in ids.items() if actual not in known]


async def _fix(ports: Ports, invoice_id: UUID, run: Run | None, findings: Findings) -> int:
    """Send missing and different rows again, except dismissed ones. Return their number."""
    if run is None or run.state == State.REJECTED:
        # Named by an operator, so it is sent even if it was confirmed before SWEEP_START.
        accepted, _ = await accept(ports.ledger, invoice_id, is_named=True)
        await ports.queues.send(Load(stage=INVOICES, subject=invoice_id, generation=accepted.generation))
        return len(findings.missing)
    # A run under way sends by itself what is missing now.
    if not run.state.is_final:
        return 0
    account = await account_of(ports, run, ACTUALS)
    if not account.parts:
        # Nothing was read yet, so the run reads everything when it continues. Reading rows here too would send them
        # twice.
        await go_on(ports, run)
        return len(findings.sources)
    opened = [row for row in await ports.rejections.of(invoice_id, ACTUALS) if row.status == "open"]
    read = account.accounted(SOLD) + measured(opened, ports.job.step(ACTUALS))[SOLD]
    if not (await billed_totals(ports, invoice_id)).same_money(read):
        await read_again(ports, run, "reconciled: Dataverse holds other billed sales than were read", asked=True)
        return len(findings.sources)
    if run.state == State.COMPLETED and findings.linked != findings.connections:
        # Finance's connections cannot be read. Sending all of them again is harmless, because it updates them by key.
        told = f"reconciled: Finance has taken {findings.linked} connections of {findings.connections}"
        await read_again(ports, run, told, asked=True)
        return len(findings.sources) + abs(findings.connections - findings.linked)
    if findings.sources:
        claimed = await claim(ports, run, ACTUALS)
        await send_again(ports, claimed, {ACTUALS: findings.sources}, opened)
    elif run.state != State.COMPLETED:
        await go_on(ports, run)
    return len(findings.sources)


async def _describe(
    ports: Ports, invoice_id: UUID, *, number: str, run: Run | None, findings: Findings, fixed: int
) -> Reconciled:
    return Reconciled(
        invoice_id=str(invoice_id),
        invoice_number=number,
        run_state=str(run.state) if run else None,
        equal=findings.equal,
        doubt=findings.doubt,
        maps=[
            MapCounts(
                map=ACTUALS,
                source=money_of(findings.source.totals()),
                target=money_of(findings.target.totals()),
                note=_unseen(findings.unseen),
            ),
            MapCounts(
                map=CONNECTIONS,
                source=Money(rows=findings.connections, amounts={}),
                target=Money(rows=findings.linked, amounts={}),
                note=_about_connections(findings),
            ),
            *(_plain_counts(ports, run) if run else ()),
        ],
        missing=_keys(findings.missing),
        surplus=_keys(findings.surplus),
        different=findings.different,
        unexplained=_keys(findings.unexplained),
        # The lists are cut when the result is stored; these counts are not.
        counts=DifferenceCounts(
            unexplained=len(findings.unexplained),
            missing=len(findings.missing),
            surplus=len(findings.surplus),
            different=len(findings.different),
        ),
        fixed=fixed,
    )


def _plain_counts(ports: Ports, run: Run) -> Iterator[MapCounts]:
    """The steps that are pure data. Their rows are not compared, and the note says so."""
    for step in ports.job.plain:
        told = run.progress.get(step.map, Progress())
        source, target = Money(rows=told.rows, amounts={}), Money(rows=told.done, amounts={})
        yield MapCounts(map=step.map, source=source, target=target, note=_NOT_COMPARED)


def _keys(keys: Iterable[str]) -> list[RowKey]:
    return [RowKey(map=ACTUALS, key=key) for key in keys]


def _unseen(columns: tuple[str, ...]) -> str:
    return f"Finance does not show {', '.join(columns)}: not compared" if columns else ""


_SHOWN = 20
_NOT_COMPARED = "Not compared: the source is what the run read, the target is what Finance reported for the imports"


def _about_connections(findings: Findings) -> str:
    text = "Finance offers no reading of connections; the target is what it reported for the imports"
    left = findings.set_aside_links
    if not left:
        return text
    more = "" if len(left) <= _SHOWN else f" and {len(left) - _SHOWN} more"
    return f"{text}. Set aside with what was dismissed: {len(left)} ({', '.join(left[:_SHOWN])}{more})"

"""Writes the accounting detail of posted rows back to Dataverse, one page of posted billed sales at a time.

Dual-write does this in one transaction and is limited to 1,000 records. Here every page is a separate message, only
rows with different values are written, and a row that Dataverse refuses is recorded and skipped. New unbilled sales are
found in the same way as for sending: by their links, and by the search for unlinked ones. Finance posts them
separately, in a journal. A run counts as written back when its billed and its new unbilled sales all are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from shared.engine.account import account_of
from shared.engine.lifecycle import note_posting
from shared.engine.messages import WriteBack
from shared.engine.ports import Ports
from shared.errors import ColumnsLocked, Refused
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Facts, Run, State
from shared.log import event
from shared.maps.transforms import Row
from shared.project_operations.accounting_detail import KEPT_BACK, write_rows
from shared.project_operations.codes import ACTUALS, NEW_UNBILLED, SOLD
from shared.project_operations.confirmation import find_beside
from shared.project_operations.held_actuals import BILLED_TYPE, held_actuals, rows_by_actual
from shared.project_operations.links import trace
from shared.services.odata import all_of, guid, quote_text
from shared.storage.names import WRITE_BACK
from shared.totals import Totals
from write_back.passes import Pass, totals_of

# At most 1,000 rows go into one UpdateMultiple call, so a page takes a few calls.
PAGE = 2000
_BETWEEN_PASSES = timedelta(seconds=5)


async def write_back(ports: Ports, message: WriteBack) -> None:
    """Write one page back. After the last page the run's posting state is set."""
    run = await ports.ledger.run(message.subject)
    if run is None or run.state != State.COMPLETED:
        return
    if not message.ticket:
        standing = Pass()
        run = await ports.ledger.save(run, write_back=standing.write())
    else:
        known = Pass.read(run.write_back)
        if known is None or known.ticket != message.ticket or message.page > known.page:
            # The pass is over or superseded, or the message claims more progress than the ledger has.
            return
        if message.page < known.page:
            # The worker of that page may have crashed before it sent the next message.
            await _send_on(ports, run, known)
            return
        standing = known
    companies = sorted({part.company for part in (await account_of(ports, run, ACTUALS)).parts})
    following = await _write_page(ports, run, standing, companies)
    if following is None:
        return
    if following.company:
        await ports.ledger.save(run, write_back=following.write())
        await _send_on(ports, run, following)
    else:
        await _conclude(ports, run, following, companies)


async def _write_page(ports: Ports, run: Run, standing: Pass, companies: Sequence[str]) -> Pass | None:
    """Write the next page. Returns where the pass goes on (no company: this was the last page), or None if Dataverse
    refuses the columns as such."""
    company = standing.company or next(iter(companies), "")
    rows = await _posted_page(ports, run, company, standing.after) if company else []
    following = _following(standing, company, rows, companies)
    fresh = await _fresh_behind(ports, run, rows)
    if not following.company:
        fresh += await _fresh_beside(ports, run)
    posted = [*rows, *(row for row in fresh if row["VoucherNumber"])]
    try:
        refused = await _write(ports, run, posted)
    except ColumnsLocked as lock:
        await note_posting(ports, run, "refused", str(lock), posted_at=run.posted_at or ports.now())
        return None
    event("page written back", runId=run.run_id, subject=run.subject, rows=len(posted), count=len(refused))
    return following.leaving({guid(row["ActualId"]) for row in fresh if not row["VoucherNumber"]})


def _following(standing: Pass, company: str, rows: Sequence[Row], companies: Iterable[str]) -> Pass:
    done = replace(standing, page=standing.page + 1, seen=standing.seen + totals_of(rows))
    if len(rows) == PAGE:
        return replace(done, company=company, after=str(rows[-1]["ActualsImportId"]))
    return replace(done, company=next((other for other in companies if other > company), ""), after="")


async def _send_on(ports: Ports, run: Run, standing: Pass) -> None:
    await ports.queues.send(WriteBack(subject=run.subject, ticket=standing.ticket, page=standing.page))


def posted_condition(run: Run, companies: Iterable[str]) -> str:
    """The filter for the billed sales of an invoice that Finance has posted."""
    any_company = " or ".join(f"dataAreaId eq {quote_text(company)}" for company in sorted(companies))
    own = f"InvoiceProposalId eq {quote_text(run.number)} and TransactionType eq {BILLED_TYPE}"
    return all_of(any_company, own, "VoucherNumber ne ''")


async def _posted_page(ports: Ports, run: Run, company: str, after: str) -> list[Row]:
    """The posted billed sales of a company after a key. Paging by key is stable while more rows are posted."""
    options = {
        "$filter": all_of(posted_condition(run, [company]), f"ActualsImportId gt {after}" if after else ""),
        "$orderby": "ActualsImportId",
        "$top": str(PAGE),
    }
    pages = ports.finance.pages(str(ports.maps[ACTUALS].target.set), options)
    return [row async for rows in pages for row in rows][:PAGE]


async def _posted_totals(ports: Ports, run: Run, companies: Iterable[str]) -> Totals:
    options = {
        "$filter": posted_condition(run, companies),
        "$select": "ActualsImportId,Amount,TransactionCurrencyId",
    }
    pages = ports.finance.pages(str(ports.maps[ACTUALS].target.set), options)
    return sum([totals_of(rows) async for rows in pages], Totals())


async def _fresh_behind(ports: Ports, run: Run, billed: Sequence[Row]) -> list[Row]:
    """The new unbilled sales that are linked to these billed ones and that Finance holds."""
    account = await account_of(ports, run, ACTUALS)
    if not account.measure(NEW_UNBILLED).rows or not billed:
        return []
    known = [{"msdyn_actualid": row["ActualId"], "msdyn_transactionclassification": None} for row in billed]
    produced = await trace(ports, known)
    table_map = ports.maps[ACTUALS]
    key = table_map.position("ACTUALSIMPORTID")
    keys: dict[str, list[UUID]] = {}
    for row in produced.unbilled:
        written = table_map.write(row, ports.settings.zone)
        keys.setdefault(table_map.company_of(row), []).append(UUID(written[key]))
    return [row for company, ids in keys.items() async for row in held_actuals(ports, company, ids)]


async def _fresh_beside(ports: Ports, run: Run) -> list[Row]:
    """The new unbilled sales without a link to a billed one that Finance holds."""
    account = await account_of(ports, run, ACTUALS)
    if not account.measure(NEW_UNBILLED).rows:
        return []
    beside = await find_beside(ports, run.subject, {guid(row.source_id) for row in account.dismissed})
    return [row async for row in rows_by_actual(ports, beside.belonging)]


async def _write(ports: Ports, run: Run, posted: Sequence[Row]) -> dict[UUID, Refused]:
    refused = await write_rows(ports, posted)
    await _record(ports, run, {UUID(row["ActualId"]) for row in posted}, refused)
    return refused


async def _record(ports: Ports, run: Run, wanted: Collection[UUID], refused: Mapping[UUID, Refused]) -> None:
    known = {row.source_id: row for row in await ports.rejections.of(run.subject, WRITE_BACK)}
    dismissed = {source for source, row in known.items() if row.status == "dismissed"}
    accepted = [row for source, row in known.items() if UUID(source) in wanted and UUID(source) not in refused]
    await ports.rejections.change(run.subject, accepted, status="replaying")
    rows = [
        RejectedRow(
            WRITE_BACK,
            str(actual),
            "conflict" if error.status == KEPT_BACK else "application",
            error.text,
            source_id=str(actual),
        )
        for actual, error in refused.items()
        if str(actual) not in dismissed
    ]
    await ports.rejections.keep(run.subject, rows)


async def _conclude(ports: Ports, run: Run, done: Pass, companies: Sequence[str]) -> None:
    """Set the posting state after the last page. The run is written back if this pass saw exactly the rows that are
    posted now."""
    account = await account_of(ports, run, ACTUALS)
    posted = await _posted_totals(ports, run, companies) if companies else Totals()
    if posted.rows < account.measure(SOLD).rows or not posted.rows:
        detail = f"{posted.rows} of {account.measure(SOLD).rows} billed sales are posted"
        await note_posting(ports, run, "not posted", detail)
        return
    if not posted.same_set(done.seen):
        # Rows were posted or changed on pages that this pass had already read. The next pass finds them.
        await ports.queues.send(WriteBack(subject=run.subject), delay=_BETWEEN_PASSES)
        return
    now = ports.now()
    left = [row for row in await ports.rejections.of(run.subject, WRITE_BACK) if row.status == "open"]
    if left:
        rows, kept = ("1 row", "kept as it is") if len(left) == 1 else (f"{len(left)} rows", "kept as they are")
        what = "refused by Dataverse" if any(row.kind != "conflict" for row in left) else kept
        detail = f"{rows} {what}, the first ({left[0].key}): {left[0].text[:400]}"
        await note_posting(ports, run, "refused", detail, posted_at=run.posted_at or now, rejected=len(left))
        return
    if done.unposted:
        one = done.unposted == 1
        detail = (
            f"{posted.rows} of {account.measure(SOLD).rows} billed sales are posted and written back; "
            f"{done.unposted} new unbilled {'sale is' if one else 'sales are'} not posted yet, e.g. {done.awaited[0]}"
        )
        waiting = Pass(unposted=done.unposted, awaited=done.awaited)
        await note_posting(ports, run, "not posted", detail, write_back=waiting.write())
        return
    off = not ports.maps[ACTUALS].written_back
    facts = Facts(rejected=0, posted_at=run.posted_at or now, written_back_at=None if off else now)
    await note_posting(ports, run, "posted" if off else "written back", "", **facts)

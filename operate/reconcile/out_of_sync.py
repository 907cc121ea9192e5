"""Searches for actuals that are out of sync, one Dataverse page at a time, and repairs them if requested.

    missing, billed on an invoice    the invoice is compared row by row, and its run sends what Finance lacks
    missing, any other               sent without a run, because costs and unbilled sales belong to no run
    posted and not written back      its accounting detail is written to Dataverse at once

Each repair is idempotent, so a page whose worker crashed is examined again.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from operate.reconcile.loose_actuals import consign, describe_consignment
from operate.reconcile.out_of_sync_actuals import UnsyncedActual, group, judge, merge, name_owners, options
from operate.reconcile.period import is_of_dual_write
from operate.reconcile.reports import Reports
from operate.reconcile.searches import Search, Searches
from relay_contract.out_of_sync import Kind, OutOfSync, OutOfSyncActual, OutOfSyncGroup, Refusal, Sync, Synced
from relay_contract.requests import Period
from shared.engine.messages import Examine, Look, Reconcile
from shared.engine.ports import Ports
from shared.errors import ColumnsLocked, ContractBroken, NotPermitted, Refused
from shared.project_operations.accounting_detail import posted_rows, write_rows
from shared.project_operations.codes import ACTUALS, BILLED_SALES
from shared.project_operations.invoices import invoices_with

_PAGE = 1000
_SHOWN = 200
_DEFAULT_PERIOD = timedelta(days=31)


async def start_search(ports: Ports, job: str, asked: Period, sync: Sequence[Kind], *, by: str) -> None:
    """Start search `job` over a period (default: the last 31 days), which also repairs the kinds in `sync`."""
    now = ports.now()
    ends = {
        "since": asked.since or now - _DEFAULT_PERIOD,
        # Younger actuals may still be on their way, and would be reported as missing.
        "until": min(asked.until or now, now - timedelta(hours=asked.grace_hours)),
    }
    await Searches(ports).open(Search(job, by, asked.model_copy(update=ends), tuple(sync)))
    await ports.queues.send(Examine(job=job))


async def examine(ports: Ports, message: Examine) -> None:
    """Examine one page of a search, and queue the next one."""
    searches = Searches(ports)
    search = await searches.read(message.job)
    if search is None or search.state != "running":
        return
    # A message with another page is a duplicate. The next page is queued again, in case its message was never sent.
    if message.page == search.page:
        try:
            search = await _examine_page(ports, searches, search)
        except (Refused, NotPermitted, ColumnsLocked, ContractBroken) as error:
            await searches.fail(search, str(error))
            return
    if search.state == "running":
        await ports.queues.send(Examine(job=search.job, page=search.page))
    # The rows were written here and not by their runs, whose posting state must follow.
    elif "not written back" in search.sync:
        await ports.queues.send(Look())


async def _examine_page(ports: Ports, searches: Searches, search: Search) -> Search:
    entity_set = ports.maps[ACTUALS].source.set
    page = await ports.dataverse.page(entity_set, options(ports, search.period), cursor=search.cursor, size=_PAGE)
    unsynced = await name_owners(ports, await judge(ports, page.rows))
    findings = {
        "examined": len(page.rows),
        "groups": [each.document() for each in group(unsynced)],
        "actuals": [actual.describe().document() for actual in unsynced[:_SHOWN]],
        **await _act(ports, search, unsynced),
    }
    return await searches.advance(search, findings, page.next_link)


async def _act(ports: Ports, search: Search, unsynced: Iterable[UnsyncedActual]) -> dict[str, Any]:
    chosen = [actual for actual in unsynced if actual.kind in search.sync]
    missing = [actual for actual in chosen if actual.kind == "missing"]
    loose = [actual.row for actual in missing if not _is_billed(actual)]
    if loose:
        await consign(ports, UUID(search.job), search.page, loose)
    return {
        "invoices": [(await _send(ports, search, of)).document() for of in _by_invoice(filter(_is_billed, missing))],
        **await _write_back(ports, [actual for actual in chosen if actual.kind == "not written back"]),
    }


def _is_billed(actual: UnsyncedActual) -> bool:
    """Billed sales are created by the confirmation of an invoice and are handled by its run."""
    return actual.row["msdyn_transactiontypecode"] == BILLED_SALES and actual.invoice_id is not None


def _by_invoice(unsynced: Iterable[UnsyncedActual]) -> list[list[UnsyncedActual]]:
    found: dict[str | None, list[UnsyncedActual]] = {}
    for actual in unsynced:
        found.setdefault(actual.invoice_id, []).append(actual)
    return list(found.values())


async def _send(ports: Ports, search: Search, unsynced: Sequence[UnsyncedActual]) -> Synced:
    """Have an invoice compared and repaired. The job's name is derived from the search, so a second try uses the
    same job."""
    invoice_id = UUID(unsynced[0].invoice_id)
    run = await ports.ledger.run(invoice_id)
    told = partial(Synced, invoice_id=str(invoice_id), invoice_number=unsynced[0].number, rows=len(unsynced))
    # A second sender beside the run would only repeat what the run is about to send.
    if run is not None and not run.state.is_final:
        return told(reconciliation=None, action=f"is {run.state} just now: nothing is done")
    if await _is_of_dual_write(ports, invoice_id):
        action = "was confirmed before SWEEP_START: nothing is done; reconcile it by its number"
        return told(reconciliation=None, action=action)
    job = uuid5(UUID(search.job), str(invoice_id)).hex
    await Reports(ports).open(job, 1, by=search.by)
    await ports.queues.send(Reconcile(job=job, subject=invoice_id, fix=True))
    return told(reconciliation=job, action="is compared row by row, and what Finance lacks is sent")


async def _is_of_dual_write(ports: Ports, invoice_id: UUID) -> bool:
    found = await invoices_with(ports, [invoice_id])
    return any([await is_of_dual_write(ports, invoice) for invoice in found])


async def _write_back(ports: Ports, unsynced: Iterable[UnsyncedActual]) -> dict[str, Any]:
    """Write back posted actuals. Raises ColumnsLocked."""
    keys: dict[str, list[UUID]] = {}
    for actual in unsynced:
        if actual.key:
            keys.setdefault(actual.company, []).append(actual.key)
    refused: dict[UUID, Refused] = {}
    for company, ids in keys.items():
        refused |= await write_rows(ports, await posted_rows(ports, company, ids))
    return {
        "writtenBack": sum(map(len, keys.values())) - len(refused),
        "refusals": len(refused),
        "refused": [Refusal(actual_id=str(actual), text=error.text).document() for actual, error in refused.items()][
            :_SHOWN
        ],
    }


async def describe_search(ports: Ports, job: str) -> OutOfSync | None:
    """The progress, findings and repairs of a search, or None if it does not exist."""
    search = await Searches(ports).read(job)
    if search is None:
        return None
    pages = await Searches(ports).findings(job)
    groups = merge(OutOfSyncGroup.model_validate(each) for page in pages for each in page["groups"])
    actuals = [OutOfSyncActual.model_validate(each) for page in pages for each in page["actuals"]]
    return OutOfSync(
        id=job,
        state=search.state,
        detail=search.detail,
        since=search.period.since,
        until=search.period.until,
        examined=sum(page["examined"] for page in pages),
        rows=sum(each.rows for each in groups),
        left_out=_left_out(search),
        groups=groups,
        actuals=actuals[:_SHOWN],
        sync=await _describe_sync(ports, search, pages) if search.sync else None,
    )


def _left_out(search: Search) -> str:
    """What a search does not examine, for an operator."""
    left = [
        f"actuals created after {search.period.until:%Y-%m-%d %H:%M:%S}Z, which may be on their way",
        "those that skip the sync",
        "those that have a voucher in Dataverse",
    ]
    if search.period.invoice_id:
        left.append("unbilled sales that do not carry the invoice, which reconciling it finds")
    return "; ".join(left)


async def _describe_sync(ports: Ports, search: Search, pages: Sequence[dict[str, Any]]) -> Sync:
    return Sync(
        kinds=list(search.sync),
        invoices=[Synced.model_validate(invoice) for page in pages for invoice in page["invoices"]],
        written_back=sum(page["writtenBack"] for page in pages),
        refusals=sum(page["refusals"] for page in pages),
        refused=[Refusal.model_validate(row) for page in pages for row in page["refused"]][:_SHOWN],
        loose=await describe_consignment(ports, UUID(search.job)),
    )

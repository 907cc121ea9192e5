"""A run is completed only when source and target agree in count and money, per currency, to the last decimal.

Billed sales are compared as a set under their proposal number. New unbilled sales are compared by key: Finance holds
the originals under the same proposal number, and the new ones may have none.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from shared.billed import billed_totals
from shared.endings import end
from shared.engine.landed_rows import landed_rows
from shared.errors import LeaseLost, NeedsAttention
from shared.handover import Account, account_of, read_again
from shared.held import BILLED_TYPE, held_actuals
from shared.landing import BlobGone
from shared.messages import Verify
from shared.odata import Guid, all_of, guid, quote_text
from shared.ports import Ports
from shared.rejected import UNBILLED
from shared.repair import FIRST_REPAIR
from shared.run import Part, Run, State
from shared.stages import Stage
from shared.together import together
from shared.totals import Tally, Totals
from shared.transform import Row

COMPARABLE = {State.LINKING, State.VERIFYING}
"""The states in which all actuals are in Finance."""
_SELECT = "ActualId,ActualsImportId,Amount,TransactionCurrencyId"


async def verify(ports: Ports, message: Verify) -> None:
    """Compare the actuals, which may be done while their connections are still on their way, and complete the run if
    they are not. Raises NeedsAttention with the numbers when the two ends differ."""
    run = await ports.ledger.run(message.invoiceId)
    # A late copy may come while actuals are sent again after all: compared is only what has come wholly.
    if run is None or run.state not in COMPARABLE or run.generation != message.generation:
        return
    if run.verified != run.generation and not await _agrees(ports, run):
        return
    if run.verified != run.generation:
        run = await _note_verified(ports, run)
    if run.state == State.VERIFYING:
        await complete(ports, run)


async def complete(ports: Ports, run: Run) -> None:
    """End a verified run all of whose connections are in Finance."""
    await end(ports, run.invoice_id, State.COMPLETED, _describe(await account_of(ports, run, Stage.ACTUALS)))
    await ports.landing.clear(run.invoice_id)


async def _agrees(ports: Ports, run: Run) -> bool:
    """Whether both ends hold the same; False when Dataverse has changed, then it is read again."""
    account = await account_of(ports, run, Stage.ACTUALS)
    source, billed, fresh = await together(
        billed_totals(ports, run.invoice_id),
        _held_billed(ports, run, account),
        _held_fresh(ports, run, account.parts),
    )
    if not source.same_money(account.accounted):
        reason = f"Dataverse has changed: {account.accounted.describe()} read, now {source.describe()}"
        await read_again(ports, run, reason)
        return False
    _compare("billed sales", account.billed, billed)
    _compare("new unbilled sales", account.fresh, fresh)
    return True


async def _note_verified(ports: Ports, run: Run) -> Run:
    """Note that the actuals agree. That the connections have arrived meanwhile changes nothing about it."""
    try:
        return await ports.ledger.save(run, verified=run.generation)
    except LeaseLost:
        standing = await ports.ledger.run(run.invoice_id)
        if standing is None or standing.state != State.VERIFYING or standing.generation != run.generation:
            raise
        return await ports.ledger.save(standing, verified=run.generation)


def _describe(account: Account) -> str:
    dismissed = f"; {len(account.dismissed)} rows were dismissed" if account.dismissed else ""
    return f"Finance holds {account.billed.describe()} as billed sales, all verified{dismissed}"


def _compare(what: str, sent: Totals, held: Totals) -> None:
    if not sent.same_set(held):
        difference = "" if not sent.same_money(held) else " under other keys"
        raise NeedsAttention(
            f"mismatch: Dataverse says {sent.describe()} of {what}, Finance holds {held.describe()}{difference}. "
            "Reconcile the invoice to see which rows differ"
        )


async def _held_billed(ports: Ports, run: Run, account: Account) -> Totals:
    """What Finance holds, but for what was dismissed: it may have a dismissed row all the same, sent before or entered
    by hand."""
    tally = Tally()
    dismissed = {row.source_id.lower() for row in account.dismissed}
    for company in sorted({part.company for part in account.parts}):
        condition = all_of(
            f"dataAreaId eq {quote_text(company)}",
            f"InvoiceProposalId eq {quote_text(run.number)}",
            f"TransactionType eq {BILLED_TYPE}",
        )
        await _count(ports, condition, tally, without=dismissed)
    return tally.totals()


async def _held_fresh(ports: Ports, run: Run, parts: Sequence[Part]) -> Totals:
    tally = Tally()
    if not any(part.fresh.rows for part in parts):
        return tally.totals()
    settled = {row.key: row.status for row in await ports.rejections.of(parts[0].invoice_id, Stage.ACTUALS)}
    sent_again: set[str] = set()
    verified = Totals()
    for part in sorted(parts, key=lambda part: part.number, reverse=True):
        try:
            keys = await _fresh_keys(ports, part) if part.fresh.rows else []
        except BlobGone:
            # Landed parts are deleted once they have been verified, when their run is completed.
            if not run.has_completed(part):
                raise
            verified += part.fresh
            continue
        wanted = _counted(part, keys, settled, sent_again)
        sent_again |= {key for key in keys if key in settled}
        async for row in held_actuals(ports, part.company, wanted, select=_SELECT):
            _add(tally, row)
    return tally.totals() + verified


def _counted(part: Part, keys: Sequence[Guid], settled: Mapping[str, str], sent_again: Collection[str]) -> list[Guid]:
    """Those of a part's new unbilled sales that its totals count: not what was rejected of it, which is open or
    dismissed now or was sent again in a later part, and in a repair not what another part counts already."""

    def is_left_out(key: Guid) -> int:
        status = settled.get(key)
        if status is None:
            return 3 if part.number >= FIRST_REPAIR else 0
        return 2 if status != "replaying" else int(key in sent_again)

    return sorted(keys, key=is_left_out)[: part.fresh.rows]


async def _fresh_keys(ports: Ports, part: Part) -> list[Guid]:
    """The new unbilled sales in a part. One that was rejected and sent again is in more than one."""
    landed = await landed_rows(ports, part, cell=UNBILLED)
    key, kind = landed.table_map.position("ACTUALSIMPORTID"), landed.table_map.position("TRANSACTIONTYPE")
    return [guid(row[key]) for row in landed.rows if row[kind] == UNBILLED]


async def _count(ports: Ports, condition: str, tally: Tally, *, without: Collection[str]) -> None:
    entity_set = str(ports.maps[Stage.ACTUALS].target.set)
    async for rows in ports.finance.pages(entity_set, {"$filter": condition, "$select": _SELECT}):
        for row in rows:
            if str(row["ActualId"]).lower() not in without:
                _add(tally, row)


def _add(tally: Tally, row: Row) -> None:
    tally.add(str(row["ActualsImportId"]), str(row["TransactionCurrencyId"]), Decimal(row["Amount"]))

"""The first map: reads the confirmed invoice back and sends its header."""

from datetime import timedelta

from shared.engine.account import Account
from shared.engine.lifecycle import advance
from shared.engine.loading import Announce, Batch, Reading, put_on_dock
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.errors import NeedsAttention, SubjectRejected
from shared.ledger.run import BEFORE_ACTUALS, Page, Run, State
from shared.maps.transforms import Row, RowRefused
from shared.project_operations.chosen_days import check_days_of_actuals
from shared.project_operations.codes import ACTUALS, INVOICES, PROJECT_INVOICE
from shared.project_operations.held_actuals import some_billed
from shared.project_operations.invoices import (
    CREATED,
    ORDER_TYPE,
    STATE,
    STATUS,
    Standing,
    confirmed_before,
    confirmed_before_go_live,
    created_at,
    number_column,
    standing_of,
    was_confirmed,
)
from shared.project_operations.proposal_number import COLUMNS, PROPOSAL, SETTING

_LONGEST_NAME = 200
_BY_THEN_READ = timedelta(minutes=2)
_INVOICE_OF_ACTUAL = "_msdyn_invoice_value"
_CHECKED = (ORDER_TYPE, STATUS, STATE, CREATED, *COLUMNS)


async def read_header(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
    """Read the invoice back. Raises SubjectRejected unless Dataverse says that it is a confirmed project invoice,
    and NeedsAttention if its header cannot be sent."""
    table_map = ports.maps[INVOICES]
    options = {**table_map.query, "$select": ",".join(sorted({*table_map.query["$select"].split(","), *_CHECKED}))}
    invoice = await ports.dataverse.one(table_map.source.set, page.subject, options)
    if invoice is None:
        raise SubjectRejected("Dataverse has no such invoice")
    await _check(ports, run, invoice)
    await announce(None)
    try:
        company = table_map.company_of(invoice)
        row = table_map.write(invoice, ports.settings.zone)
    except RowRefused as refusal:
        raise NeedsAttention(f"invoice header: {refusal}") from refusal
    odd_days = table_map.days_in_doubt(invoice, ports.settings.zone)
    if odd_days:
        await check_days_of_actuals(ports, run.subject)
    number = row[table_map.position(PROPOSAL)]
    was_carried = await _was_carried(ports, run, invoice, number)
    is_found = was_carried and not await confirmed_before_go_live(ports, run.subject, created_at(invoice))
    await advance(
        ports,
        run,
        State.SYNCING_HEADER,
        number=number,
        company=company,
        customer=table_map.customer_of(invoice)[:_LONGEST_NAME],
        was_carried=was_carried,
        wait="",
        wait_since=None,
    )
    # The actuals are read while the header is imported. They are not sent before the header is in Finance.
    await ports.queues.send(Load(stage=ACTUALS, subject=run.subject, generation=run.generation))
    return Reading([Batch(INVOICES, company, [row], odd_days=len(odd_days), is_found=is_found)])


async def _check(ports: Ports, run: Run, invoice: Row) -> None:
    if invoice.get(ORDER_TYPE) != PROJECT_INVOICE:
        raise SubjectRejected(f"{ORDER_TYPE} is {invoice.get(ORDER_TYPE)}: it is not a project invoice")
    # The message may have waited long, and the invoice may have been paid or posted meanwhile. It must still be
    # carried.
    standing = standing_of(invoice, ports.settings.confirmed_statuses)
    if not await was_confirmed(ports, run.subject, standing):
        why = ", and it has no billed sales" if standing is Standing.UNCLEAR else ""
        raise SubjectRejected(f"{STATUS} is {invoice.get(STATUS)}{why}: not confirmed")
    if await _is_of_dual_write(ports, run, invoice):
        raise SubjectRejected(
            "confirmed before SWEEP_START, when dual-write carried it: a change of its status later on is not a "
            "confirmation. Only if Finance does not hold it, send it: relay reconcile "
            f"{invoice.get(number_column(ports))} --fix"
        )
    _check_number(ports, invoice)


async def _was_carried(ports: Ports, run: Run, invoice: Row, number: str) -> bool:
    """Whether an earlier storage account, which was lost, has carried the invoice: it was confirmed before this account
    was opened, and Finance holds billed sales of it. These are not sent again, because Finance may have changed them.

    Headers cannot be read from Finance. This app sends no billed sale before the header, so one proves the other. For
    an invoice that was confirmed before SWEEP_START it proves nothing: dual-write may have brought actuals alone.
    """
    if not await confirmed_before(ports, run.subject, created_at(invoice), ports.ownership.since):
        return False
    held, source = await some_billed(ports, number), ports.maps[ACTUALS].source
    # Of any company, because an actual goes to that of its project. Others may have the same number: rows of an earlier
    # invoice, or rows that were entered by hand.
    own = f"{_INVOICE_OF_ACTUAL} eq {run.subject}"
    portions = ports.dataverse.rows_in(source.set, (source.key,), held, {"$select": source.key}, where=own)
    return any([rows async for rows in portions if rows])


async def _is_of_dual_write(ports: Ports, run: Run, invoice: Row) -> bool:
    """Whether the webhook came after go-live for an invoice confirmed before it, which no operator has named. For
    example, its payment was reverted and its status is Confirmed again. Runs accepted before go-live are carried in
    any case."""
    go_live = ports.settings.sweep_start
    if run.state != State.ACCEPTED or run.is_named or go_live is None or run.accepted_at < go_live:
        return False
    return await confirmed_before_go_live(ports, run.subject, created_at(invoice))


def _check_number(ports: Ports, invoice: Row) -> None:
    column = number_column(ports)
    if not invoice.get(column):
        raise NeedsAttention(f"{column} is empty: the proposal in Finance has no number. Fill it, then replay")
    numbers = {name: invoice.get(name) for name in COLUMNS}
    if ports.settings.number_column is None and column in COLUMNS and len(set(numbers.values())) > 1:
        told = " and ".join(f"{name} is {number!r}" for name, number in numbers.items())
        raise NeedsAttention(
            f"{told}: they must be the same text, unless the setting {SETTING} says which of them names the proposals "
            "in Finance. Set it to one of the two and restart, or correct the invoice, then replay"
        )


async def after_header(ports: Ports, run: Run, account: Account) -> None:
    """The header is in Finance. The actuals that were read meanwhile may be sent."""
    del account
    if run.state in BEFORE_ACTUALS:
        await advance(ports, run, State.SYNCING_ACTUALS)
    book = await ports.ledger.book(run.subject)
    first = book.page(ACTUALS, run.generation, 0)
    landed = [part for part in book.parts(ACTUALS, run.generation) if part.state == "landed"]
    again = Load(stage=ACTUALS, subject=run.subject, generation=run.generation)
    if landed and first and first.read:
        await put_on_dock(ports, landed)
    else:
        # The reader of the first page also sends what it reads. This message covers a crash of that reader.
        by_then = min(_BY_THEN_READ, timedelta(seconds=ports.settings.shipment_lease))
        await ports.queues.send(again, delay=timedelta() if first and first.read else by_then)

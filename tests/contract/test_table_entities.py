"""What is stored in tables, column by column: earlier releases wrote it, and after a roll-back they read ours."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from azure.data.tables.aio import TableClient

from operate.reconcile.reports import Reports
from operate.reconcile.searches import Search, Searches
from relay_contract.reconciliation import Expected, Reconciled
from relay_contract.requests import Period
from relay_contract.version import VERSION
from shared.engine.ports import Ports
from shared.ledger.dock import Dock
from shared.ledger.history import Step as Event
from shared.ledger.progress import Progress
from shared.ledger.rejected_rows import RejectedRow, Rejections
from shared.ledger.run import Page, Part, Run, State
from shared.ledger.run_list import entry_of
from shared.ledger.runs import Ledger
from shared.ledger.shipments import Cargo, Shipment, Step
from shared.ledger.transitions import Occasion
from shared.services.throttle_gates import Closure, ThrottleGates
from shared.storage.audit import Audit
from shared.storage.notes import Notes
from shared.storage.pauses import Pause, Pauses
from shared.storage.throughput import Slot, Throughput
from shared.totals import Totals
from tests.contract.test_wiring import ports
from tests.run_states import set_state

__all__ = ["ports"]

AT = datetime(2026, 11, 20, 14, 2, 10, 123456, UTC)
STAMP = "2026-11-20T14:02:10.123Z"
LATER = AT + timedelta(minutes=5)
LATER_STAMP = "2026-11-20T14:07:10.123Z"
SIGNED = {"schema": 1, "writtenBy": VERSION}
# A run of the first release has no other columns.
FIRST_RUN = {
    "runId": "r1",
    "state": "linking",
    "generation": 2,
    "acceptedAt": STAMP,
    "updatedAt": STAMP,
    "number": "PI-1",
    "company": "usmf",
    "detail": "",
    "rejected": 0,
    "wait": "",
    "waitSince": "",
    "expected": "",
}
NOT_COMPARED: dict[str, Any] = {
    "invoiceNumber": "PI-1",
    "runState": None,
    "equal": False,
    "problem": "p" * 30_000,
    **{name: [] for name in ("maps", "missing", "surplus", "different")},
    "fixed": 0,
}
TOTALS = Totals(2, {"USD": Decimal("1234567890.1234"), "EUR": Decimal("-0.50")}, 255)
TOTALS_TEXT = '{"rows": 2, "amounts": {"EUR": "-0.50", "USD": "1234567890.1234"}, "digest": "00000000000000ff"}'
NO_TOTALS = '{"rows": 0, "amounts": {}, "digest": "0000000000000000"}'


def _now() -> datetime:
    return AT


async def _stored(table: TableClient, partition: object, key: str) -> dict[str, Any]:
    """The columns of a row. Types count too: True and 1 are different columns to other releases."""
    row = await table.get_entity(str(partition), key)
    return {name: value for name, value in row.items() if name not in {"PartitionKey", "RowKey"}}


def _same(found: dict[str, Any], **wanted: Any) -> None:
    assert found == wanted
    assert {name: type(value) for name, value in found.items()} == {name: type(wanted[name]) for name in wanted}


async def _run(ports: Ports) -> tuple[Ledger, Run]:
    ledger = Ledger(ports.ledger._table, ports.run_list._table, _now)
    opened, _ = await ledger.open(uuid4(), Occasion.CONFIRMED, State.ACCEPTED, is_named=False)
    run = await ledger.run(opened.subject)
    assert run is not None
    return ledger, replace(opened, etag=run.etag)


async def test_a_run_is_stored_as_it_always_was(ports: Ports) -> None:
    ledger, run = await _run(ports)
    saved = replace(
        run,
        state=State.NEEDS_ATTENTION,
        generation=3,
        number="PI-1",
        company="usmf",
        customer="Füße & Co",
        project="P-1",
        detail="d" * 8001,
        rejected=4,
        posting="refused",
        posting_detail="p" * 8001,
        posted_at=AT,
        written_back_at=LATER,
        write_back='{"page": 1}',
        wait="w" * 8001,
        wait_since=AT,
        expected=TOTALS,
        progress={"actuals": Progress(9, 5, 3, 1)},
        history=(Event(AT, "accepted"), Event(LATER, "waits", "why")),
        verified=2,
        compared="c" * 8001,
        beside=7,
        looks=1,
        look_at=LATER,
        is_named=True,
    )
    saved = await ledger._put(run, saved, moves=True)
    _same(
        await _stored(ports.ledger._table, run.subject, "run"),
        **SIGNED,
        runId=run.run_id,
        revision=0,
        state="needs attention",
        generation=3,
        acceptedAt=STAMP,
        updatedAt=STAMP,
        number="PI-1",
        company="usmf",
        customer="Füße & Co",
        project="P-1",
        detail="d" * 8000,
        rejected=4,
        posting="refused",
        postingDetail="p" * 8000,
        postedAt=STAMP,
        writtenBackAt=LATER_STAMP,
        writeBack='{"page": 1}',
        wait="w" * 8000,
        waitSince=STAMP,
        expected=TOTALS_TEXT,
        verified=2,
        compared="c" * 8000,
        beside=7,
        looks=1,
        lookAt=LATER_STAMP,
        isNamed=True,
        progress='{"actuals": {"rows": 9, "done": 5, "rejected": 3, "dismissed": 1}}',
        history=f'[["{STAMP}", "accepted", ""], ["{LATER_STAMP}", "waits", "why"]]',
        mark=saved.mark,
    )
    read = await ledger.run(run.subject)
    short, whole = (timedelta(microseconds=456), 8000)
    assert read == replace(
        saved,
        **{name: getattr(saved, name) - short for name in ("accepted_at", "updated_at", "posted_at", "wait_since")},
        **{name: getattr(saved, name) - short for name in ("written_back_at", "look_at")},
        **{name: getattr(saved, name)[:whole] for name in ("detail", "posting_detail", "wait", "compared")},
        history=tuple(replace(step, at=step.at - short) for step in saved.history),
    )


async def test_a_run_without_progress_is_stored_with_empty_columns(ports: Ports) -> None:
    _, run = await _run(ports)
    _same(
        await _stored(ports.ledger._table, run.subject, "run"),
        **SIGNED,
        **dict.fromkeys(("number", "company", "customer", "project", "detail", "postingDetail", "postedAt"), ""),
        **dict.fromkeys(("writtenBackAt", "writeBack", "wait", "waitSince", "compared", "lookAt", "mark"), ""),
        **dict.fromkeys(("revision", "rejected", "verified", "beside", "looks"), 0),
        runId=run.run_id,
        state="accepted",
        generation=1,
        acceptedAt=STAMP,
        updatedAt=STAMP,
        posting="not posted",
        expected=NO_TOTALS,
        isNamed=False,
        progress="{}",
        history=f'[["{STAMP}", "accepted", ""]]',
    )


async def test_a_change_of_facts_leaves_the_columns_of_the_state_alone(ports: Ports) -> None:
    ledger, run = await _run(ports)
    await set_state(ledger, run, state=State.NEEDS_ATTENTION, detail="theirs")
    standing = await ledger.run(run.subject)
    assert standing is not None
    mistaken = replace(standing, state=State.COMPLETED, posting="posted", detail="ours", posting_detail="ours")
    await ledger.save(mistaken, number="PI-2")
    found = await _stored(ports.ledger._table, run.subject, "run")
    kept = {name: found[name] for name in ("state", "posting", "detail", "postingDetail", "number")}
    assert kept == {
        "state": "needs attention",
        "posting": "not posted",
        "detail": "theirs",
        "postingDetail": "",
        "number": "PI-2",
    }


async def test_a_run_of_the_first_release_is_read(ports: Ports) -> None:
    subject = uuid4()
    row: dict[str, Any] = {"PartitionKey": str(subject), "RowKey": "run", **FIRST_RUN}
    await ports.ledger._table.create_entity(row)
    at = AT - timedelta(microseconds=456)
    read = await ports.ledger.run(subject)
    assert read is not None
    assert read == Run(subject, "r1", State.LINKING, 2, at, at, number="PI-1", company="usmf", etag=read.etag)


async def test_the_row_of_a_list_is_stored_as_it_always_was(ports: Ports) -> None:
    ledger, run = await _run(ports)
    saved = replace(
        run,
        state=State.NEEDS_ATTENTION,
        number="PI-1",
        company="usmf",
        customer="Füße & Co",
        project="P-1",
        detail="d" * 1001,
        wait="w" * 1001,
        rejected=4,
        posting="posted",
        posted_at=AT,
        written_back_at=LATER,
        expected=TOTALS,
        progress={"actuals": Progress(9, 5, 3, 1)},
        look_at=LATER,
        revision=6,
    )
    await ledger._put(run, saved, moves=True)
    at, later = AT - timedelta(microseconds=456), LATER - timedelta(microseconds=456)
    columns: dict[str, Any] = {
        **SIGNED,
        "revision": 6,
        "runId": run.run_id,
        "number": "PI-1",
        "company": "usmf",
        "customer": "Füße & Co",
        "project": "P-1",
        "state": "needs attention",
        "final": True,
        "detail": "d" * 1000,
        "rejected": 4,
        "posting": "posted",
        "postedAt": STAMP,
        "writtenBackAt": LATER_STAMP,
        "expected": TOTALS_TEXT,
        "progress": '{"actuals": {"rows": 9, "done": 5, "rejected": 3, "dismissed": 1}}',
        "wait": "w" * 1000,
        "lookAt": LATER_STAMP,
        "acceptedAt": STAMP,
        "updatedAt": STAMP,
    }
    _same(await _stored(ports.run_list._table, "run", run.position), **columns)
    [entry] = [each async for each in ports.run_list.entries() if each.subject == run.subject]
    assert entry == replace(entry_of(saved), accepted_at=at, updated_at=at, look_at=later)
    assert not entry.moving
    assert (entry.detail, entry.expected, entry.position) == ("d" * 1000, TOTALS, run.position)
    await ledger._listing.move(saved)
    _same(await _stored(ports.run_list._table, "run", run.position), **{**columns, "final": False})


async def test_the_row_of_a_list_of_the_first_release_is_read(ports: Ports) -> None:
    run = Run(uuid4(), "r1", State.COMPLETED, 1, AT, AT)
    names = ("runId", "number", "company", "detail", "expected")
    row: dict[str, Any] = {
        **dict.fromkeys(names, ""),
        "state": "completed",
        "rejected": 0,
        "acceptedAt": STAMP,
        "updatedAt": STAMP,
    }
    await ports.run_list._table.create_entity({"PartitionKey": "run", "RowKey": run.position, **row})
    listed = [each async for each in ports.run_list.entries()]
    [entry] = [each for each in listed if each.subject == run.subject]
    at = AT - timedelta(microseconds=456)
    assert entry == replace(entry_of(run), run_id="", accepted_at=at, updated_at=at)


async def test_a_page_and_its_parts_are_stored_as_they_always_were(ports: Ports) -> None:
    ledger, subject, table = ports.ledger, uuid4(), ports.ledger._table
    page_key = "page|actuals|0002|000003"
    page = await ledger.open_page(Page(subject, "actuals", 2, 3, cursor="https://next"))
    assert page is not None
    _same(
        await _stored(table, subject, "page|actuals|0002|000003"),
        **SIGNED,
        cursor="https://next",
        read=False,
        last=False,
    )
    part = Part(
        subject,
        "actuals",
        2,
        3,
        "us mf",
        "blob",
        5,
        state="settled",
        rejected=1,
        measures={"billed": TOTALS, "others": TOTALS},
        landed_at=AT,
        settled_at=LATER,
        execution_id="x-1",
        odd_days=2,
        unlinked=3,
        left_out=4,
    )
    bare = Part(subject, "actuals", 2, 3, "usmf", "blob", 5, path="01")
    await ledger.close_page(page, [part, bare], last=True)
    _same(await _stored(table, subject, page_key), **SIGNED, cursor="https://next", read=True, last=True)
    _same(
        await _stored(table, subject, "part|actuals|0002|000003|us%20mf"),
        **SIGNED,
        company="us mf",
        blob="blob",
        rows=5,
        state="settled",
        rejected=1,
        billed=TOTALS_TEXT,
        fresh=NO_TOTALS,
        measures=json.dumps({"others": TOTALS_TEXT}),
        landedAt=STAMP,
        settledAt=LATER_STAMP,
        executionId="x-1",
        oddDays=2,
        unlinked=3,
        leftOut=4,
    )
    _same(
        await _stored(table, subject, "part|actuals|0002|000003|usmf|01"),
        **SIGNED,
        company="usmf",
        blob="blob",
        rows=5,
        state="landed",
        rejected=0,
        billed=NO_TOTALS,
        fresh=NO_TOTALS,
        landedAt="",
        settledAt="",
        executionId="",
        oddDays=0,
        unlinked=0,
        leftOut=0,
    )
    short = timedelta(microseconds=456)
    read = {each.row_key: replace(each, etag="") for each in await ledger.parts(subject, "actuals", 2)}
    none = {"billed": Totals(), "fresh": Totals()}
    assert read == {
        part.row_key: replace(part, landed_at=AT - short, settled_at=LATER - short, measures={**none, **part.measures}),
        bare.row_key: replace(bare, measures=none),
    }


async def test_a_part_of_the_first_release_is_read(ports: Ports) -> None:
    subject = uuid4()
    columns: dict[str, Any] = {
        "company": "usmf",
        "blob": "b",
        "rows": 1,
        "state": "landed",
        "rejected": 0,
        "billed": "",
        "fresh": "",
    }
    row: dict[str, Any] = {"PartitionKey": str(subject), "RowKey": "part|actuals|0001|000000|usmf", **columns}
    await ports.ledger._table.create_entity(row)
    [read] = await ports.ledger.all_parts(subject)
    none = {"billed": Totals(), "fresh": Totals()}
    assert read == Part(subject, "actuals", 1, 0, "usmf", "b", 1, measures=none, etag=read.etag)


async def test_rejected_rows_are_stored_as_they_always_were(ports: Ports) -> None:
    rejections, subject, table = Rejections(ports.rejections._table, _now), uuid4(), ports.rejections._table
    row = RejectedRow(
        "actuals",
        "a/b",
        "application",
        "t" * 8001,
        source_id="s-1",
        line="L1",
        transaction_type="BilledSales",
        currency="USD",
        amount=Decimal("1234567890.1234"),
    )
    await rejections.keep(subject, [row])
    columns: dict[str, Any] = {
        **SIGNED,
        "stage": "actuals",
        "key": "a/b",
        "kind": "application",
        "text": "t" * 8000,
        "sourceId": "s-1",
        "line": "L1",
        "transactionType": "BilledSales",
        "currency": "USD",
        "amount": "1234567890.1234",
        "status": "open",
        "firstSeen": STAMP,
        "lastSeen": STAMP,
        "tries": 1,
        "reason": "",
        "by": "",
        "at": "",
    }
    _same(await _stored(table, subject, "row|actuals|a%2Fb"), **columns)
    at = AT - timedelta(microseconds=456)
    assert await rejections.of(subject) == [replace(row, text="t" * 8000, first_seen=at, last_seen=at)]
    told: dict[str, Any] = {"status": "dismissed", "reason": "r" * 8001, "by": "mia", "at": LATER}
    await rejections.change(subject, await rejections.of(subject), **told)
    shown = {**columns, "status": "dismissed", "reason": "r" * 8000, "by": "mia", "at": LATER_STAMP}
    _same(await _stored(table, subject, "row|actuals|a%2Fb"), **shown)


async def test_the_dock_is_stored_as_it_always_was(ports: Ports) -> None:
    stage, subject, table = uuid4().hex, uuid4(), ports.dock._table
    dock = Dock(table, _now, timedelta(minutes=5))
    part = Part(subject, stage, 1, 0, "usmf", "blob", 5)
    await dock.land(part)
    key = f"part|{subject}|{part.row_key}"
    columns: dict[str, Any] = {
        **SIGNED,
        "company": "usmf",
        "rows": 5,
        "blob": "blob",
        "landedAt": STAMP,
        "level": 0,
        "tries": 0,
        "shipment": "",
        "group": "",
        "refusals": 0,
        "notBefore": "",
        "formedAt": "",
        "failedAt": "",
        "why": "",
    }
    _same(await _stored(table, stage, key), **columns)
    view = await dock.view(stage)
    failed: dict[str, Any] = {
        "tries": 1,
        "group": "g",
        "refusals": 2,
        "not_before": AT,
        "formed_at": LATER,
        "failed_at": AT,
    }
    await dock.change([replace(view.cargo[0], **failed, why="y" * 4001)])
    columns |= {"tries": 1, "group": "g", "refusals": 2, "notBefore": STAMP, "formedAt": LATER_STAMP, "failedAt": STAMP}
    _same(await _stored(table, stage, key), **{**columns, "why": "y" * 4000})
    at, later = AT - timedelta(microseconds=456), LATER - timedelta(microseconds=456)
    [cargo] = await dock.of_subject(stage, subject)
    known: dict[str, Any] = {
        "tries": 1,
        "group": "g",
        "refusals": 2,
        "not_before": at,
        "formed_at": later,
        "failed_at": at,
    }
    landed = Cargo(stage, subject, part.row_key, "usmf", 5, "blob", at, why="y" * 4000)
    assert cargo == replace(landed, **known, etag=cargo.etag)

    shipment = await dock.claim(view=await dock.view(stage), load=[cargo], lane=1, ticket="t-1")
    _same(await _stored(table, stage, "lane|1"), shipment="t-1")
    assert (await _stored(table, stage, key))["shipment"] == "t-1"
    claimed: dict[str, Any] = {
        **SIGNED,
        "company": "usmf",
        "lane": 1,
        "executionId": shipment.execution_id,
        "rows": 5,
        "level": 0,
        "step": "claimed",
        "leaseUntil": LATER_STAMP,
        "uploadExpires": "",
        "polls": 0,
        "attempts": 0,
        "looksBefore": 0,
        "sentAt": "",
    }
    _same(await _stored(table, stage, "shipment|t-1"), **claimed)
    sent: dict[str, Any] = {
        "step": Step.RUNNING,
        "upload_expires": LATER,
        "polls": 3,
        "attempts": 1,
        "looks_before": 2,
        "sent_at": AT,
    }
    await dock.save(shipment, **sent)
    running: dict[str, Any] = {
        "step": "running",
        "uploadExpires": LATER_STAMP,
        "polls": 3,
        "attempts": 1,
        "looksBefore": 2,
    }
    _same(await _stored(table, stage, "shipment|t-1"), **{**claimed, **running, "sentAt": STAMP})
    read = await dock.shipment(stage, "t-1")
    assert read is not None
    known = {**sent, "upload_expires": later, "sent_at": at}
    bare = Shipment(stage, "t-1", "usmf", 1, shipment.execution_id, 5, 0, Step.CLAIMED, later, etag=read.etag)
    assert read == replace(bare, **known)


async def test_a_dock_of_the_first_release_is_read(ports: Ports) -> None:
    stage, subject, table = uuid4().hex, uuid4(), ports.dock._table
    part = "part|actuals|0001|000000|usmf"
    shared: dict[str, Any] = {"company": "usmf", "rows": 5, "level": 1}
    cargo: dict[str, Any] = {**shared, "blob": "b", "landedAt": STAMP, "tries": 1, "shipment": "t"}
    ship: dict[str, Any] = {
        **shared,
        "lane": 0,
        "executionId": "x",
        "step": "sending",
        "leaseUntil": STAMP,
        "uploadExpires": "",
    }
    await table.create_entity({"PartitionKey": stage, "RowKey": f"part|{subject}|{part}", **cargo})
    await table.create_entity({"PartitionKey": stage, "RowKey": "shipment|t", **ship, "polls": 1, "attempts": 2})
    view = await ports.dock.view(stage)
    at = AT - timedelta(microseconds=456)
    known: dict[str, Any] = {"level": 1, "tries": 1, "shipment": "t", "etag": view.cargo[0].etag}
    assert view.cargo == [Cargo(stage, subject, part, "usmf", 5, "b", at, **known)]
    told: dict[str, Any] = {"polls": 1, "attempts": 2, "etag": view.shipments["t"].etag}
    assert view.shipments == {"t": Shipment(stage, "t", "usmf", 0, "x", 5, 1, Step.SENDING, at, **told)}


async def test_what_all_instances_share_is_stored_as_it_always_was(ports: Ports) -> None:
    table, stage = ports.pauses._table, uuid4().hex
    pauses, counters = Pauses(table, _now), Throughput(table, _now)
    gates = ThrottleGates(table, _now)
    at, until = AT - timedelta(microseconds=456), LATER - timedelta(microseconds=456)

    await pauses.pause(stage, reason="why", by="mia")
    _same(await _stored(table, "pause", stage), reason="why", by="mia", at=STAMP)
    assert Pause(stage, "why", "mia", at) in await pauses.standing()
    await pauses.resume(stage)

    await counters.count(stage, rows=5, rejected=1)
    await counters.count(stage, rows=0, rejected=2)
    began = "2026-11-20T14:00:00.000Z"
    _same(
        await _stored(table, "throughput", f"14:00|{stage}"), began=began, imports=2, rows=5, rejected=3, takenAt=STAMP
    )
    slot = Slot(AT.replace(minute=0, second=0, microsecond=0), stage, 2, 5, 3, at)
    assert [each for each in await counters.last_day() if each.stage == stage] == [slot]
    await Throughput(table, lambda: AT + timedelta(days=1)).count(stage, rows=0, rejected=1)
    again = {"began": "2026-11-21T14:00:00.000Z", "imports": 1, "rows": 0, "rejected": 1, "takenAt": ""}
    _same(await _stored(table, "throughput", f"14:00|{stage}"), **again)

    await gates.close(stage, LATER, "busy", kind="unavailable")
    closures = f'[["{STAMP}", "{LATER_STAMP}", "unavailable", "busy", 1]]'
    gate = {"until": LATER_STAMP, "reason": "busy", "kind": "unavailable", "asked": 300, "closures": closures}
    _same(await _stored(table, "gate", stage), **gate)
    assert await gates.closures(stage) == [Closure(at, until, "unavailable", "busy")]

    await Notes(table).write(stage, {"at": "now"})
    _same(await _stored(table, "note", stage), fact='{"at": "now"}')


async def test_the_audit_log_and_the_operator_s_jobs_are_stored_as_they_always_were(ports: Ports) -> None:
    table, jobs, searches = ports.audit.table, Reports(replace(ports, now=_now)), Searches(replace(ports, now=_now))
    by = uuid4().hex
    await Audit(table, _now).note("replay", by, {"map": "actuals"})
    rows = table.query_entities("PartitionKey eq '2026-11' and by eq @by", parameters={"by": by})
    [noted] = [dict(row) async for row in rows]
    key = noted.pop("RowKey")
    assert key.startswith(f"{STAMP}|")
    _same(noted, PartitionKey="2026-11", action="replay", by=by, at=STAMP, what='{"map": "actuals"}')

    job, invoice = uuid4().hex, uuid4()
    expected = Expected(confirmed=2, runs=1, before_go_live=0)
    await jobs.open(job, 1, by="mia", expected=expected)
    head: dict[str, Any] = {"by": "mia", "at": STAMP, "of": 1, "expected": json.dumps(expected.document())}
    _same(await _stored(table, f"reconciliation|{job}", "job"), **head)
    result = Reconciled.model_validate({**NOT_COMPARED, "invoiceId": str(invoice)})
    await jobs.put(job, invoice, result)
    text = json.dumps(result.document())
    _same(await _stored(table, f"reconciliation|{job}", str(invoice)), result=text[:30_000], rest=text[30_000:])
    told = await jobs.read(job)
    assert told is not None
    assert (told.state, told.invoices, told.expected) == ("failed", [result], expected)
    other = uuid4().hex
    await jobs.open(other, 0, by="mia")
    assert (await _stored(table, f"reconciliation|{other}", "job"))["expected"] == "null"

    job, period = uuid4().hex, Period(since=AT, until=LATER)
    await searches.open(Search(job, "mia", period, sync=("missing",)))
    head = {
        "by": "mia",
        "period": period.model_dump_json(by_alias=True),
        "sync": '["missing"]',
        "page": 0,
        "state": "running",
        "detail": "",
        "cursor0": "",
    }
    _same(await _stored(table, f"out-of-sync|{job}", "job"), **head, at=STAMP)
    search = await searches.read(job)
    assert search is not None
    assert search == Search(job, "mia", period, sync=("missing",), etag=search.etag)
    await searches.advance(search, {"found": "f" * 30_000}, "n" * 30_001)
    search = await searches.read(job)
    assert search is not None
    head |= {"page": 1, "cursor0": "n" * 30_000, "cursor1": "n"}
    _same(await _stored(table, f"out-of-sync|{job}", "job"), **head, at=STAMP)
    text = '{"found": "' + "f" * 30_000 + '"}'
    found = {"findings0": text[:30_000], "findings1": text[30_000:]}
    _same(await _stored(table, f"out-of-sync|{job}", "page|000000"), **found)
    assert search.cursor == "n" * 30_001
    await searches.fail(search, "d" * 30_001)
    failed: dict[str, Any] = {**head, "state": "failed", "detail": "d" * 30_000}
    _same(await _stored(table, f"out-of-sync|{job}", "job"), **failed, at=STAMP)
    assert await searches.findings(job) == [{"found": "f" * 30_000}]

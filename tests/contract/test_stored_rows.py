"""What is stored besides runs, column by column: earlier releases wrote it, and after a roll-back they read ours."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from operate.reconcile.reports import Reports
from operate.reconcile.searches import Search, Searches
from relay_contract.reconciliation import Expected, Reconciled
from relay_contract.requests import Period
from shared.engine.ports import Ports
from shared.ledger.dock import Dock
from shared.ledger.rejected_rows import RejectedRow, Rejections
from shared.ledger.run import Part
from shared.ledger.shipments import Cargo, ImportStep, Shipment
from shared.services.throttle_gates import Closure, ThrottleGates
from shared.storage.audit import Audit
from shared.storage.notes import Notes
from shared.storage.pauses import Pause, Pauses
from shared.storage.throughput import Slot, Throughput
from tests.contract.stored import (
    AT,
    LATER,
    LATER_STAMP,
    SIGNED,
    STAMP,
    frozen_clock,
    same_columns,
    stored,
)
from tests.contract.test_wiring import ports

__all__ = ["ports"]

NOT_COMPARED: dict[str, Any] = {
    "invoiceNumber": "PI-1",
    "runState": None,
    "equal": False,
    "problem": "p" * 30_000,
    **{name: [] for name in ("maps", "missing", "surplus", "different")},
    "fixed": 0,
}


async def test_rejected_rows_are_stored_as_they_always_were(ports: Ports) -> None:
    rejections, subject, table = Rejections(ports.rejections._table, frozen_clock), uuid4(), ports.rejections._table
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
    same_columns(await stored(table, subject, "row|actuals|a%2Fb"), **columns)
    at = AT - timedelta(microseconds=456)
    assert await rejections.of(subject) == [replace(row, text="t" * 8000, first_seen=at, last_seen=at)]
    told: dict[str, Any] = {"status": "dismissed", "reason": "r" * 8001, "by": "mia", "at": LATER}
    await rejections.change(subject, await rejections.of(subject), **told)
    shown = {**columns, "status": "dismissed", "reason": "r" * 8000, "by": "mia", "at": LATER_STAMP}
    same_columns(await stored(table, subject, "row|actuals|a%2Fb"), **shown)


async def test_the_dock_is_stored_as_it_always_was(ports: Ports) -> None:
    stage, subject, table = uuid4().hex, uuid4(), ports.dock._table
    dock = Dock(table, frozen_clock, timedelta(minutes=5))
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
    same_columns(await stored(table, stage, key), **columns)
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
    same_columns(await stored(table, stage, key), **{**columns, "why": "y" * 4000})
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
    same_columns(await stored(table, stage, "lane|1"), shipment="t-1")
    assert (await stored(table, stage, key))["shipment"] == "t-1"
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
    same_columns(await stored(table, stage, "shipment|t-1"), **claimed)
    sent: dict[str, Any] = {
        "step": ImportStep.RUNNING,
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
    same_columns(await stored(table, stage, "shipment|t-1"), **{**claimed, **running, "sentAt": STAMP})
    read = await dock.shipment(stage, "t-1")
    assert read is not None
    known = {**sent, "upload_expires": later, "sent_at": at}
    bare = Shipment(stage, "t-1", "usmf", 1, shipment.execution_id, 5, 0, ImportStep.CLAIMED, later, etag=read.etag)
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
    assert view.shipments == {"t": Shipment(stage, "t", "usmf", 0, "x", 5, 1, ImportStep.SENDING, at, **told)}


async def test_what_all_instances_share_is_stored_as_it_always_was(ports: Ports) -> None:
    table, stage = ports.pauses._table, uuid4().hex
    pauses, counters = Pauses(table, frozen_clock), Throughput(table, frozen_clock)
    gates = ThrottleGates(table, frozen_clock)
    at, until = AT - timedelta(microseconds=456), LATER - timedelta(microseconds=456)

    await pauses.pause(stage, reason="why", by="mia")
    same_columns(await stored(table, "pause", stage), reason="why", by="mia", at=STAMP)
    assert Pause(stage, "why", "mia", at) in await pauses.standing()
    await pauses.resume(stage)

    await counters.count(stage, rows=5, rejected=1)
    await counters.count(stage, rows=0, rejected=2)
    began = "2026-11-20T14:00:00.000Z"
    same_columns(
        await stored(table, "throughput", f"14:00|{stage}"), began=began, imports=2, rows=5, rejected=3, takenAt=STAMP
    )
    slot = Slot(AT.replace(minute=0, second=0, microsecond=0), stage, 2, 5, 3, at)
    assert [each for each in await counters.last_day() if each.stage == stage] == [slot]
    await Throughput(table, lambda: AT + timedelta(days=1)).count(stage, rows=0, rejected=1)
    again = {"began": "2026-11-21T14:00:00.000Z", "imports": 1, "rows": 0, "rejected": 1, "takenAt": ""}
    same_columns(await stored(table, "throughput", f"14:00|{stage}"), **again)

    await gates.close(stage, LATER, "busy", kind="unavailable")
    closures = f'[["{STAMP}", "{LATER_STAMP}", "unavailable", "busy", 1]]'
    gate = {"until": LATER_STAMP, "reason": "busy", "kind": "unavailable", "asked": 300, "closures": closures}
    same_columns(await stored(table, "gate", stage), **gate)
    assert await gates.closures(stage) == [Closure(at, until, "unavailable", "busy")]

    await Notes(table).write(stage, {"at": "now"})
    same_columns(await stored(table, "note", stage), fact='{"at": "now"}')


async def test_the_audit_log_and_the_operator_s_jobs_are_stored_as_they_always_were(ports: Ports) -> None:
    table, jobs, searches = (
        ports.audit.table,
        Reports(replace(ports, now=frozen_clock)),
        Searches(replace(ports, now=frozen_clock)),
    )
    by = uuid4().hex
    await Audit(table, frozen_clock).note("replay", by, {"map": "actuals"})
    rows = table.query_entities("PartitionKey eq '2026-11' and by eq @by", parameters={"by": by})
    [noted] = [dict(row) async for row in rows]
    key = noted.pop("RowKey")
    assert key.startswith(f"{STAMP}|")
    same_columns(noted, PartitionKey="2026-11", action="replay", by=by, at=STAMP, what='{"map": "actuals"}')

    job, invoice = uuid4().hex, uuid4()
    expected = Expected(confirmed=2, runs=1, before_go_live=0)
    await jobs.open(job, 1, by="mia", expected=expected)
    head: dict[str, Any] = {"by": "mia", "at": STAMP, "of": 1, "expected": json.dumps(expected.document())}
    same_columns(await stored(table, f"reconciliation|{job}", "job"), **head)
    result = Reconciled.model_validate({**NOT_COMPARED, "invoiceId": str(invoice)})
    await jobs.put(job, invoice, result)
    text = json.dumps(result.document())
    same_columns(await stored(table, f"reconciliation|{job}", str(invoice)), result=text[:30_000], rest=text[30_000:])
    told = await jobs.read(job)
    assert told is not None
    assert (told.state, told.invoices, told.expected) == ("failed", [result], expected)
    other = uuid4().hex
    await jobs.open(other, 0, by="mia")
    assert (await stored(table, f"reconciliation|{other}", "job"))["expected"] == "null"

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
    same_columns(await stored(table, f"out-of-sync|{job}", "job"), **head, at=STAMP)
    search = await searches.read(job)
    assert search is not None
    assert search == Search(job, "mia", period, sync=("missing",), etag=search.etag)
    await searches.advance(search, {"found": "f" * 30_000}, "n" * 30_001)
    search = await searches.read(job)
    assert search is not None
    head |= {"page": 1, "cursor0": "n" * 30_000, "cursor1": "n"}
    same_columns(await stored(table, f"out-of-sync|{job}", "job"), **head, at=STAMP)
    text = '{"found": "' + "f" * 30_000 + '"}'
    found = {"findings0": text[:30_000], "findings1": text[30_000:]}
    same_columns(await stored(table, f"out-of-sync|{job}", "page|000000"), **found)
    assert search.cursor == "n" * 30_001
    await searches.fail(search, "d" * 30_001)
    failed: dict[str, Any] = {**head, "state": "failed", "detail": "d" * 30_000}
    same_columns(await stored(table, f"out-of-sync|{job}", "job"), **failed, at=STAMP)
    assert await searches.findings(job) == [{"found": "f" * 30_000}]

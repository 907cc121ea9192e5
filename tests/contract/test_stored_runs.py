"""What is stored of runs, column by column: earlier releases wrote it, and after a roll-back they read ours."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from shared.engine.ports import Ports
from shared.ledger.history import HistoryEntry as Event
from shared.ledger.progress import Progress
from shared.ledger.run import Page, Part, Run, State
from shared.ledger.run_list import entry_of
from shared.ledger.runs import Ledger
from shared.ledger.transitions import Occasion
from shared.totals import Totals
from tests.contract.stored import (
    AT,
    LATER,
    LATER_STAMP,
    NO_TOTALS,
    SIGNED,
    STAMP,
    TOTALS,
    TOTALS_TEXT,
    frozen_clock,
    same_columns,
    stored,
)
from tests.contract.test_wiring import ports
from tests.run_states import set_state

__all__ = ["ports"]

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


async def _run(ports: Ports) -> tuple[Ledger, Run]:
    ledger = Ledger(ports.ledger._table, ports.run_list._table, frozen_clock)
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
        was_carried=True,
    )
    saved = await ledger._put(run, saved, moves=True)
    same_columns(
        await stored(ports.ledger._table, run.subject, "run"),
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
        wasCarried=True,
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
    same_columns(
        await stored(ports.ledger._table, run.subject, "run"),
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
        wasCarried=False,
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
    found = await stored(ports.ledger._table, run.subject, "run")
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
    same_columns(await stored(ports.run_list._table, "run", run.position), **columns)
    [entry] = [each async for each in ports.run_list.entries() if each.subject == run.subject]
    assert entry == replace(entry_of(saved), accepted_at=at, updated_at=at, look_at=later)
    assert not entry.moving
    assert (entry.detail, entry.expected, entry.position) == ("d" * 1000, TOTALS, run.position)
    await ledger._listing.move(saved)
    same_columns(await stored(ports.run_list._table, "run", run.position), **{**columns, "final": False})


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
    same_columns(
        await stored(table, subject, "page|actuals|0002|000003"),
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
    same_columns(await stored(table, subject, page_key), **SIGNED, cursor="https://next", read=True, last=True)
    same_columns(
        await stored(table, subject, "part|actuals|0002|000003|us%20mf"),
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
    same_columns(
        await stored(table, subject, "part|actuals|0002|000003|usmf|01"),
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

"""Imports that are not started, fail as a whole, or say wrong things: which rows come to be rejected, at what cost."""

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from operate.api.refusals import BadRequest
from operate.repair.replay import dismiss
from operate.repair.selection import Selected
from operate.views.health import health
from operate.views.run import describe
from operate.views.timeline import timeline
from relay_contract import write_instant
from shared.engine.division import divide
from shared.errors import LeaseLost
from shared.jobs.job import load_maps
from shared.ledger.run import Part, Run, State
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES, NEW_UNBILLED, SOLD
from shared.wiring import open_ports
from simulators.azurite import Azurite
from tests.contract.conftest import APPLICATION, Tenant
from tests.contract.data_management import DataManagement, Result, Row, Yard, all_in, key_of, lost, refused
from tests.contract.server import Reply, Server, html
from tests.contract.wiring import Clock, settings
from tests.run_states import set_state

TOO_LONG = "DMF1968 String or binary data would be truncated."
BAD = "bad one"
HOURS = 3600.0


@pytest.fixture
async def yard(tenant: Tenant, azurite: Azurite, server: Server) -> AsyncIterator[Yard]:
    """An empty dock, in front of a Finance that takes everything until a test says otherwise."""
    clock, finance = Clock(), DataManagement(url=server.url)
    server.rule = finance.answer
    given = settings(
        AzureWebJobsStorage=azurite.connection_string(),
        DATAVERSE_URL=server.url.replace("127.0.0.1", "localhost"),
        FINANCE_URL=server.url.replace("127.0.0.1", "localhost"),
        SIGN_IN_AUTHORITY=str(tenant.process.facts["authority"]),
        SIGN_IN_CLIENT_ID=APPLICATION,
        SIGN_IN_CLIENT_SECRET=tenant.secret,
    )
    ports = await open_ports(given, load_maps(), clock.now)
    opened = Yard(ports, clock, finance)
    await opened.clear()
    yield opened
    await opened.clear()
    await ports.finance._service._session.close()


def failing_for(*bad: str) -> Callable[[list[Row]], Result]:
    """Finance fails every file as a whole in which one of these rows is, and names none."""

    def judge(rows: list[Row]) -> Result:
        if any(row.get("DESCRIPTION") in bad or row.get("TRANSACTION1ROLE") in bad for row in rows):
            return Result("Failed", errors=[("", TOO_LONG)])
        return all_in(rows)

    return judge


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize(
    "failure",
    [
        Result("Failed", errors=[("", "DMF042 The data management service is not reachable. Try again later.")]),
        Result("Failed", errors=[("", "DMF2036 The index was rebuilt.")]),
        Result("Failed", errors=[("", "DMF2045 words that nobody has listed")]),
        Result("Failed", errors=[("", "Der Dienst ist gerade nicht erreichbar")]),
        Result("Failed"),
        Result("Canceled"),
        Result("Succeeded"),
        Result("Failed", traceless=True),
    ],
    ids=["DMF042", "DMF2036", "DMF2045", "in German", "without a word", "canceled", "zero rows", "no trace"],
)
async def test_what_fails_once_is_sent_again_by_itself(yard: Yard, *, failure: Result, rows: int) -> None:
    part = await yard.land(*(f"row {number}" for number in range(rows)))
    yard.finance.judge = lambda given: all_in(given) if yard.finance.imports else failure
    await yard.work(20)
    assert len(yard.finance.imports) == 2
    assert yard.gone_on == [part.subject]
    assert await yard.rejected(part) == []


async def test_a_bad_row_that_nothing_names_costs_imports_by_the_logarithm(yard: Yard) -> None:
    part = await yard.land(*(BAD if number == 211 else f"row {number}" for number in range(300)))
    keys = await yard.keys(part)
    yard.finance.judge = failing_for(BAD)
    await yard.work(120)
    [row] = await yard.rejected(part)
    assert (row.key, TOO_LONG in row.text) == (keys[211], True)
    assert set(yard.finance.held) == set(keys) - {keys[211]}
    assert len(yard.finance.imports) - 1 <= 2 * math.log2(300) + 5
    pieces = await yard.ports.ledger.parts(part.subject, yard.stage, 1)
    assert {piece.state for piece in pieces} == {"settled"}
    assert sum(piece.rows for piece in pieces) == 300
    assert sum(piece.measure(SOLD).rows + piece.measure(NEW_UNBILLED).rows for piece in pieces) == 299


async def test_bad_rows_of_one_invoice_cost_the_others_nothing(yard: Yard) -> None:
    good = [await yard.land(*(f"{invoice} {number}" for number in range(3))) for invoice in range(12)]
    bad = await yard.land("fine", BAD, "fine too", "and so on")
    good += [await yard.land(f"later {number}") for number in range(12)]
    yard.finance.judge = failing_for(BAD)
    await yard.work(120)
    assert [row.text.count(TOO_LONG) for row in await yard.rejected(bad)] == [1]
    assert await yard.rejected(*good) == []
    assert {part.subject for part in good} <= set(yard.gone_on)


async def test_while_finance_fails_everything_no_row_is_rejected(yard: Yard) -> None:
    parts = [await yard.land(*(f"{invoice} {number}" for number in range(20))) for invoice in range(3)]
    yard.finance.judge = lambda _: Result("Failed", errors=[("", "the service is down")])
    await yard.work(25, step=240.0)
    assert await yard.rejected(*parts) == []
    assert len(yard.finance.imports) < 200
    yard.finance.judge = all_in
    await yard.work(30, step=240.0)
    assert {part.subject for part in parts} == set(yard.gone_on)
    assert await yard.rejected(*parts) == []


async def test_a_row_alone_in_the_world_is_not_rejected_for_an_outage(yard: Yard) -> None:
    """Headers come one by one: nothing shows whether the row or Finance is at fault, until others go through."""
    before = await yard.land("before")
    await yard.work(5)
    part = await yard.land(BAD)
    yard.finance.judge = lambda _: Result("Failed", errors=[("", "the service is down")])
    await yard.work(12, step=240.0)
    assert await yard.rejected(part) == []
    yard.finance.judge = failing_for(BAD)
    other = await yard.land("other")
    await yard.work(10, step=240.0)
    assert [row.text.count(TOO_LONG) for row in await yard.rejected(part)] == [1]
    assert await yard.rejected(before, other) == []


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(
    "text",
    [
        "Cannot edit a record in Data project (DMFDefinitionGroup). A deadlock occurred.",
        "Cannot edit a record in Entities (DMFEntity). The record has never been selected.",
        "Cannot create a record in Executions (DMFExecution). The record already exists.",
        "Der Datensatz existiert bereits.",
    ],
)
async def test_a_refused_start_is_no_verdict_on_rows(yard: Yard, *, text: str, status: int) -> None:
    part = await yard.land(*(f"row {number}" for number in range(5)))
    yard.finance.start = lambda _: refused(text, status) if len(yard.finance.starts) < 8 else None
    await yard.work(8, step=0.5)
    [waiting] = await yard.ports.dock.of_subject(yard.stage, part.subject)
    assert text in waiting.why
    assert waiting.not_before is not None
    assert waiting.not_before > yard.clock.now()
    await yard.work(60, step=20.0)
    assert yard.gone_on == [part.subject]
    assert await yard.rejected(part) == []
    assert len(yard.finance.imports) == 1


async def test_one_odd_part_that_finance_does_not_start_lets_the_others_go(yard: Yard) -> None:
    others = [await yard.land(f"first {number}") for number in range(3)]
    odd = await yard.land(BAD, "fine")
    others += [await yard.land(f"second {number}") for number in range(3)]
    yard.finance.start = lambda rows: refused("no") if BAD in {row["DESCRIPTION"] for row in rows} else None
    await yard.work(60, step=5.0)
    assert {part.subject for part in others} == set(yard.gone_on)
    assert await yard.rejected(odd, *others) == []
    later = await yard.land("later")
    await yard.work(3)
    assert later.subject in yard.gone_on


@pytest.mark.parametrize("stage", [INVOICES, ACTUALS])
@pytest.mark.parametrize("answer", [lost(), html(500), html(502), html(503)], ids=["lost", "500", "502", "503"])
async def test_a_lost_start_is_asked_about_and_sent_anew_and_holds_up_nothing(
    yard: Yard, *, answer: Reply, stage: str
) -> None:
    yard.stage = stage
    lane = yard.ports.lanes(stage)
    lost_ones = [await yard.land(f"lost {number}") for number in range(1)]
    yard.finance.start = lambda _: answer if len(yard.finance.starts) <= lane else None
    await yard.work(1)
    for number in range(1, lane):
        lost_ones.append(await yard.land(f"lost {number}"))
        await yard.work(1)
    await yard.work(10)
    other = await yard.land("other")
    await yard.work(3)
    assert yard.gone_on == [other.subject]
    await yard.work(20, step=20.0)
    assert {part.subject for part in lost_ones} < set(yard.gone_on)
    assert len(yard.finance.imports) == lane + 1
    assert await yard.rejected(other, *lost_ones) == []


async def test_a_start_whose_answer_alone_was_lost_is_found(yard: Yard) -> None:
    part = await yard.land("row")
    yard.finance.start, yard.finance.late = lambda _: lost(), True
    await yard.work(5)
    assert yard.gone_on == [part.subject]
    assert len(yard.finance.imports) == 1


@pytest.mark.parametrize("said", [0, 7, 700])
@pytest.mark.parametrize("status", ["Succeeded", "PartiallySucceeded", "Failed"])
async def test_rows_that_finance_holds_are_in_whatever_it_counts(yard: Yard, *, status: str, said: int) -> None:
    part = await yard.land(*(f"row {number}" for number in range(24)))
    yard.finance.judge = lambda rows: Result(status, [key_of(row) for row in rows], [("", "words")], said=said)
    await yard.work(10)
    assert yard.gone_on == [part.subject]
    assert await yard.rejected(part) == []
    assert len(yard.finance.imports) == 1


@pytest.mark.parametrize("record", ["{key}", "usmf,{key}", "2", "5637144577", ""])
async def test_an_error_that_quotes_the_keys_of_others_is_about_its_own_row_only(yard: Yard, record: str) -> None:
    mine, theirs = await yard.land("mine", BAD, "mine too"), await yard.land("x", "y", "z")
    [_, key, _], quoted = await yard.keys(mine), await yard.keys(theirs)
    if theirs.subject < mine.subject and record == "2":
        record = "5"
    error = (record.format(key=key), f"No line property, see also {quoted[0]} {quoted[1]}")
    yard.finance.judge = lambda rows: Result(
        "PartiallySucceeded", [key_of(row) for row in rows if key_of(row) != key], [error]
    )
    await yard.work(10)
    assert [row.key for row in await yard.rejected(mine, theirs)] == [key]
    assert theirs.subject in yard.gone_on


async def test_an_update_that_finance_refuses_is_rejected_although_it_holds_the_row(yard: Yard) -> None:
    part = await yard.land("new words", "same")
    [key, other] = await yard.keys(part)
    yard.finance.held[key] = {"ACTUALSIMPORTID": key, "DESCRIPTION": "old words"}
    yard.finance.judge = lambda rows: Result("PartiallySucceeded", [other], [(f"usmf,{key}", "posted already")])
    await yard.work(10)
    [row] = await yard.rejected(part)
    assert (row.key, row.text) == (key, "posted already")


async def test_connections_are_refused_by_the_record_field_and_in_the_number_that_is_missing(yard: Yard) -> None:
    """Nothing reads connections back. An error quotes the key of another, and its text pretends to be two entries."""
    yard.stage = CONNECTIONS
    part = await yard.land("fine", BAD, "fine too")
    fine, key, _ = await yard.keys(part)
    forged = f'see "}},{{"RecordId":"{fine}","Field":"","ErrorMessage":"also {fine}'
    text = f'[{{"RecordId":"{key}","Field":"","ErrorMessage":"a "quote" {forged}"}}]'

    def judge(rows: list[Row]) -> Result:
        taken = [key_of(row) for row in rows if key_of(row) != key]
        return Result("Succeeded", taken) if len(taken) == len(rows) else Result("PartiallySucceeded", taken, text)

    yard.finance.judge = judge
    await yard.work(30)
    assert [row.key for row in await yard.rejected(part)] == [key]
    assert set(yard.finance.held) == set(await yard.keys(part)) - {key}


async def test_prose_names_a_connection_only_when_it_names_as_many_as_are_missing(yard: Yard) -> None:
    yard.stage = CONNECTIONS
    part = await yard.land("fine", BAD, "fine too")
    fine, key, _ = await yard.keys(part)

    def judge(rows: list[Row]) -> Result:
        taken = [key_of(row) for row in rows if key_of(row) != key]
        said = f"Not {key}, which is not {fine}"
        return Result("Succeeded", taken) if len(taken) == len(rows) else Result("PartiallySucceeded", taken, said)

    yard.finance.judge = judge
    await yard.work(30)
    assert [row.key for row in await yard.rejected(part)] == [key]


async def test_a_division_that_was_broken_off_is_finished(yard: Yard) -> None:
    """The worker crashes after the part was divided in the ledger and before its halves are on the dock. The
    undivided part is then shipped once more."""
    part = await yard.land("a", "bb", "ccc")
    [item] = await yard.ports.dock.of_subject(yard.stage, part.subject)
    with pytest.raises(LeaseLost):
        await divide(yard.ports, replace(item, etag="W/\"datetime'2020-01-01T00%3A00%3A00Z'\""))
    for piece in await yard.ports.dock.of_subject(yard.stage, part.subject):
        if piece.part_key != item.part_key:
            await yard.ports.dock.take_off(piece)
    await yard.work(10)
    assert yard.gone_on[-1] == part.subject
    pieces = await yard.ports.ledger.parts(part.subject, yard.stage, 1)
    assert [(piece.path, piece.rows, piece.state) for piece in pieces] == [("0", 1, "settled"), ("1", 2, "settled")]
    whole = [part.measure(name) for name in (SOLD, NEW_UNBILLED)]
    halves = [pieces[0].measure(name) + pieces[1].measure(name) for name in (SOLD, NEW_UNBILLED)]
    assert all(one.same_set(other) for one, other in zip(whole, halves, strict=True))


async def test_two_workers_that_divide_a_part_divide_it_once(yard: Yard) -> None:
    part = await yard.land("a", "bb", "ccc")
    [item] = await yard.ports.dock.of_subject(yard.stage, part.subject)
    await divide(yard.ports, item)
    with pytest.raises(LeaseLost):
        await divide(yard.ports, item)
    assert sum(each.rows for each in await yard.ports.dock.of_subject(yard.stage, part.subject)) == 3


async def test_what_the_first_release_left_on_the_dock_goes_on(yard: Yard) -> None:
    part = await yard.land("a", "b")
    table = yard.ports.dock._table
    row = await table.get_entity(str(yard.stage), f"part|{part.subject}|{part.row_key}")
    old = ("company", "rows", "blob", "landedAt", "tries", "shipment")
    entity = {name: row[name] for name in ("PartitionKey", "RowKey", *old)} | {"level": 2}
    await table.delete_entity(str(yard.stage), row["RowKey"])
    await table.create_entity(entity)
    await yard.work(5)
    assert yard.gone_on == [part.subject]


async def test_run_timeline_and_health_say_what_is_waited_for_and_until_when(yard: Yard) -> None:
    yard.stage = INVOICES
    part = await yard.land("lost")
    yard.finance.start = lambda _: lost()
    await yard.work(8)
    run = await yard.ports.ledger.run(part.subject)
    assert run is not None
    [shipment] = (await yard.ports.dock.view(yard.stage)).shipments.values()
    assert shipment.sent_at is not None
    until = write_instant(shipment.sent_at + timedelta(seconds=180))
    [wait] = [
        each for each in (await describe(yard.ports, run)).document()["waitsFor"] if each["kind"] == "start in doubt"
    ]
    assert wait["until"] == until
    [entry] = [
        each for each in (await timeline(yard.ports, run)).document()["entries"] if each["what"] == "start in doubt"
    ]
    assert entry["until"] == until
    found = (await health(yard.ports)).document()
    [lane] = [lane for lane in found["lanes"] if lane["map"] == "invoices"]
    assert lane["until"] == until
    assert [text for text in found["problems"] if "got no usable answer" in text and "then sent again" in text]
    # Finance may never have received it, so there is no import to cancel.
    await yard.ports.dock.save(shipment, polls=shipment.looks_before + 100)
    assert not [text for text in (await health(yard.ports)).document()["problems"] if "has not ended" in text]


async def test_health_says_plainly_what_finance_does_not_start(yard: Yard) -> None:
    part = await yard.land("a", "b")
    yard.finance.start = lambda _: refused("A deadlock occurred.")
    await yard.work(6, step=10.0)
    run = await set_state(yard.ports.ledger, await _run(yard, part), state=State.SYNCING_ACTUALS)
    [wait] = [
        each
        for each in (await describe(yard.ports, run)).document()["waitsFor"]
        if each["kind"] == "import not started"
    ]
    for text in (
        wait["reason"],
        *[each for each in (await health(yard.ports)).document()["problems"] if "deadlock" in each],
    ):
        assert text.startswith("2 rows of actuals: Finance did not start the import: A deadlock occurred.")
        assert "asked again at" in text
    assert wait["until"] is not None


async def test_an_import_that_does_not_end_leaves_its_lane_to_others(yard: Yard) -> None:
    yard.stage = INVOICES
    slow = await yard.land("slow")
    yard.finance.judge = lambda _: Result("Executing")
    await yard.work(3, step=1.0)
    yard.finance.judge = all_in
    other = await yard.land("other")
    await yard.work(2, step=1.0)
    assert yard.gone_on == []
    yard.clock.advance(timedelta(seconds=90))
    await yard.work(3, step=1.0)
    assert yard.gone_on == [other.subject]
    [wait] = [
        each for each in (await describe(yard.ports, await _run(yard, slow))).document()["waitsFor"] if each["service"]
    ]
    assert wait["kind"] == "import goes on"


async def _run(yard: Yard, part: Part) -> Run:
    run = await yard.ports.ledger.run(part.subject)
    assert run is not None
    return run


async def test_a_row_that_finance_holds_is_not_dismissed(yard: Yard) -> None:
    """Booked as refused by mistake, or sent by hand meanwhile: dismissed, its connections would stay behind."""
    part = await yard.land("fine", BAD)
    [_, key] = await yard.keys(part)
    yard.finance.judge = lambda rows: Result(
        "PartiallySucceeded", [each for each in map(key_of, rows) if each != key], [(key, "no")]
    )
    await yard.work(5)
    run, rows = await _run(yard, part), await yard.rejected(part)
    yard.finance.held[key] = {"ACTUALSIMPORTID": key, "DESCRIPTION": BAD}
    with pytest.raises(BadRequest, match=f"1 row is in Finance: {key}") as caught:
        await dismiss(yard.ports, [Selected(run, rows)], reason="elsewhere", by="operator")
    assert caught.value.status == 409
    assert [row.status for row in await yard.rejected(part)] == ["open"]
    del yard.finance.held[key]
    await dismiss(yard.ports, [Selected(run, rows)], reason="elsewhere", by="operator")
    assert [row.status for row in await yard.rejected(part)] == ["dismissed"]

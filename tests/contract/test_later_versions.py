"""After a roll-back: what a later version of the app has left in storage waits for it, and nothing of it is lost."""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from operate.repair.poison import book
from operate.repair.sweep import sweep
from operate.views.error_groups import groups
from operate.views.health import health
from operate.views.run import describe
from operate.views.runs import list_runs
from operate.views.timeline import timeline
from relay_contract.requests import RunsQuery
from relay_contract.version import VERSION
from shared.engine.lifecycle import accept
from shared.engine.messages import Load, Settle
from shared.engine.ports import Ports
from shared.engine.worker import WorkFailed, work
from shared.errors import NewerVersion
from shared.jobs.job import load_job
from shared.ledger.run import State
from shared.ledger.run_list import Listing
from shared.maps.table_map import digest_of
from shared.project_operations.codes import ACTUALS, CONNECTIONS
from shared.storage.landing import LandedName
from shared.storage.names import OPERATIONS, WRITE_BACK, poison_of
from shared.wiring import queues_of
from tests.contract.server import Server, said
from tests.contract.test_landed_parts import HANDLERS, _claimed, _deployed, _landed, _relabel, _row, _run
from tests.contract.test_wiring import ports
from tests.run_states import set_state

__all__ = ["ports"]

LATER = {"schema": 2, "writtenBy": "9.1"}
TOLD = f"was written by version 9.1 of this app; this is {VERSION}"


async def _taken(client: QueueClient) -> list[str]:
    """The messages that are on a queue and not hidden; they are gone from it."""
    return [message.content async for message in client.receive_messages(visibility_timeout=600)]


def _message(queue: str, **members: Any) -> bytes:
    return json.dumps({"v": 2, "by": "9.1", "kind": "weigh", "queue": queue, **members}).encode()


async def _count(client: QueueClient) -> int:
    return int((await client.get_queue_properties()).approximate_message_count or 0)


@pytest.mark.parametrize("queue", queues_of(load_job()))
async def test_a_message_of_a_later_version_is_put_off_unchanged_and_told(ports: Ports, queue: str) -> None:
    """It was moved to the poison queue immediately, and its run failed."""
    client = ports.queues.clients[queue]
    before = await _count(client)
    for _ in range(7):
        await work(ports, queue, _message(queue), 5, HANDLERS)
    assert await _count(client) == before + 7
    problems = (await health(ports)).document()["problems"]
    assert any(f"a message of form 2 on queue {queue} {TOLD}" in problem for problem in problems)


async def test_a_message_of_a_later_version_comes_back_as_it_was(ports: Ports) -> None:
    client = ports.queues.clients[OPERATIONS]
    body = _message(OPERATIONS, note=str(uuid4()), words="Füße")
    await ports.queues.send_again(OPERATIONS, body, delay=timedelta())
    assert body.decode() in {base64.b64decode(text).decode() for text in await _taken(client)}


async def test_it_is_put_off_longer_the_longer_it_waits_and_never_for_ever(ports: Ports) -> None:
    delays: list[timedelta] = []

    class _Queues:
        async def send_again(self, queue: str, body: bytes, *, delay: timedelta) -> None:
            delays.append(delay)

    start = datetime.now(UTC) + timedelta(days=1)
    for minutes in (0, 1, 4, 13, 27, 41):
        later = replace(ports, queues=_Queues(), now=lambda at=start + timedelta(minutes=minutes): at)  # type: ignore[arg-type,misc]
        await work(later, WRITE_BACK, _message(WRITE_BACK), 1, HANDLERS)
    assert delays[0] <= timedelta(seconds=3)
    assert timedelta(minutes=1) <= delays[1] < delays[2]
    assert all(timedelta(minutes=5) <= delay <= timedelta(minutes=7.5) for delay in delays[3:])


@pytest.mark.parametrize("change", [{"v": 1}, {"v": "2"}, {"v": 10**9}, {"v": None}])
async def test_what_no_version_can_have_sent_is_still_given_up(ports: Ports, change: Mapping[str, Any]) -> None:
    with pytest.raises(WorkFailed):
        await work(ports, ACTUALS, _message(ACTUALS, **change), 1, HANDLERS)


async def test_a_later_version_s_poison_message_stays_for_it_and_fails_no_run(ports: Ports) -> None:
    part = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    poison = ports.queues._untouched[poison_of(ACTUALS)]
    with suppress(ResourceExistsError):
        await poison.create_queue()
    before = await _count(poison)
    await book(ports, ACTUALS, _message(ACTUALS, invoiceId=str(part.subject)))
    assert await _count(poison) == before + 1
    assert (await _run(ports, part.subject)).state == State.SYNCING_ACTUALS
    # One of ours that names a run of that version stays too.
    await _sign(ports, part.subject, "run")
    message = Load(stage=ACTUALS, subject=part.subject)
    await book(ports, ACTUALS, message.model_dump_json().encode())
    assert await _count(poison) == before + 2


async def _sign(ports: Ports, invoice_id: UUID, row_key: str, **columns: Any) -> None:
    """Have a later version write a row of an invoice."""
    await ports.ledger._table.update_entity({"PartitionKey": str(invoice_id), "RowKey": row_key, **LATER, **columns})


async def _load(ports: Ports, message: Load) -> None:
    await ports.ledger.run(message.subject)
    for stage in load_job().maps:
        await ports.ledger.pages(message.subject, stage, 1)
        await ports.ledger.parts(message.subject, stage, 1)
        await ports.rejections.of(message.subject, stage)


async def test_rows_of_a_later_version_are_not_worked_on(ports: Ports) -> None:
    client = ports.queues.clients[ACTUALS]
    for kind in ("run", "page|actuals|0001|000000", "part|actuals|0001|000000|usmf"):
        part = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
        await _sign(ports, part.subject, kind, extra="kept")
        before = await _count(client)
        message = Load(stage=ACTUALS, subject=part.subject)
        await work(ports, ACTUALS, message.model_dump_json().encode(), 5, {"load": _load})
        assert await _count(client) == before + 1
        problems = (await health(ports)).document()["problems"]
        assert any(f"of {part.subject} {TOLD}" in problem for problem in problems)


async def test_a_run_of_a_later_version_is_shown_and_refuses_what_operators_ask(ports: Ports, server: Server) -> None:
    server.rule = lambda _: said({"value": []})
    part = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    run = await ports.ledger.save(await _run(ports, part.subject), number="PI-LATER")
    columns = {"state": "archiving", "expected": "another form", "history": "of theirs"}
    await _sign(ports, part.subject, "run", **columns)
    shown = await ports.ledger.look(part.subject)
    assert shown is not None
    answer = (await describe(ports, shown)).document()
    assert answer["invoiceNumber"] == "PI-LATER"
    assert TOLD in answer["detail"] + str(answer["waitsFor"])
    assert await timeline(ports, shown)
    with pytest.raises(NewerVersion, match=TOLD):
        await ports.ledger.run(part.subject)
    standing, is_opened = await accept(ports.ledger, part.subject)
    assert not is_opened
    assert standing.run_id == run.run_id
    row = await ports.ledger._table.get_entity(str(part.subject), "run")
    assert {name: row[name] for name in columns} == columns


async def test_lists_show_what_they_can_of_a_run_of_a_later_version(ports: Ports) -> None:
    part = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    run = await ports.ledger.save(await _run(ports, part.subject), number="PI-LISTED")
    row = next([row async for row in ports.run_list._table.query_entities(f"runId eq '{run.run_id}'")].__iter__())
    changed = {name: row[name] for name in ("PartitionKey", "RowKey")}
    await ports.run_list._table.update_entity({**changed, **LATER, "state": "archiving", "expected": "another form"})
    await _sign(ports, part.subject, "run", state="archiving", expected="another form")
    listed = (await list_runs(ports, RunsQuery(top=100), [])).document()
    mine = next(each for each in listed["runs"] if each["invoiceId"] == str(part.subject))
    assert mine["invoiceNumber"] == "PI-LISTED"
    assert "version 9.1" in mine["detail"] + str(mine["waitsFor"])
    # A row of ours does not replace that of a later version.
    listing = Listing(ports.run_list._table)
    await listing.rest(replace(run, mark=await listing.move(run), state=State.FAILED))
    kept = await ports.run_list._table.get_entity(row["PartitionKey"], row["RowKey"])
    assert (kept["state"], kept["schema"]) == ("archiving", 2)


async def test_the_sweep_and_the_errors_pass_by_what_a_later_version_wrote(ports: Ports, server: Server) -> None:
    server.rule = lambda _: said({"value": []})
    part = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    await _sign(ports, part.subject, "run")
    far = replace(ports, now=lambda: datetime.now(UTC) + timedelta(days=2))
    result = await sweep(far)
    assert str(part.subject) not in json.dumps(result.document())
    assert await ports.landing.rows(part.blob), "its blob is not an orphan"
    assert isinstance(await groups(ports), dict)


async def test_the_dock_leaves_a_later_version_s_parts_and_lanes_alone(ports: Ports) -> None:
    ours = await _landed(ports, CONNECTIONS, [_row(ports.maps[CONNECTIONS])])
    theirs = await _landed(ports, CONNECTIONS, [_row(ports.maps[CONNECTIONS])])
    shipment = await _claimed(ports, ours)
    await ports.dock.land(theirs)
    key = f"part|{theirs.subject}|{theirs.row_key}"
    for row_key in (key, f"shipment|{shipment.ticket}"):
        await ports.dock._table.update_entity({"PartitionKey": "transactionconnections", "RowKey": row_key, **LATER})
    view = await ports.dock.view(CONNECTIONS)
    assert theirs.subject not in {cargo.subject for cargo in view.cargo}
    assert shipment.ticket not in view.shipments
    assert view.free_lane(shipment.lane + 1, shipment.lane) != shipment.lane
    before = await _count(ports.queues.clients[CONNECTIONS])
    message = Settle(stage=CONNECTIONS, ticket=shipment.ticket)
    await work(ports, CONNECTIONS, message.model_dump_json().encode(), 5, HANDLERS)
    assert await _count(ports.queues.clients[CONNECTIONS]) == before + 1


async def test_a_map_that_only_a_later_version_can_read_is_waited_for(ports: Ports) -> None:
    known = json.loads(_deployed(ports, actuals=_relabel).maps[ACTUALS].written)
    for change in ({"format": 2}, {"fields": [{"target": "A", "source": "b", "transform": {"kind": "ofTheFuture"}}]}):
        written = json.dumps({**known, **change}).encode()
        digest = digest_of(written)
        await ports.known_maps._container.upload_blob(
            f"actuals/{digest}.json", written, overwrite=True, metadata={"writtenBy": "9.1"}
        )
        with pytest.raises(NewerVersion, match=TOLD):
            await ports.known_maps.of(ACTUALS, str(LandedName.of("x/actuals", digest, b"x")))


async def test_columns_of_a_later_version_stay_when_their_row_is_changed(ports: Ports) -> None:
    part = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    names = ("run", "page|actuals|0001|000000", part.row_key)
    for row_key in names:
        key = {"PartitionKey": str(part.subject), "RowKey": row_key}
        await ports.ledger._table.update_entity({**key, "ofTheFuture": "kept"})
    await set_state(ports.ledger, await _run(ports, part.subject), detail="changed")
    found = await ports.ledger.part(part.subject, part.row_key)
    page = await ports.ledger.page(part.subject, ACTUALS, 1, 0)
    assert found is not None
    assert page is not None
    await ports.ledger.save_part(found, rejected=1)
    await ports.ledger.close_page(page, [], last=True)
    for row_key in names:
        row = await ports.ledger._table.get_entity(str(part.subject), row_key)
        assert row["ofTheFuture"] == "kept"

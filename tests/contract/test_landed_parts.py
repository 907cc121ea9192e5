"""Landed parts when the app is deployed during a run, and landed parts that storage has lost."""

import codecs
import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.storage.blob.aio import BlobServiceClient

from link_transactions.release import release
from shared.clock import now
from shared.engine.lifecycle import accept
from shared.engine.messages import Load, Settle
from shared.engine.ports import Ports
from shared.engine.settling import settle
from shared.engine.targets.import_result import outcome_of
from shared.engine.worker import Handler, work
from shared.jobs.job import load_job
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Page, Part, Run, State
from shared.ledger.shipments import Shipment
from shared.maps.table_map import TableMap, load_map
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from shared.services.finance import ImportStatus
from shared.storage.known_maps import KnownMaps
from shared.storage.landing import FIRST_RELEASE, LandedName, encode
from tests.contract.server import Received, Reply, Server, said
from tests.contract.test_uploads import place, read, storage
from tests.contract.test_wiring import ports
from tests.run_states import set_state

__all__ = ["ports", "storage"]

type Change = Callable[[dict[str, Any]], None]


async def _nothing_follows(ports: Ports, run: Run, account: object) -> None:
    raise AssertionError(f"{run.subject} went on in {ports} with {account}")


async def _settle(ports: Ports, message: Settle) -> None:
    await settle(ports, message, after=_nothing_follows)


HANDLERS: Mapping[str, Handler] = {"settle": _settle}


def _changed(table_map: TableMap, change: Change) -> TableMap:
    content = table_map.model_dump(mode="json")
    change(content)
    return TableMap.model_validate(content)


def _deployed(ports: Ports, **changes: Change) -> Ports:
    """The ports of a later deployment, in which some maps are others."""
    maps = {
        stage: _changed(table_map, changes[stage]) if stage in changes else table_map
        for stage, table_map in ports.maps.items()
    }
    return replace(ports, maps=maps, known_maps=KnownMaps(ports.known_maps._container, maps))


def _swap(first: str, second: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        one, other = (
            next(pair for pair in content["fields"] if pair["target"] == target) for target in (first, second)
        )
        one["target"], other["target"] = second, first

    return change


def _drop(content: dict[str, Any]) -> None:
    content["fields"].pop(3)


def _relabel(content: dict[str, Any]) -> None:
    content["target"]["entity"] += " V2"


def _row(table_map: TableMap, **values: str) -> list[str]:
    """A row whose cells name their columns, so that a misplaced one shows."""
    standard = {"AMOUNT": "1.25", "ACTUALSIMPORTID": str(uuid4()), "CONNECTIONID": str(uuid4())}
    return [(standard | values).get(column, f"of {column}") for column in table_map.columns]


async def _landed(
    ports: Ports,
    stage: str,
    rows: list[list[str]],
    *,
    invoice_id: UUID | None = None,
    number: int = 0,
    state: Any = "landed",
) -> Part:
    """A part of a run whose actuals are under way, as the ledger holds it."""
    invoice_id = invoice_id or uuid4()
    await accept(ports.ledger, invoice_id)
    if stage != INVOICES:
        await set_state(ports.ledger, await _run(ports, invoice_id), state=State.SYNCING_ACTUALS)
    blob = await ports.landing.write(invoice_id, stage, encode(rows), written_by=ports.maps[stage].digest)
    await ports.ledger.open_page(Page(invoice_id, stage, 1, number))
    page = await ports.ledger.page(invoice_id, stage, 1, number)
    assert page is not None
    part = Part(invoice_id, stage, 1, number, "usmf", blob, len(rows), state, landed_at=now())
    await ports.ledger.close_page(page, [part], last=True)
    found = await ports.ledger.part(invoice_id, part.row_key)
    assert found is not None
    return found


async def _run(ports: Ports, invoice_id: UUID) -> Run:
    run = await ports.ledger.run(invoice_id)
    assert run is not None
    return run


async def _claimed(ports: Ports, *parts: Part, **failure: Any) -> Shipment:
    """A shipment of these parts that no worker polls. `failure` is the result of their previous import."""
    for part in parts:
        await ports.dock.land(part)
        await ports.dock.change([replace(c, **failure) for c in await ports.dock.of_subject(part.stage, part.subject)])
    view = await ports.dock.view(parts[0].stage)
    names = {(part.subject, part.row_key) for part in parts}
    chosen = [cargo for cargo in view.ready if (cargo.subject, cargo.part_key) in names]
    assert len(chosen) == len(parts)
    shipment = await ports.dock.claim(view, chosen, lane=len(view.lanes), ticket=uuid4().hex)
    return await ports.dock.save(shipment, lease_until=now() - timedelta(seconds=1))


async def _look(ports: Ports, shipment: Shipment) -> None:
    message = Settle(stage=shipment.stage, ticket=shipment.ticket)
    await work(ports, shipment.stage, message.model_dump_json().encode(), 1, HANDLERS)


class _Sent:
    """Finance's side: takes packages, and says of every import that it is still running."""

    def __init__(self, server: Server, storage: BlobServiceClient) -> None:
        self._storage = storage
        self._upload = place(storage, good_for=timedelta(minutes=30))
        self._server = server
        server.rule = self._answer

    def _answer(self, request: Received) -> Reply:
        if "GetAzureWriteUrl" in request.target:
            return said({"value": json.dumps({"BlobUrl": self._upload.url})})
        return said({"value": []} if "/data/DataManagementExecution" in request.target else {"value": "Executing"})

    @property
    def imports(self) -> int:
        """How many imports were started."""
        return sum("ImportFromPackageAsync" in target for target in self._server.targets)

    async def file(self) -> tuple[str, list[list[str]]]:
        """The name of the data file that was uploaded, and its rows with their header."""
        archive = zipfile.ZipFile(io.BytesIO(await read(self._storage, self._upload)))
        name = next(name for name in archive.namelist() if name.endswith(".csv"))
        text = archive.read(name).removeprefix(codecs.BOM_UTF16_LE).decode("utf-16-le")
        assert name.removesuffix(".csv") in archive.read("Manifest.xml").decode("utf-16")
        return name, list(csv.reader(io.StringIO(text, newline="")))


@pytest.fixture
def sent(server: Server, storage: BlobServiceClient) -> _Sent:
    """What Finance is sent."""
    return _Sent(server, storage)


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        (ACTUALS, _swap("QUANTITY", "UNITPRICE")),
        (ACTUALS, _swap("AMOUNT", "UNITPRICE")),
        (ACTUALS, _drop),
        (ACTUALS, _relabel),
        (INVOICES, _swap("PROJECTCONTRACTID", "FUNDINGSOURCEID")),
        (INVOICES, _drop),
        (CONNECTIONS, _swap("TRANSACTION1ID", "TRANSACTION2ID")),
    ],
)
async def test_what_was_read_before_a_deployment_is_sent_under_its_own_header(
    ports: Ports, sent: _Sent, stage: str, change: Change
) -> None:
    """With quantity and unit price in each other's place the run ended as verified, wrong in every row."""
    table_map = ports.maps[stage]
    row = _row(table_map)
    shipment = await _claimed(ports, await _landed(ports, stage, [row]))
    await _look(_deployed(ports, **{stage: change}), shipment)
    name, rows = await sent.file()
    assert sent.imports == 1
    assert name == f"{table_map.target.entity}.csv"
    assert rows == [list(table_map.columns), row]


async def test_what_the_first_release_has_read_is_sent_under_the_header_of_its_map(ports: Ports, sent: _Sent) -> None:
    """Its parts do not say which map wrote them."""
    table_map = await ports.known_maps.of(ACTUALS, "x/actuals/" + uuid4().hex)
    row = _row(table_map)
    part = await _landed(ports, ACTUALS, [row])
    old = f"{part.subject}/actuals/{uuid4().hex}"
    await ports.landing._container.upload_blob(old, encode([row]))
    part = await ports.ledger.save_part(part, blob=old)
    await _look(_deployed(ports, actuals=_swap("QUANTITY", "UNITPRICE")), await _claimed(ports, part))
    _, rows = await sent.file()
    owned = ports.maps[ACTUALS].owned
    kept = [position for position, column in enumerate(table_map.columns) if column not in owned]
    assert {"SALESTAXAMOUNT", "ISJOURNALIZED"} <= owned & set(table_map.columns)
    assert rows == [[line[position] for position in kept] for line in (table_map.columns, row)]


@pytest.mark.parametrize("rows", [[["one", "two"]], []], ids=["of another width", "too few"])
async def test_a_part_of_the_first_release_that_cannot_be_its_own_is_read_again(
    ports: Ports, sent: _Sent, rows: list[list[str]]
) -> None:
    part = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    old = f"{part.subject}/actuals/{uuid4().hex}"
    await ports.landing._container.upload_blob(old, encode(rows))
    await _is_read_again(ports, sent, await ports.ledger.save_part(part, blob=old))


async def test_parts_of_two_maps_that_were_put_together_are_taken_apart(ports: Ports, sent: _Sent) -> None:
    """A version that does not look at their maps may have claimed them together before it was replaced."""
    before = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    later = _deployed(ports, actuals=_swap("QUANTITY", "UNITPRICE"))
    after = await _landed(later, ACTUALS, [_row(later.maps[ACTUALS])])
    shipment = await _claimed(later, before, after)
    await _look(later, shipment)
    view = await later.dock.view(ACTUALS)
    waiting = [cargo for cargo in view.ready if cargo.subject in {before.subject, after.subject}]
    assert not sent.imports
    assert shipment.ticket not in view.shipments
    assert len({cargo.written_by for cargo in waiting}) == len(waiting) == 2


async def _change(ports: Ports, part: Part) -> None:
    content = b"".join([chunk async for chunk in ports.landing.chunks(part.blob)])
    await ports.landing._container.upload_blob(part.blob, content.replace(b"1\0.\0", b"9\0.\0"), overwrite=True)


async def _truncate(ports: Ports, part: Part) -> None:
    content = b"".join([chunk async for chunk in ports.landing.chunks(part.blob)])
    await ports.landing._container.upload_blob(part.blob, content[: len(content) // 2], overwrite=True)


async def _exchange(ports: Ports, part: Part) -> None:
    other = encode([_row(ports.maps[part.stage])])
    await ports.landing._container.upload_blob(part.blob, other, overwrite=True)


async def _delete(ports: Ports, part: Part) -> None:
    await ports.landing.delete(part.blob)


async def _lose_its_map(ports: Ports, part: Part) -> None:
    await ports.known_maps._container.delete_blob(f"{part.stage}/{LandedName.parse(part.blob).map}.json")


async def _change_its_map(ports: Ports, part: Part) -> None:
    path = f"{part.stage}/{LandedName.parse(part.blob).map}.json"
    await ports.known_maps._container.upload_blob(path, b'{"format":1}', overwrite=True)


LOSSES = [_change, _truncate, _exchange, _delete, _lose_its_map, _change_its_map]


@pytest.mark.parametrize("lose", LOSSES)
async def test_nothing_is_sent_of_a_part_that_is_not_what_was_read_and_its_rows_are_read_again(
    ports: Ports, sent: _Sent, lose: Callable[[Ports, Part], Any]
) -> None:
    earlier = _deployed(ports, actuals=_relabel)
    await earlier.known_maps.keep()
    part = await _landed(earlier, ACTUALS, [_row(earlier.maps[ACTUALS])])
    await lose(ports, part)
    await _is_read_again(ports, sent, part)


FAILURES: dict[str, dict[str, Any]] = {
    "starts refused": {"refusals": 2},
    "files failed": {"tries": 2},
    "a half of what failed": {"formed_at": now()},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_what_finance_refuses_under_a_map_that_was_mended_since_is_read_again(
    ports: Ports, sent: _Sent, failure: dict[str, Any]
) -> None:
    """A wrong label was corrected by a deployment, and what was read before it waited for ever."""
    earlier = _deployed(ports, actuals=_relabel)
    await earlier.known_maps.keep()
    part = await _landed(earlier, ACTUALS, [_row(earlier.maps[ACTUALS])])
    await _is_read_again(ports, sent, part, **failure)


@pytest.mark.parametrize(("change", "failure"), [(_relabel, {"refusals": 1}), (lambda _: None, {"refusals": 9})])
async def test_what_failed_once_or_under_the_present_map_is_sent_as_it_is(
    ports: Ports, sent: _Sent, change: Change, failure: dict[str, Any]
) -> None:
    earlier = _deployed(ports, actuals=change)
    await earlier.known_maps.keep()
    part = await _landed(earlier, ACTUALS, [_row(earlier.maps[ACTUALS])])
    await _look(ports, await _claimed(ports, part, **failure))
    assert sent.imports == 1


async def _is_read_again(ports: Ports, sent: _Sent, part: Part, **failure: Any) -> None:
    shipment = await _claimed(ports, part, **failure)
    for _ in range(2):
        await _look(ports, shipment)
    run = await _run(ports, part.subject)
    assert not sent.imports
    assert (run.state, run.generation) == (State.SYNCING_ACTUALS, 2)
    assert "read again" in run.wait
    view = await ports.dock.view(ACTUALS)
    assert shipment.ticket not in view.shipments
    assert [cargo for cargo in view.cargo if cargo.subject == part.subject] == []
    assert any("read again" in step.text for step in run.history)


async def test_an_invoice_beside_a_lost_part_is_sent(ports: Ports, sent: _Sent) -> None:
    lost = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    good = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    shipment = await _claimed(ports, lost, good)
    await _delete(ports, lost)
    for _ in range(2):
        await _look(ports, shipment)
    view = await ports.dock.view(ACTUALS)
    assert not sent.imports
    assert [c.subject for c in view.ready if c.subject in {lost.subject, good.subject}] == [good.subject]


async def test_a_lost_header_is_read_again(ports: Ports, sent: _Sent) -> None:
    part = await _landed(ports, INVOICES, [_row(ports.maps[INVOICES])])
    shipment = await _claimed(ports, part)
    await _truncate(ports, part)
    for _ in range(2):
        await _look(ports, shipment)
    page = await ports.ledger.page(part.subject, INVOICES, 1, 0)
    run = await _run(ports, part.subject)
    assert page is not None
    assert not sent.imports
    assert not page.read
    assert "read again" in run.wait
    assert await ports.ledger.parts(part.subject, INVOICES, 1) == []
    assert shipment.ticket not in (await ports.dock.view(INVOICES)).shipments


async def test_a_lost_part_of_a_run_that_has_stopped_holds_no_lane_and_is_read_when_it_is_replayed(
    ports: Ports, sent: _Sent
) -> None:
    part = await _landed(ports, ACTUALS, [_row(ports.maps[ACTUALS])])
    shipment = await _claimed(ports, part)
    await _delete(ports, part)
    run = await _run(ports, part.subject)
    await set_state(ports.ledger, run, state=State.FAILED, detail="stopped")
    for _ in range(2):
        await _look(ports, shipment)
    run = await _run(ports, part.subject)
    assert not sent.imports
    assert (run.state, run.detail, run.generation) == (State.FAILED, "stopped", 2)
    assert shipment.ticket not in (await ports.dock.view(ACTUALS)).shipments


async def test_a_row_that_finance_names_is_found_by_the_key_of_its_own_map(ports: Ports, server: Server) -> None:
    """In the map now in use, the key and the id of a row are swapped."""
    key, actual = str(uuid4()), str(uuid4())
    rows = [_row(ports.maps[ACTUALS], ACTUALSIMPORTID=k, ACTUALID=a) for k, a in ((key, actual), (actual, key))]
    part = await _landed(ports, ACTUALS, rows)
    shipment = await _claimed(ports, part)
    error = json.dumps([{"RecordId": key, "Field": "", "ErrorMessage": "Project P-1 is closed"}])
    counts = [{"TargetRecordsCreatedCount": 1, "TargetRecordsUpdatedCount": 0}]
    held = [{"ActualsImportId": actual}]
    answers = {"GetExecutionErrors": error, "ExecutionJobDetails": counts, "ProjActualsImports": held}
    server.rule = lambda request: said({"value": next(answers[name] for name in answers if name in request.target)})
    cargo = await ports.dock.cargo(shipment)
    later = _deployed(ports, actuals=_swap("ACTUALSIMPORTID", "ACTUALID"))
    outcome = await outcome_of(later, shipment, ImportStatus.PARTIALLY_SUCCEEDED, cargo, {})
    assert [[(row.key, row.source_id) for row in found] for found in outcome.rejected.values()] == [[(key, actual)]]


async def test_held_connections_are_let_go_by_the_columns_of_their_own_map(ports: Ports, server: Server) -> None:
    """The connections of a dismissed actual stay; the others keep the map that wrote them."""
    server.rule = lambda _: said({"value": []})
    table_map = ports.maps[CONNECTIONS]
    dismissed = str(uuid4())
    rows = [_row(table_map, TRANSACTION1ID=dismissed), _row(table_map, CONNECTIONID=dismissed)]
    part = await _landed(ports, CONNECTIONS, rows, state="held")
    row = RejectedRow(ACTUALS, dismissed, "application", "closed", source_id=dismissed, status="dismissed")
    await ports.rejections.keep(part.subject, [row])
    run = await _run(ports, part.subject)
    await set_state(ports.ledger, run, state=State.LINKING)
    later = _deployed(ports, transactionconnections=_swap("CONNECTIONID", "TRANSACTION1ID"))
    await release(later, Load(stage=CONNECTIONS, subject=part.subject, generation=1))
    freed = await later.ledger.part(part.subject, part.row_key)
    assert freed is not None
    assert await later.landing.rows(freed.blob) == rows[1:]
    assert LandedName.parse(freed.blob).map == table_map.digest


async def test_a_map_that_was_changed_in_storage_is_kept_anew_when_the_app_starts(ports: Ports) -> None:
    await ports.known_maps.keep()
    path = f"actuals/{ports.maps[ACTUALS].digest}.json"
    await ports.known_maps._container.upload_blob(path, b"{}", overwrite=True)
    await ports.known_maps.keep()
    kept = await (await ports.known_maps._container.download_blob(path)).readall()
    assert kept == ports.maps[ACTUALS].written
    later = _deployed(ports, actuals=_relabel)
    blob = str(LandedName.of("x/actuals", ports.maps[ACTUALS].digest, b"x"))
    assert (await later.known_maps.of(ACTUALS, blob)).columns == ports.maps[ACTUALS].columns


async def test_the_maps_of_the_first_release_are_known(ports: Ports) -> None:
    for stage in load_job().maps:
        known = await ports.known_maps.of(stage, f"x/{stage}/{uuid4().hex}")
        assert known.integrationKey == load_map(stage).integrationKey
    assert LandedName.parse("x/actuals/1").map == FIRST_RELEASE

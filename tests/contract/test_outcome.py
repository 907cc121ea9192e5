"""What an import that failed as a whole means for the parts that travelled in it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from shared.clock import now
from shared.engine.account import Account
from shared.engine.messages import Settle
from shared.engine.ports import Ports
from shared.engine.settling import settle
from shared.engine.targets.import_result import outcome_of
from shared.ledger.run import Page, Part, Run
from shared.ledger.shipments import Cargo, ImportStep, Shipment
from shared.project_operations.codes import ACTUALS
from shared.services.finance import ImportStatus
from shared.storage.landing import encode
from tests.contract.server import Server, said
from tests.contract.test_wiring import ports

__all__ = ["ports"]

TWICE = (
    "DMF1959 Violation of PRIMARY KEY constraint. The duplicate key value is (5d059d93-7c2b-5c9d-a7db-05fa580c2937)."
)


@pytest.mark.parametrize("parts", [2, 1])
async def test_a_file_refused_for_one_key_says_nothing_of_its_rows(ports: Ports, server: Server, parts: int) -> None:
    """One row of two invoices' file is in it twice. Finance takes in nothing and names no row."""
    cargo = [await _land(ports, uuid4()) for _ in range(parts)]
    error = '[{"RecordId":"","Field":"","ErrorMessage":"' + TWICE + '"}]'
    server.script(
        said({"value": [{"TargetRecordsCreatedCount": 0, "TargetRecordsUpdatedCount": 0}]}), said({"value": error})
    )
    server.rule = lambda _: said({"value": []})
    outcome = await outcome_of(ports, _shipment(cargo), ImportStatus.FAILED, cargo, {})
    assert (outcome.rejected, len(outcome.again)) == ({}, parts)
    assert "DMF1959" in outcome.why


async def test_the_one_row_that_two_parts_share_is_not_rejected_for_being_shared(ports: Ports, server: Server) -> None:
    """Two people asked for the same row again, and both requests travelled in one file. Finance named the key that was
    in it twice, and the row was rejected, which alone would have been taken."""
    first = await _land(ports, uuid4())
    cargo = [first, replace(first, part_key="part|actuals|0001|500001|usmf")]
    key = (await ports.landing.rows(first.blob))[0][ports.maps[ACTUALS].position("ACTUALSIMPORTID")]
    error = json.dumps([{"RecordId": "", "Field": "", "ErrorMessage": f"DMF1959 The duplicate key value is ({key})."}])
    counts = [{"TargetRecordsCreatedCount": 0, "TargetRecordsUpdatedCount": 0}]
    server.script(said({"value": counts}), said({"value": error}))
    server.rule = lambda _: said({"value": []})
    outcome = await outcome_of(ports, _shipment(cargo), ImportStatus.FAILED, cargo, {})
    assert outcome.again == {item.row_key for item in cargo}


async def test_an_import_that_ended_before_it_was_taken_up_is_made_again(ports: Ports, server: Server) -> None:
    """The package's address had expired by the time Finance fetched it: the import failed and left no details. No row
    was at fault, and all of them were rejected."""
    cargo = await _land(ports, uuid4())
    part = Part(cargo.subject, ACTUALS, 1, 0, "usmf", cargo.blob, 1)
    await ports.ledger.open_page(Page(part.subject, part.stage, 1, 0))
    page = await ports.ledger.page(part.subject, part.stage, 1, 0)
    assert page is not None
    await ports.ledger.close_page(page, [part], last=True)
    await ports.dock.land(part)
    view = await ports.dock.view(ACTUALS)
    waiting = [item for item in view.ready if item.subject == cargo.subject]
    shipment = await ports.dock.claim(view, waiting, lane=0, ticket=uuid4().hex)
    await ports.dock.finish(shipment)
    server.rule = lambda request: said({"value": "Failed" if "SummaryStatus" in request.target else []})
    await settle(ports, Settle(stage=ACTUALS, ticket=shipment.ticket), after=_goes_on)
    view = await ports.dock.view(ACTUALS)
    assert shipment.ticket not in view.shipments
    assert [item.tries for item in view.ready if item.subject == cargo.subject] == [1]
    assert await ports.rejections.of(cargo.subject) == []


async def _goes_on(ports: Ports, run: Run, account: Account) -> None:
    raise AssertionError(f"{run.subject} went on in {ports} with {account}")


async def _land(ports: Ports, invoice_id: UUID) -> Cargo:
    table_map = ports.maps[ACTUALS]
    amounts = {"ACTUALSIMPORTID": str(uuid4()), "ACTUALID": str(uuid4()), "AMOUNT": str(Decimal("1.25"))}
    row = [amounts.get(column, "") for column in table_map.columns]
    blob = await ports.landing.write(invoice_id, ACTUALS, encode([row]), written_by=table_map.digest)
    return Cargo(ACTUALS, invoice_id, "part|actuals|0001|000000|usmf", "usmf", 1, blob, now())


def _shipment(cargo: Sequence[Cargo]) -> Shipment:
    return Shipment(ACTUALS, uuid4().hex, "usmf", 0, "relay-actuals-1", len(cargo), 0, ImportStep.FINISHED, now())

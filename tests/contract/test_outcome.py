"""What an import that failed as a whole means for the parts that travelled in it."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from shared.clock import now
from shared.finance import ImportStatus
from shared.landing import encode
from shared.outcome import outcome_of
from shared.ports import Ports
from shared.shipment import Cargo, Shipment, Step
from shared.stages import Stage
from tests.contract.server import Server, said
from tests.contract.test_wiring import ports

__all__ = ["ports"]

TWICE = (
    "DMF1959 Violation of PRIMARY KEY constraint. The duplicate key value is (5d059d93-7c2b-5c9d-a7db-05fa580c2937)."
)


@pytest.mark.parametrize(("parts", "apart"), [(2, True), (1, False)])
async def test_a_file_refused_for_one_key_is_taken_apart_before_its_rows_are_given_up(
    ports: Ports, server: Server, *, parts: int, apart: bool
) -> None:
    """One row of two invoices' file is in it twice. Finance takes in nothing and names no row: that is no reason to
    reject the others, and each part goes again by itself."""
    cargo = [await _land(ports, uuid4()) for _ in range(parts)]
    error = '[{"RecordId":"","Field":"","ErrorMessage":"' + TWICE + '"}]'
    server.script(
        said({"value": [{"TargetRecordsCreatedCount": 0, "TargetRecordsUpdatedCount": 0}]}), said({"value": error})
    )
    server.rule = lambda _: said({"value": []})
    outcome = await outcome_of(ports, _shipment(cargo), ImportStatus.FAILED, cargo, {})
    assert bool(outcome.whole) is apart
    assert sum(map(len, outcome.rejected.values())) == (0 if apart else 1)


async def _land(ports: Ports, invoice_id: UUID) -> Cargo:
    columns = ports.maps[Stage.ACTUALS].columns
    amounts = {"ACTUALSIMPORTID": str(uuid4()), "ACTUALID": str(uuid4()), "AMOUNT": str(Decimal("1.25"))}
    row = [amounts.get(column, "") for column in columns]
    blob = await ports.landing.write(invoice_id, Stage.ACTUALS, encode([row]))
    return Cargo(Stage.ACTUALS, invoice_id, "part|actuals|0001|000000|usmf", "usmf", 1, blob, now())


def _shipment(cargo: Sequence[Cargo]) -> Shipment:
    return Shipment(Stage.ACTUALS, uuid4().hex, "usmf", 0, "relay-actuals-1", len(cargo), 0, Step.FINISHED, now())

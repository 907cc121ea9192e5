"""The connections of a dismissed row stay behind only where Finance does not hold the row."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from link_transactions.release import release
from shared.engine.lifecycle import accept
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Page, Part, State
from shared.project_operations.codes import ACTUALS, CONNECTIONS
from shared.storage.landing import encode
from tests.contract.server import Server, said
from tests.contract.test_wiring import ports
from tests.run_states import set_state

__all__ = ["ports"]


@pytest.mark.parametrize(("is_held", "rows", "left_out"), [(True, 2, 0), (False, 1, 1)])
async def test_connections_of_a_dismissed_row_go_where_finance_holds_it_after_all(
    ports: Ports, server: Server, *, is_held: bool, rows: int, left_out: int
) -> None:
    """Finance had refused a row in words that named another one; the wrong one was dismissed, and 3 of its invoice's 5
    connections were sent."""
    dismissed, invoice_id = str(uuid4()), uuid4()
    part = await _held_part(ports, invoice_id, [dismissed, str(uuid4())])
    row = RejectedRow(ACTUALS, str(uuid4()), "application", "no", source_id=dismissed.upper())
    await ports.rejections.keep(invoice_id, [row])
    await ports.rejections.change(invoice_id, await ports.rejections.of(invoice_id), status="dismissed")
    server.rule = lambda request: said({"value": [{"ActualId": dismissed}] if is_held else []})
    await release(ports, Load(stage=CONNECTIONS, subject=invoice_id))
    released = await ports.ledger.part(invoice_id, part.row_key)
    assert released is not None
    assert (released.state, released.rows, released.left_out) == ("landed", rows, left_out)
    assert [request.target.startswith("/data/ProjActualsImports?") for request in server.received] == [True]


async def _held_part(ports: Ports, invoice_id: UUID, billed: list[str]) -> Part:
    """A run with all actuals in Finance, and one held connection for each of them."""
    await accept(ports.ledger, invoice_id)
    run = await ports.ledger.run(invoice_id)
    assert run is not None
    await set_state(ports.ledger, run, state=State.LINKING)
    table_map = ports.maps[CONNECTIONS]
    texts = [_connection(list(table_map.columns), actual) for actual in billed]
    blob = await ports.landing.write(invoice_id, CONNECTIONS, encode(texts), written_by=table_map.digest)
    part = Part(invoice_id, CONNECTIONS, 1, 0, "usmf", blob, len(texts), state="held")
    await ports.ledger.open_page(Page(invoice_id, ACTUALS, 1, 0))
    page = await ports.ledger.page(invoice_id, ACTUALS, 1, 0)
    assert page is not None
    await ports.ledger.close_page(replace(page, stage=ACTUALS), [part], last=True)
    return part


def _connection(columns: list[str], actual: str) -> list[str]:
    given = {"CONNECTIONID": str(uuid4()), "TRANSACTION1ID": actual, "TRANSACTION2ID": str(uuid4())}
    return [given.get(column, "x") for column in columns]

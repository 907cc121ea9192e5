"""Recently rejected runs are reported, including the case that all of them were."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableClient

from operate.repair.rejected_runs import rejected_lately
from shared.engine.lifecycle import accept
from shared.engine.ports import Ports
from shared.ledger.run import State
from shared.ledger.run_list import RunList
from shared.ledger.runs import Ledger
from simulators.azurite import Azurite
from tests.contract.test_wiring import ports
from tests.run_states import set_state

__all__ = ["ports"]


@pytest.fixture
async def own(ports: Ports, azurite: Azurite) -> AsyncIterator[Ports]:
    """The app's ports with a ledger of their own."""
    async with TableClient.from_connection_string(azurite.connection_string(), f"runs{uuid4().hex[:12]}") as table:
        await table.create_table()
        ledger = Ledger(table, table, ports.now)
        yield replace(ports, run_list=RunList(table, ledger.look), ledger=ledger)
        await table.delete_table()


async def ended(ports: Ports, state: State, detail: str = "") -> str:
    """A run that ended so; its invoice."""
    invoice_id = uuid4()
    await accept(ports.ledger, invoice_id)
    run = await ports.ledger.run(invoice_id)
    assert run
    await set_state(ports.ledger, run, state=state, detail=detail)
    return str(run.subject)


async def test_a_rejected_run_among_others_is_told_with_its_reason(own: Ports) -> None:
    assert await rejected_lately(own) == []
    await ended(own, State.COMPLETED)
    assert await rejected_lately(own) == []
    invoice_id = await ended(own, State.REJECTED, "Dataverse has no such invoice")
    assert await rejected_lately(own) == [
        f"1 run was rejected in the last day: {invoice_id} (Dataverse has no such invoice)"
    ]


async def test_rejected_runs_alone_look_like_another_organization_s(own: Ports) -> None:
    for _ in range(7):
        await ended(own, State.REJECTED, "Dataverse has no such invoice")
    [text] = await rejected_lately(own)
    assert text.startswith("7 runs were rejected in the last day: ")
    assert ", ... (Dataverse has no such invoice); " in text
    assert "looks like another organization's invoices: compare DATAVERSE_URL" in text
    later = own.now() + timedelta(days=1, minutes=1)
    assert await rejected_lately(replace(own, now=lambda: later)) == []

"""Operator requests that were interrupted by a crash, and how they are finished."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient

from shared.clock import now
from shared.engine.lifecycle import accept
from shared.errors import LeaseLost
from shared.ledger.rejected_rows import Rejections
from shared.ledger.run import Run, State
from shared.ledger.run_list import RunList
from shared.ledger.runs import Ledger
from simulators.azurite import Azurite
from tests.endtoend.relay import Relay
from tests.operations.operator import ACTUALS, BY, Operator
from tests.run_states import set_state

REFUSED = {"entity": ACTUALS, "everyNth": 2, "message": "Line property 'A 17' is missing"}


def test_a_dismissal_that_was_cut_off_before_the_run_went_on_is_made_good_by_repeating_it(
    system: Relay, operator: Operator
) -> None:
    """The rows were marked as dismissed, then the host crashed. No row was open any more, so repeating the dismissal
    found nothing to do and the run stayed stopped."""
    system.tenant.switch("finance", rejectRows=[REFUSED])
    invoice_id = system.tenant.draft(3, seed=320)
    system.tenant.confirm(invoice_id)
    operator.await_state(invoice_id, "needs attention")
    (group,) = (each["group"] for each in operator.groups(invoice_id))
    asyncio.run(_dismiss_and_die(system, invoice_id))
    assert operator.run(invoice_id)["state"] == "needs attention"
    answer = operator.post("dismissals", group=group, invoiceId=invoice_id, reason="booked by hand")
    assert answer["rows"] == 0
    operator.await_state(invoice_id, "completed")


async def _dismiss_and_die(system: Relay, invoice_id: str) -> None:
    async with TableServiceClient.from_connection_string(system.stack.azurite.connection_string()) as tables:
        rejections = Rejections(tables.get_table_client("runs"), now)
        rows = await rejections.of(UUID(invoice_id))
        await rejections.change(UUID(invoice_id), rows, status="dismissed", reason="booked by hand", by=BY, at=now())


async def test_a_run_goes_back_to_work_only_after_the_register_shows_it_as_unfinished(azurite: Azurite) -> None:
    """A host crashed between the run and the list. The list still showed the run as finished, and no sweep examined
    it again."""
    async with TableServiceClient.from_connection_string(azurite.connection_string()) as tables:
        table = await tables.create_table(f"t{uuid4().hex}")
        register = RunList(await tables.create_table(f"r{uuid4().hex}"))
        ledger = Ledger(table, register, now)
        invoice_id = (await accept(ledger, uuid4()))[0].invoice_id
        run = await ledger.run(invoice_id)
        assert run is not None
        stopped = await set_state(ledger, run, state=State.NEEDS_ATTENTION)
        dying = Ledger(table, RunList(tables.get_table_client("nosuchtable")), now)
        with pytest.raises(ResourceNotFoundError):
            await set_state(dying, stopped, state=State.SYNCING_ACTUALS)
        standing = await ledger.run(invoice_id)
        assert standing is not None
        assert standing.state == State.NEEDS_ATTENTION


async def test_whoever_comes_too_late_to_put_a_run_to_work_leaves_the_list_as_it_is(azurite: Azurite) -> None:
    """Two operators asked for the same repair, and the second came when the first one's was done. He lost the race for
    the run, but the list went on calling it unfinished until the next sweep."""
    async with _books(azurite) as (ledger, register):
        invoice_id = (await accept(ledger, uuid4()))[0].invoice_id
        first = await _completed(ledger, invoice_id)
        second = await ledger.run(invoice_id)
        assert second is not None
        await set_state(ledger, await set_state(ledger, first, state=State.SYNCING_ACTUALS), state=State.COMPLETED)
        with pytest.raises(LeaseLost):
            await set_state(ledger, second, state=State.SYNCING_ACTUALS)
        assert await _listed(register) == [State.COMPLETED]


async def test_a_host_that_was_held_up_does_not_list_a_run_at_work_as_finished(azurite: Azurite) -> None:
    """A host completed a run and was delayed before it wrote that to the list. Meanwhile another host restarted the
    run. The late write showed it as finished, and no sweep would have examined it again."""
    async with _books(azurite) as (ledger, register):
        invoice_id = (await accept(ledger, uuid4()))[0].invoice_id
        finished = await _completed(ledger, invoice_id)
        await set_state(ledger, finished, state=State.SYNCING_ACTUALS)
        await register.note(finished)
        assert await _listed(register) == [State.SYNCING_ACTUALS]


async def test_notes_of_a_run_at_the_same_moment_leave_the_latest(azurite: Azurite) -> None:
    """Two hosts wrote the same run to the list at the same moment, and the last writer won."""
    async with _books(azurite) as (ledger, _), _books(azurite) as (_, register):
        invoice_id = (await accept(ledger, uuid4()))[0].invoice_id
        run = await ledger.run(invoice_id)
        assert run is not None
        saved = [run]
        for state in (State.SYNCING_HEADER, State.SYNCING_ACTUALS, State.LINKING, State.VERIFYING, State.COMPLETED):
            saved.append(await set_state(ledger, saved[-1], state=state))
        await asyncio.gather(*(register.note(each) for each in list(reversed(saved)) * 3))
        assert await _listed(register) == [State.COMPLETED]


@asynccontextmanager
async def _books(azurite: Azurite) -> AsyncIterator[tuple[Ledger, RunList]]:
    """A ledger and its list of runs, empty."""
    async with TableServiceClient.from_connection_string(azurite.connection_string()) as tables:
        register = RunList(await tables.create_table(f"r{uuid4().hex}"))
        yield Ledger(await tables.create_table(f"t{uuid4().hex}"), register, now), register


async def _completed(ledger: Ledger, invoice_id: UUID) -> Run:
    run = await ledger.run(invoice_id)
    assert run is not None
    return await set_state(ledger, run, state=State.COMPLETED)


async def _listed(register: RunList) -> list[State]:
    return [entry.state async for entry in register.entries()]

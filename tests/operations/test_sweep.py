"""A lost webhook, a lost message, a late confirmation: the sweep finds the work that no message is left for."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob import BlobServiceClient, ContainerClient

from shared.clock import now
from shared.errors import LeaseLost
from shared.ledger.run import State
from shared.ledger.run_list import Listing, RunList
from shared.ledger.runs import Ledger
from tests.endtoend.relay import Relay, await_that
from tests.endtoend.test_messages import accept_without_message
from tests.operations.conftest import STALLED_AFTER_SECONDS
from tests.operations.operator import Operator, produced_actuals
from tests.run_states import set_state

STALLED_AFTER = timedelta(seconds=STALLED_AFTER_SECONDS)
QUEUES = ("invoices", "actuals", "transactionconnections")


def test_without_any_webhook_every_confirmed_invoice_completes(system: Relay, operator: Operator) -> None:
    system.tenant.switch("dataverse", webhookOff=True)
    invoices = [system.tenant.draft(lines, seed=100 + lines) for lines in (1, 12, 20)]
    draft = system.tenant.draft(2, seed=104)
    for invoice_id in invoices:
        system.tenant.confirm(invoice_id)
    swept = operator.sweep()
    assert {each["invoiceId"] for each in swept["started"]} == set(invoices)
    assert {each["invoiceNumber"] for each in swept["started"]} == {
        system.tenant.invoice(each)["number"] for each in invoices
    }
    assert [run["state"] for run in system.finish(invoices)] == ["completed"] * 3
    assert system.tenant.run(draft) is None
    held = {row["ActualId"].lower() for row in system.tenant.held("actuals")}
    assert all(produced_actuals(system, invoice_id) <= held for invoice_id in invoices)
    again = operator.sweep()
    assert (again["started"], again["revived"]) == ([], [])
    last = operator.get("health")["lastSweep"]
    assert (last["at"], last["started"], last["revived"]) == (again["at"], 0, 0)


def test_a_run_whose_messages_were_lost_is_revived(system: Relay, operator: Operator) -> None:
    """Its import runs, but no message is left to poll it."""
    system.tenant.switch("finance", importFixedSeconds=4.0)
    invoice_id = system.tenant.draft(20, seed=110)
    system.tenant.confirm(invoice_id)
    operator.await_state(invoice_id, "syncing actuals")
    await_that(lambda: _is_importing(operator, "actuals"), "import of actuals")
    moved = datetime.fromisoformat(operator.run(invoice_id)["updatedAt"])
    assert await_that(lambda: _lost_and_revived(system, operator, invoice_id), "revival") == ["syncing actuals"]
    assert datetime.now(UTC) - moved > STALLED_AFTER, "what moves is left alone"
    assert system.finish([invoice_id])[0]["state"] == "completed"


@contextmanager
def losing_its_first_message(system: Relay, operator: Operator, invoice_id: str) -> Iterator[None]:
    """Confirm an invoice during a pause, lose the message of its run, and wait until a sweep would notice."""
    with operator.pausing(None):
        system.tenant.confirm(invoice_id)
        operator.await_state(invoice_id, "accepted")
        _lose_messages(system)
        accepted_at = datetime.fromisoformat(operator.run(invoice_id)["acceptedAt"])
        await_that(lambda: datetime.now(UTC) > accepted_at + STALLED_AFTER, "the run is quiet")
        yield


def test_a_run_that_lost_its_very_first_message_is_revived_and_only_once(system: Relay, operator: Operator) -> None:
    invoice_id = system.tenant.draft(3, seed=111)
    with losing_its_first_message(system, operator, invoice_id):
        assert _revived(operator, invoice_id) == [], "what is paused stays where it is"
    assert _revived(operator, invoice_id) == ["accepted"]
    assert _revived(operator, invoice_id) == [], "messages do not pile up with every sweep"
    assert system.finish([invoice_id])[0]["state"] == "completed"


def test_a_sweep_that_takes_longer_than_a_run_is_quiet_revives_no_run_twice(system: Relay, operator: Operator) -> None:
    invoice_id = system.tenant.draft(3, seed=114)
    with losing_its_first_message(system, operator, invoice_id):
        system.tenant.switch("dataverse", latencySeconds=STALLED_AFTER_SECONDS + 1.0)
    assert _revived(operator, invoice_id) == ["accepted"]
    system.tenant.switch("dataverse", latencySeconds=0.0)
    assert system.finish([invoice_id])[0]["state"] == "completed"


def test_a_webhook_that_died_between_the_run_and_its_message_is_made_up_for_by_one_sweep(
    system: Relay, operator: Operator
) -> None:
    system.tenant.switch("dataverse", webhookOff=True)
    invoice_id = system.tenant.draft(3, seed=112)
    system.tenant.confirm(invoice_id)
    asyncio.run(accept_without_message(system, invoice_id))
    accepted_at = datetime.fromisoformat(operator.run(invoice_id)["acceptedAt"])
    await_that(lambda: datetime.now(UTC) > accepted_at + STALLED_AFTER, "the run is quiet")
    assert _revived(operator, invoice_id) == ["accepted"]
    assert system.finish([invoice_id])[0]["state"] == "completed"


def test_a_rejected_run_starts_once_its_invoice_is_confirmed(system: Relay, operator: Operator) -> None:
    invoice_id = system.tenant.draft(3, seed=113)
    assert system.post(json=system.event(invoice_id)).status_code == 202
    assert system.finish([invoice_id])[0]["state"] == "rejected"
    assert operator.sweep()["started"] == []
    system.tenant.switch("dataverse", webhookOff=True)
    system.tenant.confirm(invoice_id)
    assert [each["invoiceId"] for each in operator.sweep()["started"]] == [invoice_id]
    operator.await_state(invoice_id, "completed")


def test_a_completed_run_that_is_marked_as_moving_is_put_right_by_one_sweep(system: Relay, operator: Operator) -> None:
    """A host that marked it as moving and was held up before it saved it comes too late after that: the sweep would
    never look at it again."""
    invoice_id = system.tenant.draft(3, seed=117)
    system.tenant.confirm(invoice_id)
    system.finish([invoice_id])
    asyncio.run(_put_to_work(system, operator, invoice_id))
    assert _listed(operator, invoice_id) == operator.run(invoice_id)["state"] == "completed"


async def _put_to_work(system: Relay, operator: Operator, invoice_id: str) -> None:
    """Mark a completed run as moving, let the sweep look, and only then go on to save it."""
    async with TableServiceClient.from_connection_string(system.stack.azurite.connection_string()) as tables:
        listed = tables.get_table_client("register")
        ledger = Ledger(tables.get_table_client("runs"), listed, now)
        run_list = RunList(listed, ledger.look)
        run = await ledger.run(UUID(invoice_id))
        assert run
        await Listing(listed).move(replace(run, state=State.SYNCING_ACTUALS))
        assert run.subject in await run_list.opened()
        assert await asyncio.to_thread(_listed, operator, invoice_id) == "completed"
        await asyncio.to_thread(operator.sweep)
        assert run.subject not in await run_list.opened()
        assert await asyncio.to_thread(_listed, operator, invoice_id) == "completed"
        with pytest.raises(LeaseLost):
            await set_state(ledger, run, state=State.SYNCING_ACTUALS)


def _listed(operator: Operator, invoice_id: str) -> str:
    (state,) = (each["state"] for each in operator.get("runs", top=500)["runs"] if each["invoiceId"] == invoice_id)
    return str(state)


def test_blobs_that_nobody_owns_are_deleted_and_those_of_a_run_that_needs_them_stay(
    system: Relay, operator: Operator
) -> None:
    invoice_id = system.tenant.draft(12, seed=115)
    with operator.pausing("transactionconnections"):
        system.tenant.confirm(invoice_id)
        operator.await_state(invoice_id, "linking")
        needed = _blobs(system, invoice_id)
        assert needed
        orphans = [f"{invoice_id}/actuals/{uuid4().hex}", f"{uuid4()}/actuals/{uuid4().hex}", "no-invoice/rows"]
        for name in orphans:
            _landed(system).upload_blob(name, b"lost a race")
        await_that(lambda: set(orphans).isdisjoint(_blobs_after_sweep(system, operator)), "orphans deleted")
        assert _blobs(system, invoice_id) == needed
    assert system.finish([invoice_id])[0]["state"] == "completed"
    await_that(lambda: not _blobs(system, invoice_id), "landed parts of a completed run are deleted")


def _lose_messages(system: Relay) -> None:
    for queue in QUEUES:
        system.queues().get_queue_client(queue).clear_messages()


def _lost_and_revived(system: Relay, operator: Operator, invoice_id: str) -> list[str]:
    """As `_revived`, without the messages; a worker that was looking at the import writes another one afterwards."""
    _lose_messages(system)
    return _revived(operator, invoice_id)


def _is_importing(operator: Operator, name: str) -> bool:
    return any(lane["map"] == name and lane["step"] == "running" for lane in operator.get("health")["lanes"])


def _revived(operator: Operator, invoice_id: str) -> list[str]:
    """Sweep; the states in which the run of this invoice was found without a worker."""
    return [each["state"] for each in operator.sweep()["revived"] if each["invoiceId"] == invoice_id]


def _blobs_after_sweep(system: Relay, operator: Operator) -> list[str]:
    operator.sweep()
    return _blobs(system)


def _blobs(system: Relay, invoice_id: str = "") -> list[str]:
    return sorted(_landed(system).list_blob_names(name_starts_with=invoice_id))


def _landed(system: Relay) -> ContainerClient:
    service = BlobServiceClient.from_connection_string(system.stack.azurite.connection_string())
    return service.get_container_client("landed")

"""The storage account is lost in the middle of the month, with all it held, and the app starts with an empty one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from simulators.stack import HOST_GRACE_SECONDS
from simulators.summary import is_complete, summarize
from tests.endtoend.relay import Relay, relay
from tests.operations.operator import (
    ACTUALS,
    Accountant,
    Operator,
    held,
    journal_end,
    produced_actuals,
    sent_keys,
)
from tests.write_back.bookkeeping import COMPANY, number_of, post

HEADERS = "Project invoice proposal V2"
REFUSED = {"entity": ACTUALS, "field": "DESCRIPTION", "contains": "crane", "message": "Line property is missing"}
OURS = "Approved by phone"


@dataclass(frozen=True)
class Month:
    """What there was when the account was lost, and what Finance had taken in until then."""

    system: Relay
    posted: str
    changed: str
    halfway: str
    unheard: str
    missing: frozenset[str]
    taken: int

    @property
    def invoices(self) -> list[str]:
        """All invoices of the month."""
        return [self.posted, self.changed, self.halfway, self.unheard]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """A month of four invoices, and the app on an empty account after a sweep."""
    with relay(tmp_path_factory.mktemp("lost"), settings={"DATAVERSE_PAGE_ROWS": "20"}) as system:
        posted, changed = system.carry(50, seed=901, retainersUsed=1), system.carry(5, seed=902)
        post(system, posted)
        first = held(system, number_of(system, changed))[0]
        Accountant(system).change(str(first["ActualsImportId"]), Description=OURS)
        system.tenant.switch("finance", rejectRows=[REFUSED])
        halfway = system.carry(12, seed=200)
        system.tenant.switch("finance", rejectRows=[])
        missing = produced_actuals(system, halfway) - _held(system)
        assert missing
        system.tenant.switch("dataverse", webhookOff=True)
        unheard = system.tenant.draft(3, seed=904)
        system.tenant.confirm(unheard)
        taken = journal_end(system)
        _lose_account(system)
        found = Month(system, posted, changed, halfway, unheard, frozenset(missing), taken)
        assert len(Operator(system).sweep()["started"]) == len(found.invoices)
        system.finish(found.invoices)
        yield found


def test_everything_is_in_finance_once_and_verified_again(month: Month) -> None:
    carried = [month.posted, month.halfway, month.unheard]
    runs = month.system.finish(carried)
    month.system.tenant.book(COMPANY)
    summary = summarize(month.system.tenant, carried, runs, 0)
    assert is_complete(summary), (summary, [run["detail"] for run in runs])
    assert "all verified" in runs[0]["detail"]
    assert "were there already and were not sent again; the header was not sent" in runs[0]["detail"]


def test_only_what_finance_lacked_was_sent(month: Month) -> None:
    ids = {row["ActualsImportId"].lower(): row["ActualId"].lower() for row in month.system.tenant.held("actuals")}
    sent = [ids[key] for key in sent_keys(month.system, month.taken)]
    assert sorted(sent) == sorted(month.missing | produced_actuals(month.system, month.unheard))
    assert len(sent_keys(month.system, month.taken, HEADERS)) == 1


def test_what_an_accountant_changed_is_told_and_not_overwritten(month: Month) -> None:
    [run] = month.system.finish([month.changed])
    assert run["state"] == "needs attention"
    assert "differs in Finance from Dataverse, and what Finance held already was not sent again" in run["detail"]
    assert OURS in [row["Description"] for row in held(month.system, number_of(month.system, month.changed))]


def test_a_second_reading_overwrites_nothing_either(tmp_path: Path) -> None:
    with relay(tmp_path, settings={"DATAVERSE_PAGE_ROWS": "3"}) as system:
        invoice_id = system.carry(5, seed=905)
        first = held(system, number_of(system, invoice_id))[0]
        Accountant(system).change(str(first["ActualsImportId"]), Description=OURS)
        _lose_account(system)
        # A next link is not taken any more: everything is read from the start.
        system.tenant.switch("dataverse", cookieExpiresNext=1)
        Operator(system).sweep()
        [run] = system.finish([invoice_id])
        assert run["generation"] > 1
        assert OURS in [row["Description"] for row in held(system, number_of(system, invoice_id))]
        assert "differs in Finance from Dataverse" in run["detail"]


def _held(system: Relay) -> set[str]:
    return {row["ActualId"].lower() for row in system.tenant.held("actuals")}


def _lose_account(system: Relay) -> None:
    """Delete all tables, queues and blobs of the app while it does not run."""
    system.stack.hosts[0].stop(HOST_GRACE_SECONDS)
    account = system.stack.azurite.connection_string()
    with TableServiceClient.from_connection_string(account) as tables:
        for table in tables.list_tables():
            tables.delete_table(table.name)
    with BlobServiceClient.from_connection_string(account) as blobs:
        for container in blobs.list_containers():
            blobs.delete_container(container.name)
    queues = system.queues()
    for queue in queues.list_queues():
        queues.delete_queue(queue.name)
    system.stack.start_host()

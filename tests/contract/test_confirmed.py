"""Which invoices count as confirmed, also after a later status: the sweep, look-ups, periods and the number."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from confirm_invoice.header import read_header
from operate.reconcile.period import scope_of
from operate.reconcile.reports import summary
from operate.repair.sweep import look_up, sweep
from relay_contract.reconciliation import Expected
from shared.engine.lifecycle import accept
from shared.engine.messages import LookUp
from shared.engine.ports import Ports
from shared.errors import NeedsAttention, SubjectRejected
from shared.ledger.run import Page, Run, State
from shared.project_operations.codes import CANCELED, CONFIRMED, DRAFT, IN_REVIEW, INVOICES, PAID, PROJECT_INVOICE
from shared.project_operations.invoices import invoices_numbered
from simulators.azurite import Azurite
from tests.contract.conftest import Tenant
from tests.contract.opening import opened
from tests.contract.server import Received, Reply, Server, said
from tests.run_states import set_state

POSTED = 192350004
GO_LIVE = datetime(2031, 5, 1, tzinfo=UTC)
NOW = GO_LIVE + timedelta(days=20)
BEFORE, AFTER = GO_LIVE - timedelta(days=9), GO_LIVE + timedelta(days=9)


def text(instant: datetime) -> str:
    """An instant as Dataverse writes it."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Table:
    """The invoices of a scripted Dataverse, and when the first billed sale of each was created."""

    rows: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    billed: dict[UUID, datetime] = field(default_factory=dict)

    def add(
        self,
        status: int | None,
        *,
        state: int = 0,
        created: datetime = AFTER,
        modified: datetime = AFTER,
        billed: datetime | None = AFTER,
        **columns: Any,
    ) -> UUID:
        """Add an invoice and return its id."""
        key = uuid4()
        self.rows[key] = {
            "invoiceid": str(key), "msdyn_invoicenumber": f"N-{key.hex[:8]}", "invoicenumber": f"N-{key.hex[:8]}",
            "msdyn_ordertype": PROJECT_INVOICE, "msdyn_projectinvoicestatus": status, "statecode": state,
            "createdon": text(created), "modifiedon": text(modified), "name": "x",
            "msdyn_invoicedate": text(AFTER), **columns,
        }  # fmt: skip
        if billed:
            self.billed[key] = billed
        return key

    def answer(self, request: Received) -> Reply:
        """What Dataverse says."""
        parts = urlsplit(request.target)
        name = parts.path.rpartition("/")[2]
        condition = parse_qs(parts.query).get("$filter", [""])[0]
        if name == "msdyn_actuals":
            [key] = map(UUID, re.findall(r"_msdyn_invoice_value eq ([0-9a-f-]{36})", condition))
            return said({"value": [{"createdon": text(self.billed[key])}] if key in self.billed else []})
        if found := re.fullmatch(r"invoices\((.*)\)", name):
            return said(self.rows[UUID(found[1])])
        assert name == "invoices", request.target
        return said({"value": [row for row in self.rows.values() if _holds(condition, row)]})


def _holds(condition: str, row: dict[str, Any]) -> bool:
    """Whether the parts of a filter that these tests turn on hold; every operator there is one of these."""
    for column, operator, value in re.findall(r"(\w+) (eq|ne|ge) ([^()\s]+)", condition):
        known, wanted = str(row[column] if row[column] is not None else "null"), value.strip("'")
        if not {"eq": known == wanted, "ne": known != wanted, "ge": known >= wanted}[operator]:
            return False
    if listed := re.findall(r"PropertyValues=\[(.*?)\]", condition):
        return row["invoiceid"] in listed[0]
    return True


@pytest.fixture
def table(server: Server) -> Table:
    """A scripted Dataverse."""
    table = Table()
    server.rule = table.answer
    return table


@pytest.fixture
async def ports(tenant: Tenant, azurite: Azurite, server: Server, table: Table) -> AsyncIterator[Ports]:
    """The app, live since GO_LIVE, in a month of its own."""
    del table
    async with opened(tenant, azurite, server, now=lambda: NOW, SWEEP_START=text(GO_LIVE)) as ports:
        yield ports


async def begun(ports: Ports, key: UUID) -> Run:
    """The run of an invoice, as it is after a webhook."""
    await accept(ports.ledger, key)
    run = await ports.ledger.run(key)
    assert run is not None
    return run


def named(found: list[dict[str, str]], table: Table) -> set[UUID]:
    """Those of the invoices that are of this test: the storage is shared."""
    return {UUID(each["invoiceId"]) for each in found} & table.rows.keys()


async def test_the_sweep_starts_what_was_confirmed_whatever_became_of_it_since(ports: Ports, table: Table) -> None:
    confirmed = {table.add(CONFIRMED), table.add(PAID), table.add(POSTED), table.add(7), table.add(PAID, state=2)}
    confirmed |= {table.add(CONFIRMED, state=CANCELED), table.add(CONFIRMED, billed=None)}
    for status in (DRAFT, IN_REVIEW, None):
        table.add(status)
    table.add(POSTED, billed=None)
    table.add(CONFIRMED, state=CANCELED, billed=None)
    assert named((await sweep(ports)).document()["started"], table) == confirmed
    again = (await sweep(ports)).document()
    assert (named(again["started"], table), named(again["leftAlone"], table)) == (set(), set())


@pytest.mark.parametrize("status", [CONFIRMED, PAID, POSTED])
async def test_what_dual_write_carried_before_going_live_is_left_alone_when_it_is_paid(
    ports: Ports, table: Table, status: int
) -> None:
    old = table.add(status, created=BEFORE, billed=BEFORE)
    drafted_before = table.add(status, created=BEFORE, billed=AFTER)
    swept = (await sweep(ports)).document()
    assert named(swept["started"], table) == {drafted_before}
    assert named(swept["leftAlone"], table) == {old}
    await look_up(ports, LookUp(invoices=(old,)))
    await look_up(ports, LookUp(since=BEFORE))
    assert await ports.ledger.run(old) is None


async def test_a_carried_invoice_that_is_paid_later_is_not_started_again(ports: Ports, table: Table) -> None:
    key = table.add(CONFIRMED)
    run = await begun(ports, key)
    completed = await set_state(ports.ledger, run, state=State.COMPLETED)
    table.rows[key] |= {"msdyn_projectinvoicestatus": PAID, "modifiedon": text(NOW)}
    assert named((await sweep(ports)).document()["started"], table) == set()
    await look_up(ports, LookUp(invoices=(key,)))
    assert await ports.ledger.run(key) == completed


async def test_looking_up_starts_the_confirmed_ones_of_what_it_is_told(ports: Ports, table: Table) -> None:
    paid, draft, other = table.add(PAID), table.add(DRAFT), table.add(CONFIRMED)
    await look_up(ports, LookUp(invoices=(paid, draft, uuid4())))
    assert [await ports.ledger.run(key) is not None for key in (paid, draft, other)] == [True, False, False]
    await look_up(ports, LookUp(since=AFTER - timedelta(hours=1)))
    assert await ports.ledger.run(other) is not None


@pytest.mark.parametrize("status", [PAID, POSTED])
async def test_a_status_that_moved_on_before_the_read_back_loses_no_invoice(
    ports: Ports, table: Table, status: int
) -> None:
    key = table.add(status)
    assert "no company" in await _stopped(ports, key, NeedsAttention), "it got past the check of the status"


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [(DRAFT, 0, "not confirmed"), (POSTED, 0, "no billed sales: not confirmed"), (CONFIRMED, CANCELED, "no billed")],
)
async def test_the_read_back_refuses_what_was_not_confirmed(
    ports: Ports, table: Table, status: int, state: int, reason: str
) -> None:
    key = table.add(status, state=state, billed=None)
    assert reason in await _stopped(ports, key, SubjectRejected)


@pytest.mark.parametrize("status", [CONFIRMED, PAID])
async def test_a_webhook_about_what_dual_write_carried_starts_nothing_until_an_operator_names_it(
    ports: Ports, table: Table, status: int
) -> None:
    key = table.add(status, created=BEFORE, billed=BEFORE)
    reason = await _stopped(ports, key, SubjectRejected)
    assert "before SWEEP_START" in reason
    assert f"relay reconcile N-{key.hex[:8]} --fix" in reason
    run = await ports.ledger.run(key)
    assert run is not None
    await set_state(ports.ledger, run, state=State.REJECTED)
    assert named((await sweep(ports)).document()["leftAlone"], table) == {key}
    assert (await scope_of(ports, BEFORE, NOW)).before_go_live == {key}
    await accept(ports.ledger, key, is_named=True)
    assert "no company" in await _stopped(ports, key, NeedsAttention), "it got past the check"


async def test_what_was_confirmed_and_accepted_before_going_live_is_carried(
    tenant: Tenant, azurite: Azurite, server: Server, table: Table
) -> None:
    key = table.add(CONFIRMED, created=BEFORE, billed=BEFORE)
    async with opened(tenant, azurite, server, now=lambda: BEFORE, SWEEP_START=text(GO_LIVE)) as ports:
        assert "no company" in await _stopped(ports, key, NeedsAttention)


async def test_a_rejected_run_hides_no_invoice_that_was_confirmed_in_a_period(ports: Ports, table: Table) -> None:
    key = table.add(PAID, created=GO_LIVE, modified=NOW, billed=GO_LIVE + timedelta(days=1))
    await set_state(ports.ledger, await begun(ports, key), state=State.REJECTED)
    assert key in (await scope_of(ports, GO_LIVE, GO_LIVE + timedelta(days=2))).invoices


async def _stopped(ports: Ports, key: UUID, error: type[Exception]) -> str:
    """Read a header, and return why it stops."""

    async def announce(_: Any) -> None:
        """Nothing follows the only page of a header."""

    run = await begun(ports, key)
    with pytest.raises(error) as stopped:
        await read_header(ports, run, Page(key, INVOICES, 1, 0), announce)
    return str(stopped.value)


async def test_numbers_that_differ_stop_an_invoice_with_the_setting_that_helps(ports: Ports, table: Table) -> None:
    key = table.add(CONFIRMED, msdyn_invoicenumber="A-1", invoicenumber="B-1")
    reason = await _stopped(ports, key, NeedsAttention)
    assert "INVOICE_NUMBER_COLUMN" in reason
    assert "'A-1'" in reason
    assert "'B-1'" in reason


async def test_with_the_setting_the_number_is_that_column_and_both_find_the_invoice(
    tenant: Tenant, azurite: Azurite, server: Server, table: Table
) -> None:
    key = table.add(
        CONFIRMED, msdyn_invoicenumber="A-2", invoicenumber="B-2", msdyn_owningcompany={"cdm_companycode": "usmf"}
    )
    async with opened(tenant, azurite, server, INVOICE_NUMBER_COLUMN="invoicenumber") as ports:
        run = await begun(ports, key)

        async def announce(_: Any) -> None:
            """Nothing follows the only page of a header."""

        reading = await read_header(ports, run, Page(key, INVOICES, 1, 0), announce)
        known = await ports.ledger.run(key)
        assert known is not None
        assert known.number == "B-2"
        assert "B-2" in str(reading)
        assert "A-2" not in str(reading)
        for number in ("B-2", "A-2"):
            assert [(each.invoice_id, each.number) for each in await invoices_numbered(ports, number)] == [(key, "B-2")]
        table.rows[key]["invoicenumber"] = None
        assert "invoicenumber is empty" in await _stopped(ports, key, NeedsAttention)


async def test_a_period_is_what_dataverse_lists_and_what_runs_say(
    tenant: Tenant, azurite: Azurite, server: Server, table: Table
) -> None:
    start = datetime(2032, 3, 1, tzinfo=UTC)
    end, inside, later = start + timedelta(days=30), start + timedelta(days=3), start + timedelta(days=60)
    async with opened(tenant, azurite, server, now=lambda: inside) as ports:
        nothing = await scope_of(ports, start, end)
        assert (nothing.invoices, nothing.confirmed, nothing.runs) == ((), 0, 0)
        lost = table.add(PAID, created=start, modified=inside)
        paid_later = table.add(PAID, created=start, modified=later, billed=inside)
        table.add(PAID, created=start, modified=later, billed=later)
        table.add(PAID, created=later, modified=later, billed=later)
        carried = table.add(PAID, created=start, modified=later, billed=inside)
        set_back = table.add(DRAFT, created=start, modified=inside, billed=inside)
        gone, rejected = uuid4(), uuid4()
        for key in (carried, set_back, gone, rejected):
            run = await begun(ports, key)
            await set_state(ports.ledger, run, state=State.REJECTED if key == rejected else State.COMPLETED)
        scope = await scope_of(ports, start, end)
        assert set(scope.invoices) == {lost, paid_later, carried, set_back, gone}
        assert len(scope.invoices) == 5
        assert (scope.confirmed, scope.runs) == (3, 3)


async def test_a_period_says_which_of_its_invoices_dual_write_has_carried(ports: Ports, table: Table) -> None:
    since, until = GO_LIVE + timedelta(days=8), GO_LIVE + timedelta(days=10)
    old = table.add(PAID, created=BEFORE, billed=BEFORE)
    table.add(CONFIRMED)
    scope = await scope_of(ports, since, until)
    assert scope.before_go_live == {old}


def test_the_summary_counts_what_was_compared_and_calls_nothing_nothing() -> None:
    expected = Expected(confirmed=3, runs=1, before_go_live=1)
    told = summary(4, 3, expected)
    assert told.startswith("Compared 3 of 4 invoices. Dataverse lists 3 as confirmed; 1 run of this period.")
    assert "1 invoice confirmed before SWEEP_START" in told
    assert summary(0, 0, Expected(confirmed=0, runs=0, before_go_live=0)).startswith("Nothing was compared")
    assert summary(1, 1, None) == "Compared 1 of 1 invoice"

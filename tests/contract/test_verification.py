"""A run is completed only when Finance holds what Dataverse says now, in all mapped columns that Finance shows."""

import asyncio
from datetime import timedelta

import pytest

from link_transactions.verification import verify
from shared.clock import now
from shared.engine.leases import Leases
from shared.engine.messages import Verify
from shared.engine.ports import Ports
from shared.errors import LeaseLost, NeedsAttention
from shared.ledger.run import FOUND, Page, Part, State
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from shared.tables.rows import find_row
from tests.contract.server import Server
from tests.contract.test_wiring import ports
from tests.contract.world import World, actual, texts_of
from tests.run_states import set_state

__all__ = ["ports"]

UNBILLED = 192350005


def message(world: World) -> Verify:
    return Verify(stage=CONNECTIONS, subject=world.invoice_id)


async def verified(ports: Ports, server: Server, world: World) -> tuple[State, str]:
    """How the run ends."""
    server.rule = world.answer
    await verify(ports, message(world))
    run = await ports.ledger.run(world.invoice_id)
    assert run is not None
    return run.state, run.detail


async def refusal(ports: Ports, server: Server, world: World) -> str:
    """What is said when Finance holds something else."""
    server.rule = world.answer
    with pytest.raises(NeedsAttention) as caught:
        await verify(ports, message(world))
    return str(caught.value)


async def test_what_was_compared_is_said_exactly(ports: Ports, server: Server) -> None:
    world = World(ports, [actual(), actual(msdyn_description="")], [actual(UNBILLED)])
    await world.carry(ports)
    state, detail = await verified(ports, server, world)
    assert state == State.COMPLETED
    assert detail == (
        "Finance holds 2 rows, 251.0 USD as billed sales and 1 new unbilled sale; all verified: count, money and keys "
        "of all rows, and all 32 mapped columns of every row; header and 0 connections as Finance reported"
    )


async def test_a_header_that_was_not_sent_is_not_said_to_be_reported(ports: Ports, server: Server) -> None:
    """Its run found it in Finance, and later read all actuals again."""
    world = World(ports, [actual()])
    await world.carry(ports)
    header = Part(world.invoice_id, INVOICES, 1, 0, "usmf", "", 1, "settled", path=FOUND)
    await ports.ledger.close_page(Page(world.invoice_id, INVOICES, 1, 0), [header], last=True)
    state, detail = await verified(ports, server, world)
    assert state == State.COMPLETED
    assert detail.endswith(
        "; 0 connections as Finance reported; the header was not sent, because Finance held billed sales before "
        "(it does not show headers)"
    )


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Quantity", 25.1),
        ("UnitPrice", 5),
        ("Description", "Design Work"),
        ("AccountingDate", "2026-11-19T12:00:00Z"),
        ("BillingType", "NonChargeable"),
        ("ExternalReference", "X"),
    ],
)
async def test_a_column_that_finance_holds_otherwise_is_named_with_both_values(
    ports: Ports, server: Server, column: str, value: object, *, fresh: bool
) -> None:
    world = World(ports, [actual(), actual()], [actual(UNBILLED)])
    await world.carry(ports)
    key = (world.fresh if fresh else world.sold)[0]["msdyn_actualimportid"]
    world.finance[key][column] = value
    text = await refusal(ports, server, world)
    assert text.startswith("mismatch: 1 of 3 rows compared differs in Finance from what was sent: " + key)
    assert f"{column.upper()} '" in text
    assert f"'{value}'"[:12] in text


async def test_what_a_text_loses_at_its_end_is_no_difference_but_a_cut_is(ports: Ports, server: Server) -> None:
    world = World(ports, [actual(msdyn_description="two lines\r\nand blanks  "), actual(msdyn_description="ab" * 100)])
    await world.carry(ports)
    world.finance[world.sold[0]["msdyn_actualimportid"]]["Description"] = "two lines\nand blanks"
    assert (await verified(ports, server, world))[0] == State.COMPLETED
    world = World(ports, [actual(msdyn_description="ab" * 100)])
    await world.carry(ports)
    world.finance[world.sold[0]["msdyn_actualimportid"]]["Description"] = "ab" * 50
    assert "(200 characters)" in await refusal(ports, server, world)


async def test_rows_of_a_map_that_had_two_columns_changed_about_are_sent_again(ports: Ports, server: Server) -> None:
    """A part written before a deployment had QUANTITY and UNITPRICE in each other's place; count, money and keys were
    right, and the run was "all verified"."""
    world = World(ports, [actual(), actual()])
    table_map = ports.maps[ACTUALS]
    quantity, price = table_map.position("QUANTITY"), table_map.position("UNITPRICE")
    sent = {}
    for row in world.sold:
        texts = texts_of(table_map, row, ports)
        texts[quantity], texts[price] = texts[price], texts[quantity]
        sent[row["msdyn_actualimportid"]] = texts
        held = world.finance[row["msdyn_actualimportid"]]
        held["Quantity"], held["UnitPrice"] = held["UnitPrice"], held["Quantity"]
    await world.carry(ports, sent=sent)
    assert (await verified(ports, server, world))[0] == State.SYNCING_ACTUALS
    run = await ports.ledger.run(world.invoice_id)
    assert run is not None
    assert run.generation == 2
    assert "Dataverse or the map has changed since 2 rows were read" in run.wait
    assert "QUANTITY '5' in Dataverse, '25.1' in Finance" in run.wait


async def test_a_row_edited_in_dataverse_since_it_was_read_is_sent_again(ports: Ports, server: Server) -> None:
    world = World(ports, [actual(), actual()])
    await world.carry(ports)
    world.sold[1]["msdyn_externaldescription"] = "as agreed"
    assert (await verified(ports, server, world))[0] == State.SYNCING_ACTUALS


async def test_a_row_exchanged_for_another_with_the_same_money_is_read_again(ports: Ports, server: Server) -> None:
    """Count and money of Dataverse are those that were read, and Finance holds what was read: it was verified."""
    world = World(ports, [actual(), actual()])
    await world.carry(ports)
    world.sold[1] = actual()
    assert (await verified(ports, server, world))[0] == State.SYNCING_ACTUALS


async def test_a_column_that_finance_does_not_show_is_said_to_be_left_out(ports: Ports, server: Server) -> None:
    world = World(ports, [actual()])
    await world.carry(ports)
    for row in world.finance.values():
        del row["TaskNumber"]
    _, detail = await verified(ports, server, world)
    assert "all verified" not in detail
    assert "31 mapped columns of every row" in detail
    assert "TASKNUMBER" in detail


async def test_a_new_unbilled_sale_that_dataverse_has_no_more_is_told(ports: Ports, server: Server) -> None:
    world = World(ports, [actual()], [actual(UNBILLED)])
    await world.carry(ports)
    lost = world.fresh.pop()
    text = await refusal(ports, server, world)
    assert text.startswith("mismatch: Finance holds 1 new unbilled sale that Dataverse no longer has, the first ")
    assert lost["msdyn_actualimportid"] in text


@pytest.mark.parametrize("rows", [3, 8])
async def test_of_more_rows_than_the_bound_a_sample_is_compared_and_said_to_be_one(
    ports: Ports, server: Server, rows: int
) -> None:
    settings = ports.settings.model_copy(update={"verify_all_rows": 7, "verify_sample_rows": 2})
    object.__setattr__(ports, "settings", settings)
    world = World(ports, [actual() for _ in range(rows)], [actual(UNBILLED) for _ in range(2)])
    await world.carry(ports)
    _, detail = await verified(ports, server, world)
    assert ("all verified" in detail) is (rows == 3)
    # Two, or one more where chance has left the group of the billed or of the new unbilled ones out.
    if rows == 8:
        assert "32 mapped columns of a sample of 2 of 10 rows" in detail or "of a sample of 3 of 10 rows" in detail


async def test_rows_that_cannot_be_compared_again_are_not_said_to_be(ports: Ports, server: Server) -> None:
    """The landed parts that name the new unbilled sales are gone with the end of a run."""
    world = World(ports, [actual()], [actual(UNBILLED)])
    await world.carry(ports)
    assert (await verified(ports, server, world))[0] == State.COMPLETED
    run = await ports.ledger.run(world.invoice_id)
    assert run is not None
    await set_state(ports.ledger, run, state=State.VERIFYING, verified=0)
    state, detail = await verified(ports, server, world)
    assert state == State.COMPLETED
    assert "all verified" not in detail
    assert "all 32 mapped columns of 1 of 2 rows" in detail


async def test_a_swap_in_all_rows_is_found_by_a_sample(ports: Ports, server: Server) -> None:
    settings = ports.settings.model_copy(update={"verify_all_rows": 0, "verify_sample_rows": 3})
    object.__setattr__(ports, "settings", settings)
    world = World(ports, [actual() for _ in range(12)])
    await world.carry(ports)
    for row in world.finance.values():
        row["Quantity"], row["UnitPrice"] = row["UnitPrice"], row["Quantity"]
    assert "3 of 3 rows compared differ" in await refusal(ports, server, world)


async def test_a_whole_comparison_reads_pages_and_not_rows(ports: Ports, server: Server) -> None:
    world = World(ports, [actual() for _ in range(40)], [actual(UNBILLED) for _ in range(5)])
    await world.carry(ports)
    assert (await verified(ports, server, world))[0] == State.COMPLETED
    assert len(server.received) == 4


async def test_copies_of_the_message_leave_the_comparison_to_one(ports: Ports, server: Server) -> None:
    """Four messages ask for it at about the same time, and each read both ends from the beginning."""
    world = World(ports, [actual() for _ in range(4)])
    await world.carry(ports)
    server.rule = world.answer
    ends = await asyncio.gather(*(verify(ports, message(world)) for _ in range(4)), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["LeaseLost"] * 3 + ["NoneType"]
    assert len(server.received) == 2
    await verify(ports, message(world))
    assert len(server.received) == 2


async def test_the_lease_of_a_holder_that_crashed_is_taken_over_at_its_end(ports: Ports, server: Server) -> None:
    world = World(ports, [actual()])
    await world.carry(ports)
    dead = Leases(ports.gates._table, now, timedelta(seconds=1.5))
    await dead._take(f"verify {world.invoice_id}", "a process that is no more")
    with pytest.raises(LeaseLost):
        await verify(ports, message(world))
    later = Leases(ports.gates._table, lambda: now() + timedelta(seconds=2), timedelta(seconds=1.5))
    object.__setattr__(ports, "leases", later)
    assert (await verified(ports, server, world))[0] == State.COMPLETED


async def _ends(leases: Leases) -> str:
    standing = await find_row(leases._table, "lease", "a comparison")
    assert standing is not None
    return str(standing["until"])


async def test_a_holder_that_lives_renews_its_lease_and_gives_it_back(ports: Ports) -> None:
    short = Leases(ports.gates._table, now, timedelta(seconds=0.6))
    async with asyncio.timeout(30), short.hold("a comparison"):
        first = await _ends(short)
        # Storage sends no notice of a change, so the test asks for it.
        while await _ends(short) == first:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        with pytest.raises(LeaseLost):
            await short._take("a comparison", "another")
    await short._take("a comparison", "another")

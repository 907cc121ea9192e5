"""The checker finds each kind of wrong, so its silence means something."""

import asyncio
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.conftest import server
from tests.contract.server import Received, Reply, Server
from tests.proof.checker import Records, check
from tests.proof.findings import Findings

__all__ = ["server"]

INVOICE, NUMBER = "11111111-0000-4000-8000-000000000001", "PRO-000001"
BILLED, UNBILLED, LINK = (f"22222222-0000-4000-8000-00000000000{digit}" for digit in "123")
KEYS = {BILLED: "33333333-0000-4000-8000-000000000001", UNBILLED: "33333333-0000-4000-8000-000000000002"}
DETAIL = {"VoucherNumber": "PPJ-1", "AccountingAmount": 11.0, "ExchangeRate": 110, "SalesTaxAmount": 1}
BACK = {
    "msdyn_vouchernumber": "PPJ-1",
    "msdyn_accountingamount": 11,
    "msdyn_accountexchangerate": 110,
    "msdyn_accountingtaxamount": 1,
}

type World = dict[str, list[dict[str, Any]]]


def _world() -> World:
    """One invoice of two actuals and a connection, all well."""
    of = {"company": "demf", "amount": "10.0000", "currency": "EUR"}
    held = {"dataAreaId": "demf", "Amount": 10.0, "TransactionCurrencyId": "EUR", "InvoiceProposalId": NUMBER, **DETAIL}
    entries = [("Project invoice proposal V2", f"demf,{NUMBER}")]
    entries += [("Project Operations integration actuals", f"demf,{key}") for key in KEYS.values()]
    entries += [("Integration entity for project transaction relationships", LINK)]
    return {
        "produced": [
            {"kind": "header", "number": NUMBER, **of},
            {"kind": "actual", "actualId": BILLED, "importId": KEYS[BILLED], "type": "BilledSales", **of},
            {"kind": "actual", "actualId": UNBILLED, "importId": None, "type": "UnbilledSales", **of},
            {"kind": "connection", "connectionId": LINK},
        ],
        "headers": [{"InvoiceProposalId": NUMBER, "dataAreaId": "demf"}],
        "actuals": [
            {**held, "ActualId": BILLED, "ActualsImportId": KEYS[BILLED], "TransactionType": "BilledSales"},
            {**held, "ActualId": UNBILLED, "ActualsImportId": KEYS[UNBILLED], "TransactionType": "Sales"},
        ],
        "connections": [{"ConnectionId": LINK, "Transaction1Id": BILLED, "Transaction2Id": UNBILLED}],
        "journal": [{"seq": seq, "entity": entity, "key": key} for seq, (entity, key) in enumerate(entries, start=1)],
        "msdyn_actuals": [{"msdyn_actualid": each, **BACK} for each in (BILLED, UNBILLED)],
    }


async def _check(server: Server, world: World, **options: Any) -> Findings:
    def answer(request: Received) -> Reply:
        what = request.target.partition("?")[0].rpartition("/")[2]
        rows = world[what]
        text = json.dumps({"value": rows}) if what == "msdyn_actuals" else "\n".join(map(json.dumps, rows))
        return Reply(body=text.encode())

    server.rule = answer
    records = Records(server.url, server.url)
    return await asyncio.to_thread(check, records, [INVOICE], **options)


async def test_nothing_is_found_where_all_is_well(server: Server) -> None:
    findings = await _check(server, _world(), posted=[INVOICE])
    assert findings.clean
    assert findings.problems() == {}
    assert findings.rows == 4


SPOILED: dict[str, tuple[Callable[[World], Any], dict[str, Any]]] = {
    "a lost header": (lambda world: world["headers"].clear(), {"lost": [f"header {NUMBER}"]}),
    "a lost actual": (
        lambda world: world["actuals"].pop(),
        {"lost": [f"actual {UNBILLED}"], "not_written_back": [], "money": {"EUR": "10.0000"}},
    ),
    "a lost connection": (lambda world: world["connections"].clear(), {"lost": [f"connection {LINK}"]}),
    "a doubled actual": (
        lambda world: world["actuals"].append(copy.copy(world["actuals"][0])),
        {"doubled": [f"actual {BILLED}"], "money": {"EUR": "-10.0000"}},
    ),
    "a doubled connection": (
        lambda world: world["connections"].append(world["connections"][0]),
        {"doubled": [f"connection {LINK}"]},
    ),
    "another company": (
        lambda world: world["actuals"][1].update(dataAreaId="usmf"),
        {"misplaced": [f"actual {UNBILLED}"]},
    ),
    "another proposal": (
        lambda world: world["actuals"][0].update(InvoiceProposalId="PRO-9"),
        {"misplaced": [f"actual {BILLED}"]},
    ),
    "another amount": (
        lambda world: world["actuals"][0].update(Amount=10.01),
        {"changed": [f"actual {BILLED}"], "money": {"EUR": "-0.0100"}},
    ),
    "another type": (
        lambda world: world["actuals"][1].update(TransactionType="Cost"),
        {"changed": [f"actual {UNBILLED}"]},
    ),
    "a stranger": (
        lambda world: world["actuals"].append({**world["actuals"][0], "ActualId": INVOICE}),
        {"strangers": [f"actual {INVOICE}"]},
    ),
    "an actual before its header": (
        lambda world: world["journal"][0].update(seq=9),
        {"out_of_order": [f"actual {BILLED}", f"actual {UNBILLED}"]},
    ),
    "a connection before an actual": (
        lambda world: world["journal"][2].update(seq=9),
        {"out_of_order": [f"connection {LINK}"]},
    ),
    "another voucher": (
        lambda world: world["msdyn_actuals"][1].update(msdyn_vouchernumber="PPJ-2"),
        {"not_written_back": [f"actual {UNBILLED}"]},
    ),
}


@pytest.mark.parametrize("what", SPOILED)
async def test_each_kind_of_wrong_is_found_and_named(server: Server, what: str) -> None:
    spoil, wrong = SPOILED[what]
    world = _world()
    spoil(world)
    findings = await _check(server, world, posted=[INVOICE])
    assert not findings.clean
    assert findings.problems() == {name: value for name, value in wrong.items() if value}


async def test_what_was_dismissed_is_not_missed_and_a_late_actual_need_not_come_before_every_connection(
    server: Server,
) -> None:
    world = _world()
    world["actuals"].pop(0)
    world["connections"].clear()
    assert (await _check(server, world, missing=[BILLED, LINK])).clean
    world = _world()
    world["produced"].append({**world["produced"][1], "actualId": INVOICE, "importId": INVOICE})
    world["actuals"].append({**world["actuals"][0], "ActualId": INVOICE, "ActualsImportId": INVOICE})
    late = {"entity": "Project Operations integration actuals", "key": f"demf,{INVOICE}", "seq": 9}
    world["journal"].append(late)
    assert (await _check(server, world)).problems() == {"out_of_order": [f"connection {LINK}"]}
    assert (await _check(server, world, late=[INVOICE])).clean

"""Finance posts while the accounting detail of an invoice is being written back: "written back" means every row."""

import json
import re
from urllib.parse import unquote

import pytest

from shared.engine.messages import WriteBack
from shared.engine.ports import Ports
from shared.ledger.run import State
from tests.contract.server import Received, Reply, Server
from tests.contract.test_wiring import ports
from tests.contract.world import World, actual
from tests.run_states import set_state
from write_back import pages as posted
from write_back.pages import write_back
from write_back.passes import Pass

__all__ = ["ports"]

_BEHIND = re.compile(r"ActualsImportId gt ([0-9a-f-]{36})")


class Posting(World):
    """An invoice that Finance posts row by row."""

    def __init__(self, ports: Ports, rows: int) -> None:
        super().__init__(ports, [actual() for _ in range(rows)])
        self.keys = sorted(self.finance)
        self.written: set[str] = set()
        self.pages = 0

    def post(self, *keys: str) -> None:
        """Post some rows."""
        for key in keys:
            self.finance[key] |= {"VoucherNumber": "V1", "AccountingAmount": 125.5, "ExchangeRate": 100.0}

    def answer(self, request: Received) -> Reply:
        if request.target.endswith("UpdateMultiple"):
            self.written |= {each["msdyn_actualid"] for each in json.loads(request.body)["Targets"]}
            return Reply(204, b"")
        return super().answer(request)

    def _finance(self, target: str) -> list[dict[str, object]]:
        behind = _BEHIND.search(unquote(target))
        rows = [self.finance[key] for key in self.keys if self.finance[key]["VoucherNumber"]]
        found = [row for row in rows if behind is None or str(row["ActualsImportId"]) > behind[1]]
        self.pages += "$top" in target
        return found[:2] if "$top" in target else found


async def test_a_row_that_is_posted_before_the_page_in_work_is_not_skipped(
    ports: Ports, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four rows were posted, and the fourth, which sorts before them, between two pages. By their place in
    the list one row was passed over, and the run was "written back"."""
    monkeypatch.setattr(posted, "PAGE", 2)
    world = Posting(ports, 4)
    run = await world.carry(ports)
    await set_state(ports.ledger, run, state=State.COMPLETED)
    world.post(*world.keys[1:])
    server.rule = world.answer
    message, before = WriteBack(subject=world.invoice_id), ""
    for number in range(8):
        await write_back(ports, message)
        if number == 0:
            world.post(world.keys[0])
        standing = await ports.ledger.run(world.invoice_id)
        assert standing is not None
        # What the app sends on: the next page of the pass in the ledger, or at its end a new pass.
        done = Pass.read(standing.write_back) if standing.write_back != before else None
        page = {"ticket": done.ticket, "page": done.page} if done else {}
        message, before = WriteBack.model_validate({"invoiceId": world.invoice_id, **page}), standing.write_back
        if standing.posting == "written back":
            break
    assert standing
    assert standing.posting == "written back"
    assert world.written == {row["msdyn_actualid"] for row in world.sold}

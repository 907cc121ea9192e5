"""Dataverse omits next links, or sends shorter pages than requested: no row is missed."""

from typing import Any

import pytest

from tests.endtoend.relay import Relay
from tests.operations.operator import Operator, produced_actuals

SWITCHES: dict[str, dict[str, Any]] = {
    "no links, short pages": {"withheldNextLinks": 1, "shortPages": 23},
    "no links from the second page on": {"withheldNextLinks": 2, "shortPages": 23},
    "no links, and nothing said of more": {"withheldNextLinks": 1, "shortPages": 23, "moreRecordsForm": "absent"},
}
OFF = {"withheldNextLinks": 0, "shortPages": 0, "moreRecordsForm": "truth"}


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES.keys())
def test_an_invoice_arrives_whole_whatever_is_kept_back(system: Relay, switches: dict[str, Any]) -> None:
    """The count of the billed sales, that of the line details and the pages were all cut off at the same row. They
    agreed with each other, and the run was completed with a part of the rows."""
    system.tenant.switch("dataverse", **switches)
    try:
        invoice_id = system.carry(120, seed=31, edited=0.2)
        run = system.tenant.run(invoice_id)
        held = {row["ActualId"].lower() for row in system.tenant.held("actuals")}
        assert run is not None
        assert (run["state"], produced_actuals(system, invoice_id) - held) == ("completed", set())
        result = Operator(system).compare(invoice_id)
        assert (result["equal"], result["maps"][0]["source"]["rows"]) == (
            True,
            len(produced_actuals(system, invoice_id)),
        )
    finally:
        system.tenant.switch("dataverse", **OFF)

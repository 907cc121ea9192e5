"""A host that is killed with SIGKILL again and again loses nothing and duplicates nothing."""

import time
from pathlib import Path

from simulators.summary import is_complete, summarize
from tests.endtoend.relay import relay

KILLS = 4
"""One message may be in work at all of them, and the host gives it up after five deliveries."""
LIFE_SECONDS = 2.0


def test_a_host_killed_again_and_again_still_carries_every_row_once(tmp_path: Path) -> None:
    settings = {"DATAVERSE_PAGE_ROWS": "50", "FINANCE_SHIPMENT_LEASE_SECONDS": "3", "FINANCE_SHIPMENT_ROWS": "120"}
    with relay(tmp_path, settings=settings, flags={"host": ["--lease-seconds", "2"]}) as system:
        system.tenant.switch("finance", importFixedSeconds=0.5, sasSeconds=4.0)
        invoices = [system.tenant.draft(200, seed=number) for number in (1, 2)]
        for invoice_id in invoices:
            system.tenant.confirm(invoice_id)
        for _ in range(KILLS):
            # The host's whole life, however far it comes in it: there is no condition to wait for.
            time.sleep(LIFE_SECONDS)
            system.stack.kill_host()
            system.stack.start_host()
        runs = system.finish(invoices)
        system.tenant.book("usmf")
        summary = summarize(system.tenant, invoices, runs, 0)
        assert is_complete(summary), (summary, [run["detail"] for run in runs])
        assert system.tenant.counts()["clashes"] == 0

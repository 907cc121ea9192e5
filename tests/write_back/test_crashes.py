"""A host that crashes during a write-back continues where it stopped."""

from pathlib import Path

from tests.endtoend.relay import await_that, relay
from tests.operations.operator import produced_actuals
from tests.write_back.bookkeeping import in_dataverse, in_finance, post, run_of
from tests.write_back.conftest import SETTINGS

LINES = 2100
"""More than one page of the write-back."""


def test_a_host_killed_while_it_writes_back_leaves_nothing_out(tmp_path: Path) -> None:
    settings = {**SETTINGS, "DATAVERSE_PAGE_ROWS": "1000", "DATAVERSE_CONCURRENCY": "1"}
    with relay(tmp_path, settings=settings, flags={"host": ["--lease-seconds", "2"]}) as system:
        system.tenant.let_app_write_back()
        invoice_id = system.carry(LINES)
        post(system, invoice_id)
        system.tenant.switch("dataverse", latencySeconds=0.4)
        system.tenant.ring()
        ours = produced_actuals(system, invoice_id)
        await_that(lambda: system.tenant.vouchers(ours), "the first vouchers")
        system.stack.kill_host()
        assert 0 < len(system.tenant.vouchers(ours)) < len(ours)
        system.tenant.switch("dataverse", latencySeconds=0.0)
        system.stack.start_host()
        await_that(lambda: run_of(system, invoice_id)["posting"] == "written back", "the write-back")
        posted = in_finance(system, invoice_id)
        assert set(posted) == ours
        assert in_dataverse(system, posted) == posted

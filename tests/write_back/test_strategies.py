"""Where Dataverse keeps its columns for dual-write, the map names other columns, or leaves the way back to Finance."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.processes import PROJECT
from tests.endtoend.relay import Relay, relay
from tests.operations.operator import produced_actuals
from tests.write_back.bookkeeping import in_dataverse, in_finance, post, ring, run_of, write_back, writes
from tests.write_back.conftest import SETTINGS

DEPLOYED = (
    "confirm_invoice", "sync_actuals", "link_transactions", "run_jobs", "write_back", "operate", "relay_contract",
    "shared",
)  # fmt: skip
CUSTOM = {"VOUCHERNUMBER": "contoso_voucher", "ACCOUNTINGAMOUNT": "contoso_accountingamount"}


def set_strategy(root: Path, **write_back: Any) -> None:
    file = root / "shared" / "maps" / "actuals.json"
    table_map = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(table_map | {"writeBack": {"table": "msdyn_actual", **write_back}}), "utf-8")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the deployed files with a map that a test may change."""
    copy = tmp_path_factory.mktemp("deployed")
    for name in DEPLOYED:
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("function_app.py", "host.json"):
        shutil.copy(PROJECT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def locked(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A system whose Dataverse lets only dual-write write the accounting detail."""
    set_strategy(root, strategy="customColumns", columns=CUSTOM)
    with relay(tmp_path_factory.mktemp("strategies"), settings=SETTINGS, root=root) as running:
        yield running


@pytest.fixture(scope="module")
def invoices(locked: Relay) -> list[str]:
    """Two completed invoices."""
    drafts = [locked.tenant.draft(20, seed=seed, edited=0.3) for seed in (1, 2)]
    for invoice_id in drafts:
        locked.tenant.confirm(invoice_id)
    locked.finish(drafts)
    return drafts


def test_custom_columns_get_what_the_map_says_and_the_others_stay_empty(locked: Relay, invoices: list[str]) -> None:
    post(locked, invoices[0])
    ring(locked)
    run = run_of(locked, invoices[0])
    assert (run["posting"], run["postingDetail"]) == ("written back", "")
    posted = in_finance(locked, invoices[0])
    assert set(posted) == produced_actuals(locked, invoices[0])
    held = in_dataverse(locked, posted, [*CUSTOM.values(), "msdyn_vouchernumber"])
    assert held == {actual: (voucher, amount, None) for actual, (voucher, amount, *_) in posted.items()}
    before = writes(locked)
    assert write_back(locked, invoices[0])["posting"] == "written back"
    assert writes(locked) == before


def test_off_shows_what_is_posted_and_writes_nothing(locked: Relay, root: Path, invoices: list[str]) -> None:
    set_strategy(root, strategy="off")
    locked.stack.restart_host()
    post(locked, invoices[1])
    before = writes(locked)
    ring(locked)
    run = run_of(locked, invoices[1])
    assert (run["posting"], run["writtenBackAt"], writes(locked)) == ("posted", None, before)
    assert run["postedAt"]
    ring(locked)
    assert run_of(locked, invoices[1]) == run

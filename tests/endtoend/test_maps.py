"""The developer's journey: a new column from nothing to Finance in the five steps of docs/maps.md, in an app of two
instances.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from relay_cli.problems import ExitCode
from tests.endtoend.relay import Relay, await_that, relay
from tests.relay_cli.command import Ended, environment
from tests.relay_cli.command import relay as command

DOCUMENT = (Path(__file__).parents[2] / "docs" / "maps.md").read_text("utf-8")
LINES = 8


def _block(beginning: str) -> str:
    """The block of the document that begins so."""
    blocks: list[str] = re.findall(r"```\w*\n(.*?)```", DOCUMENT, re.DOTALL)
    return next(block for block in blocks if block.startswith(beginning))


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Step 1: the column in Dataverse and in Finance."""
    file = tmp_path_factory.mktemp("journey") / "columns.toml"
    file.write_text(_block("[msdyn_actual]"), "utf-8")
    return file


@pytest.fixture(scope="module")
def tenant(columns: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A running system whose tenant has the column."""
    own = ("--columns", str(columns))
    with relay(tmp_path_factory.mktemp("run"), hosts=2, flags={"dataverse": own, "finance": own}) as running:
        yield running


def _call(tenant: Relay, *arguments: str, key: str = "") -> Ended:
    env = environment(tenant.stack.host_urls[0], tenant.stack.function_key)
    return command(*arguments, env=env | ({"RELAY_ADMINISTRATOR_KEY": key} if key else {}))


def _run(tenant: Relay, invoice_id: str) -> dict[str, Any]:
    run = tenant.tenant.run(invoice_id)
    assert run is not None
    return run


def _held(tenant: Relay, invoice_id: str) -> set[str]:
    """What Finance holds in the new column of the actuals of an invoice."""
    rows = tenant.tenant.lines("finance", f"actuals?proposal={_run(tenant, invoice_id)['invoiceNumber']}")
    return {row["ContosoCostCenter"] for row in rows if row["TransactionType"] == "BilledSales"}


def _in_use(tenant: Relay) -> set[str]:
    """The map that each instance of the app works with."""
    addresses = [f"{url}/api/maps" for url in tenant.stack.host_urls]
    documents = [requests.get(address, headers=tenant.operator, timeout=60).json() for address in addresses]
    return {each["digest"] for document in documents for each in document["maps"] if each["map"] == "actuals"}


def test_a_column_goes_from_nothing_to_finance_in_five_steps(tenant: Relay, tmp_path: Path) -> None:
    earlier = tenant.carry(LINES)
    assert _held(tenant, earlier) == {""}

    # Step 2: the map in use, with one more field.
    shown = _call(tenant, "maps", "show", "actuals")
    file = tmp_path / "actuals.json"
    content = json.loads(shown.stdout)
    content["version"] = "1.0.0.17"
    content["fields"].append(json.loads(_block('{"target": "CONTOSOCOSTCENTER"')))
    file.write_text(json.dumps(content), "utf-8")

    # Step 3: checked here and against the tenant.
    checked = _call(tenant, "maps", "check", "actuals", str(file), "--against")
    assert checked.code == ExitCode.FINE, checked.stdout + checked.stderr
    assert ["CONTOSOCOSTCENTER", "(not", "sent)", "NONE"] in [line.split() for line in checked.stdout.splitlines()]
    assert "This map fits the tenant." in checked.stdout

    # Step 4: pushed, by an administrator alone.
    assert _call(tenant, "maps", "push", "actuals", str(file)).code == ExitCode.NOT_ALLOWED
    pushed = _call(tenant, "maps", "push", "actuals", str(file), "--json", key=tenant.stack.master_key)
    digest = pushed.document["digest"]
    assert _in_use(tenant) == {""}

    # Step 5: put into use.
    arguments = ("maps", "activate", "actuals", digest[:10], "--yes")
    assert _call(tenant, *arguments).code == ExitCode.NOT_ALLOWED
    activated = _call(tenant, *arguments, key=tenant.stack.master_key)
    assert activated.code == ExitCode.FINE, activated.stderr
    await_that(lambda: _in_use(tenant) == {digest} or None, "the new map in both instances", 30)
    later = tenant.carry(LINES)
    assert _run(tenant, later)["state"] == "completed"
    assert _held(tenant, later) == {"NONE"}

    # Rows that were carried before get it by a reconciliation with fix.
    assert _held(tenant, earlier) == {""}
    reconciled = _call(tenant, "reconcile", earlier, "--fix", "--yes", "--json")
    assert reconciled.code == ExitCode.FAILED, reconciled.stderr
    [found] = reconciled.document["invoices"]
    assert {each["field"] for each in found["different"]} == {"CONTOSOCOSTCENTER"}
    await_that(lambda: _held(tenant, earlier) == {"NONE"} or None, "the column of the earlier invoice")
    tenant.finish([earlier])
    assert _call(tenant, "reconcile", earlier).code == ExitCode.FINE

    # The way back.
    assert _call(tenant, "maps", "activate", "actuals", "shipped", "--yes", key=tenant.stack.master_key).code == 0
    await_that(lambda: _in_use(tenant) == {""} or None, "the shipped map", 30)
    history = _call(tenant, "maps", "history", "actuals", "--json").document
    assert [each["digest"] for each in history["activations"]] == ["", digest]

"""The life of a webhook by the command, in the whole system: registered, used, its key changed, removed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from azure.data.tables import TableServiceClient

from simulators.signin.az import write_commands
from simulators.stack import ADMINISTRATOR, SITE_ID
from tests.endtoend.relay import Relay
from tests.endtoend.relay import relay as start
from tests.relay_cli.command import environment, relay


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A system in which no webhook is registered, with Azure's keys."""
    run_dir = Path(tmp_path_factory.mktemp("registration"))
    with start(run_dir, webhook=False, services=("dataverse", "finance", "arm")) as running:
        yield running


@pytest.fixture
def env(system: Relay) -> dict[str, str]:
    """An operator who is an administrator as well, signed in with az."""
    stack = system.stack
    write_commands(stack.run_dir)
    given = {
        "RELAY_RESOURCE": SITE_ID,
        "RELAY_DATAVERSE": stack.url("dataverse"),
        "RELAY_AZURE": stack.url("arm"),
        "AZ_SIGNIN": stack.signin.url,
        "AZ_PERSON": ADMINISTRATOR,
        "PATH": f"{stack.run_dir}:/usr/bin:/bin",
    }
    return environment(stack.host_urls[0], key=stack.function_key, **given)


def test_a_webhook_is_registered_used_given_another_key_and_removed(system: Relay, env: dict[str, str]) -> None:
    ended = relay("webhook", "register", "--yes", env=env)
    assert (ended.code, ended.stdout) == (0, "The webhook is registered and enabled.\n"), ended.stderr
    assert system.final(system.carry(3, seed=81)) is not None
    assert relay("webhook", "show", env=env).code == 0

    old = keys(system)
    rotating = subprocess.Popen(
        [sys.executable, "-m", "relay_cli", "webhook", "rotate", "--yes", "--every", "0.2", "--wait", "2"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert rotating.stderr
    assert any("Waiting for an event" in line for line in rotating.stderr)
    second = system.tenant.draft(3, seed=82)
    system.tenant.confirm(second)
    said, _ = rotating.communicate(timeout=60)
    assert (rotating.returncode, said) == (0, "Dataverse uses the new key, and the old one is deleted.\n")
    assert not set(keys(system).items()) & set(old.items())
    assert [system.post(b"{}", headers={"x-functions-key": key}).status_code for key in old.values()] == [401]
    answer = requests.get(system.address("webhook"), headers=system.operator, timeout=60).json()
    assert [each["key"] for each in answer["deliveries"]] == [*old, *keys(system)]

    assert relay("webhook", "remove", "--yes", env=env).code == 0
    sim = requests.get(f"{system.stack.url('dataverse')}/sim/webhooks", timeout=60).json()
    assert (sim["steps"], sim["deliveries"].get("failed", 0), keys(system)) == ([], 0, {})
    assert [run["state"] for run in system.finish([second])] == ["completed"]
    assert audited(system) == [
        f"webhook {act} {phase}" for act in ("register", "rotate", "remove") for phase in ("begun", "done")
    ]


def keys(system: Relay) -> dict[str, str]:
    """The keys of the webhook's function, as the host reads them."""
    content = json.loads((system.stack.run_dir / "keys.json").read_text())
    return dict(content["functions"]["confirm_invoice"])


def audited(system: Relay) -> list[str]:
    """What the audit says of the webhook, oldest first."""
    with TableServiceClient.from_connection_string(system.stack.azurite.connection_string()) as tables:
        rows = [dict(row) for row in tables.get_table_client("audit").list_entities() if "action" in row]
    noted = sorted((row for row in rows if row["action"].startswith("webhook")), key=lambda row: str(row["at"]))
    return [f"{row['action']} {json.loads(row['what'])['phase']}" for row in noted]

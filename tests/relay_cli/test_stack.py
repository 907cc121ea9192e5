"""The command and the real app, with everything that the app needs: from a rejected row to a completed run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay_cli.problems import ExitCode
from tests.endtoend.relay import Relay
from tests.endtoend.relay import relay as start
from tests.relay_cli.command import environment, relay
from tests.watch.asking import Log

BERLIN, LONDON = 110, 85
"""Time zones, by the code of Dataverse."""
MESSAGE = "Category is missing"
REFUSE = {"entity": "Project Operations integration actuals", "field": "DESCRIPTION", "contains": "\n"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A separate running system, since it is paused and repaired here."""
    with start(Path(tmp_path_factory.mktemp("relay_cli"))) as running:
        yield running


@pytest.fixture
def env(system: Relay) -> dict[str, str]:
    """Address and operator's key of that system."""
    return environment(system.stack.host_urls[0], key=system.stack.function_key)


def test_rejected_rows_are_found_mended_and_sent_again(system: Relay, env: dict[str, str]) -> None:
    tenant = system.tenant
    tenant.switch("finance", rejectRows=[{**REFUSE, "message": MESSAGE}])
    invoice_id = tenant.draft(150, seed=7)
    number = tenant.invoice(invoice_id)["number"]
    tenant.confirm(invoice_id)
    watched = relay("runs", "watch", invoice_id, "--every", "0.3", env=env)
    assert (watched.code, watched.stderr) == (ExitCode.REJECTED_ROWS, "")
    assert relay("runs", "show", number, env=env).code == ExitCode.REJECTED_ROWS
    [group] = relay("errors", "list", "--invoice", number, "--json", env=env).document["groups"]
    shown = relay("errors", "show", group["group"], env=env)
    assert shown.stdout.count(MESSAGE) >= group["rows"] > 0
    rehearsed = relay("replay", "--group", group["group"], "--dry-run", "--json", env=env).document
    assert rehearsed["rows"] == group["rows"]
    assert relay("reconcile", number, env=env).code == ExitCode.FAILED

    tenant.switch("finance", rejectRows=[])
    assert relay("replay", "--group", group["group"], "--yes", env=env).code == ExitCode.FINE
    system.finish([invoice_id])
    assert relay("runs", "watch", number, env=env).code == ExitCode.FINE
    reconciled = relay("reconcile", number, "--every", "0.3", env=env)
    assert (reconciled.code, reconciled.stdout.count("missing")) == (ExitCode.FINE, 0)


def test_rejected_rows_are_dismissed_with_a_reason(system: Relay, env: dict[str, str]) -> None:
    system.tenant.switch("finance", rejectRows=[{**REFUSE, "message": MESSAGE}])
    invoice_id = system.tenant.draft(150, seed=8)
    system.tenant.confirm(invoice_id)
    system.finish([invoice_id])
    system.tenant.switch("finance", rejectRows=[])
    given_up = ["--invoice", invoice_id, "--reason", "posted by hand", "--by", "kim", "--yes"]
    assert relay("dismiss", *given_up, env=env).code == ExitCode.FINE
    [group] = relay("errors", "list", "--invoice", invoice_id, "--json", env=env).document["groups"]
    assert group["dismissed"] == group["rows"] > 0
    assert "posted by hand (kim" in relay("errors", "show", group["group"], "--invoice", invoice_id, env=env).stdout


def test_an_unposted_run_is_listed_and_asked_for_by_its_write_back(system: Relay, env: dict[str, str]) -> None:
    invoice_id = system.tenant.draft(150, seed=9)
    system.tenant.confirm(invoice_id)
    system.finish([invoice_id])
    of_it = ["out-of-sync", "--invoice", invoice_id, "--grace-hours", "0"]
    listed = relay(*of_it, "--json", env=env)
    billed = {actual["kind"] for actual in listed.document["actuals"] if actual["type"] == "Billed Sales"}
    assert (listed.code, billed) == (ExitCode.FINE, {"not posted"})
    assert "not posted" in relay(*of_it, env=env).stdout
    synced = relay(*of_it, "--sync", "--kind", "missing", "--yes", "--json", env=env).document["sync"]
    assert (synced["invoices"], synced["loose"]["rows"]) == ([], 0)
    assert "Until now: not posted" in relay("write-back", invoice_id, "--yes", env=env).stdout
    assert relay("write-back", invoice_id, "--dry-run", "--json", env=env).document["posting"] == "not posted"


def test_pause_resume_sweep_health_and_lists_answer(system: Relay, env: dict[str, str]) -> None:
    unknown = relay("pause", "--map", "nonsense", "--reason", "mending", "--yes", env=env)
    assert unknown.code == ExitCode.USAGE
    assert "nonsense is none of invoices, actuals, transactionconnections" in unknown.stderr
    assert "mending" in relay("pause", "--map", "actuals", "--reason", "mending", "--yes", env=env).stdout
    assert relay("health", env=env).stdout.count("mending") >= 1
    assert "Nothing is paused" in relay("resume", "--map", "actuals", "--yes", env=env).stdout
    assert relay("sweep", env=env).code == ExitCode.FINE
    assert relay("health", "--json", env=env).document["lastSweep"]["at"]
    listed = relay("runs", "list", "--all", "--top", "1", "--json", env=env).document["runs"]
    assert len({run["invoiceId"] for run in listed}) == len(listed)
    assert relay("reconcile", "--since", "1h", "--every", "0.3", env=env).code in (ExitCode.FINE, ExitCode.FAILED)


def test_a_set_up_that_breaks_is_found_and_logged_and_mended(system: Relay, env: dict[str, str]) -> None:
    def changes() -> list[dict[str, str]]:
        lines = [line.text for line in Log.of_hosts(system.stack.run_dir).lines if '"doctor changed"' in line.text]
        return [each for each in map(json.loads, lines) if each["check"] == "user-time-zone"]

    assert relay("doctor", "--last", env=env).code == ExitCode.USAGE, "it has not run yet"
    first = relay("doctor", "--json", "--by", "kim", "--every", "0.2", env=env).document
    assert (first["state"], first["done"], first["by"]) == ("done", first["of"], "kim")
    assert changes() == []
    system.tenant.switch("dataverse", userTimeZone=LONDON)
    broken = relay("doctor", "--every", "0.2", env=env)
    assert (broken.code, "user-time-zone" in broken.stdout) == (ExitCode.FAILED, True)
    assert changes() == [{"event": "doctor changed", "check": "user-time-zone", "verdict": "fail", "before": "ok"}]
    assert relay("health", "--json", env=env).document["doctor"]["worst"] == "fail"
    system.tenant.switch("dataverse", userTimeZone=BERLIN)
    assert relay("doctor", "--only", "user-time-zone", "--every", "0.2", env=env).code == ExitCode.FINE
    assert relay("doctor", "--last", env=env).code == ExitCode.FAILED, "a run of some checks is not the last one"


def test_the_webhooks_key_is_not_allowed(system: Relay) -> None:
    env = environment(system.stack.host_urls[0], key=system.stack.webhook_key)
    assert relay("runs", "list", env=env).code == ExitCode.NOT_ALLOWED
    assert relay("sweep", env=env).code == ExitCode.NOT_ALLOWED


def test_an_app_without_its_storage_is_unreachable(system: Relay, env: dict[str, str]) -> None:
    system.stack.azurite.stop()
    try:
        ended = relay("runs", "list", env=env)
    finally:
        system.stack.azurite.start()
        system.stack.azurite.await_ready()
    assert ended.code == ExitCode.UNREACHABLE
    assert "Storage cannot be reached" in ended.stderr

"""Every way in which a command ends: its exit code, what it says on stderr, and nothing on stdout unless it is data."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relay_cli.cli import app as cli
from relay_cli.problems import ExitCode
from relay_contract.version import VERSION
from simulators.processes import find_free_ports
from tests.relay_cli import documents
from tests.relay_cli.app import FakeApp, error
from tests.relay_cli.command import environment, relay
from tests.relay_cli.documents import INVOICE_ID

RUN = f"GET /api/runs/{INVOICE_ID}"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("completed", ExitCode.FINE),
        ("syncing actuals", ExitCode.FINE),
        ("failed", ExitCode.FAILED),
        ("rejected", ExitCode.FAILED),
        ("needs attention", ExitCode.REJECTED_ROWS),
    ],
)
def test_the_exit_code_says_how_the_run_stands(app: FakeApp, env: dict[str, str], state: str, code: int) -> None:
    app.answers[RUN] = documents.detail(state=state)
    assert relay("runs", "show", INVOICE_ID, env=env).code == code


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["runs"],
        ["runs", "lst"],
        ["runs", "show"],
        ["pause"],
        ["replay", "--map", "nonsense"],
        ["health", "--colour"],
        ["write-back"],
        ["out-of-sync", "--grace-hours", "-1"],
        ["out-of-sync", "--sync", "--kind", "not posted", "--yes"],
    ],
)
def test_every_usage_error_is_1(env: dict[str, str], arguments: list[str]) -> None:
    assert relay(*arguments, env=env).code == ExitCode.USAGE


def test_the_command_tells_its_version_without_an_app() -> None:
    ended = relay("--version", env=environment(None, key=None))
    assert (ended.code, ended.stdout, ended.stderr) == (ExitCode.FINE, f"relay {VERSION}\n", "")


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (error(503, "storage", "Storage cannot be reached"), ExitCode.UNREACHABLE, "Storage cannot be reached"),
        ((500, {}, b""), ExitCode.UNREACHABLE, "answered 500"),
        ((502, {}, b"<html>Bad gateway</html>"), ExitCode.UNREACHABLE, "answered 502"),
        ((200, {}, b"<html>Sign in</html>"), ExitCode.UNREACHABLE, "something else than the app's JSON"),
        ((200, {}, b"[]"), ExitCode.UNREACHABLE, "something else than the app's JSON"),
        ((200, {}, b"{}"), ExitCode.UNREACHABLE, "not understood: app"),
        ((200, {"Content-Encoding": "gzip"}, b"{}"), ExitCode.UNREACHABLE, "cannot be reached"),
        ((404, {}, b""), ExitCode.UNREACHABLE, "no operator endpoint"),
        ((302, {"Location": "/elsewhere"}, b""), ExitCode.UNREACHABLE, "answered 302"),
        (error(403, "forbidden", "Not with this key"), ExitCode.NOT_ALLOWED, "Not with this key"),
        (error(400, "bad", "since is no time"), ExitCode.USAGE, "since is no time"),
    ],
)
def test_a_bad_answer_ends_with_its_code_and_its_words(
    app: FakeApp, env: dict[str, str], answer: Any, code: int, words: str
) -> None:
    app.answers["GET /api/health"], app.is_another = answer, True
    ended = relay("health", "--json", env=env)
    assert (ended.code, ended.stdout) == (code, "")
    assert ended.stderr.startswith("Error: ")
    assert words in ended.stderr


def test_a_redirect_is_not_followed_with_the_key(app: FakeApp, env: dict[str, str]) -> None:
    app.is_another = True
    app.answers["GET /api/health"] = (302, {"Location": f"{app.url}/elsewhere"}, b"")
    relay("health", env=env)
    assert [route for route, _, _ in app.requests] == ["GET /api/health"]


def test_a_sweep_that_could_not_ask_dataverse_is_no_all_clear(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["POST /api/sweeps"] = documents.sweep(problem="Dataverse does not let us in")
    ended = relay("sweep", env=env)
    assert ended.code == ExitCode.FAILED
    assert "could not be asked for confirmed invoices: Dataverse does not let us in" in ended.stdout


def test_an_app_that_is_not_there_is_unreachable() -> None:
    [port] = find_free_ports(1)
    ended = relay("health", env=environment(f"http://127.0.0.1:{port}"))
    assert ended.code == ExitCode.UNREACHABLE
    assert "Connection refused" in ended.stderr
    assert "RELAY_URL" in ended.stderr


def test_a_wrong_key_is_not_allowed_and_the_next_step_is_said(app: FakeApp) -> None:
    ended = relay("health", env=environment(app.url, key="webhooks-key-0123"))
    assert ended.code == ExitCode.NOT_ALLOWED
    assert "The key was refused" in ended.stderr
    assert "host key named operator" in ended.stderr
    assert "webhooks-key-0123" not in ended.stderr


def test_the_key_of_a_file_goes_before_that_of_the_environment(
    app: FakeApp, env: dict[str, str], tmp_path: Path
) -> None:
    app.answers["GET /api/health"] = documents.health()
    file = tmp_path / "key"
    file.write_text(f"{env['RELAY_KEY']}\n")
    ended = relay("health", "--key-file", str(file), env={**env, "RELAY_KEY": "another"})
    assert ended.code == ExitCode.FINE


def test_without_a_key_nothing_is_sent(app: FakeApp) -> None:
    ended = relay("health", env=environment(app.url, key=None))
    assert ended.code == ExitCode.USAGE
    assert "host key named operator" in ended.stderr
    assert app.requests == []


@pytest.mark.parametrize("url", [None, "http://contoso.azurewebsites.net"])
def test_no_address_and_one_without_encryption_are_usage_errors(url: str | None) -> None:
    assert relay("health", env=environment(url)).code == ExitCode.USAGE


def test_a_number_names_the_one_run_that_has_it(app: FakeApp, env: dict[str, str]) -> None:
    other = documents.run(invoiceNumber="PI-2026-00421", invoiceId="3f2c9a50-0000-4000-8000-000000000421")
    pages = [{"runs": [other], "continuation": "more"}, {"runs": [documents.run()], "continuation": None}]
    app.answers |= {"GET /api/runs": pages, RUN: documents.detail()}
    ended = relay("runs", "show", "pi-2026-0042", env=env)
    assert ended.code == ExitCode.FINE
    assert app.asked("GET /api/runs")[1]["continuation"] == ["more"]


def test_a_number_of_two_runs_is_refused_and_both_are_listed(app: FakeApp, env: dict[str, str]) -> None:
    german = documents.run(invoiceId="3f2c9a50-0000-4000-8000-000000000043", company="demf")
    app.answers["GET /api/runs"] = {"runs": [documents.run(), german], "continuation": None}
    ended = relay("replay", documents.NUMBER, "--yes", env=env)
    assert (ended.code, ended.stdout) == (ExitCode.USAGE, "")
    assert "usmf" in ended.stderr
    assert "demf" in ended.stderr
    assert app.asked("POST /api/replays") == []


def test_part_of_a_number_names_nothing_and_what_is_near_is_listed(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/runs"] = {"runs": [documents.run()], "continuation": None}
    ended = relay("replay", "PI-2026", "--yes", env=env)
    assert ended.code == ExitCode.USAGE
    assert documents.NUMBER in ended.stderr
    assert app.asked("POST /api/replays") == []


def test_a_continuation_that_repeats_ends(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/runs"] = {"runs": [documents.run()], "continuation": "again"}
    assert relay("runs", "list", "--all", env=env).code == ExitCode.UNREACHABLE


def test_help_documents_the_exit_codes_and_each_command_has_examples() -> None:
    top = CliRunner().invoke(cli, ["--help"]).stdout
    assert all(f"\n   {code.value} " in top for code in ExitCode)
    commands = ["runs list", "runs show", "runs watch", "errors list", "errors show"]
    commands += ["replay", "dismiss", "pause", "resume", "reconcile", "out-of-sync", "write-back", "sweep", "health"]
    commands += ["doctor"]
    for command in commands:
        examples = CliRunner().invoke(cli, [*command.split(), "--help"]).stdout.partition("Examples:")[2]
        assert f"relay {command}" in examples


def test_the_installed_command_is_this_one() -> None:
    installed = Path(sys.executable).with_name("relay")
    shown = subprocess.run([installed, "--help"], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert "RELAY_URL" in shown.stdout

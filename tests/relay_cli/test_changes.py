"""Every write is shown first and needs consent. Without a terminal it is refused unless --yes is given."""

import pytest

from relay_cli.problems import ExitCode
from tests.relay_cli import documents
from tests.relay_cli.app import FakeApp
from tests.relay_cli.command import relay, relay_on_terminal
from tests.relay_cli.documents import INVOICE_ID

WRITES = [
    f"replay {INVOICE_ID}",
    f"dismiss --invoice {INVOICE_ID} --reason x",
    "pause --reason x",
    "resume",
    f"reconcile {INVOICE_ID} --fix",
    f"write-back {INVOICE_ID}",
    "out-of-sync --sync",
]


@pytest.mark.parametrize("call", WRITES)
def test_off_a_terminal_nothing_is_written_without_yes(app: FakeApp, env: dict[str, str], call: str) -> None:
    ended = relay(*call.split(), env=env, answer="y\n")
    assert (ended.code, ended.stdout) == (ExitCode.USAGE, "")
    assert "--yes" in ended.stderr
    assert app.requests == []


def test_a_dry_run_writes_nothing_even_with_yes(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["POST /api/replays"] = documents.replay(dry_run=True)
    ended = relay("replay", INVOICE_ID, "--map", "actuals", "--yes", "--dry-run", "--by", "kim", env=env)
    assert ended.code == ExitCode.FINE
    assert "Would send 12 rows" in ended.stdout
    body = {"invoiceId": INVOICE_ID, "map": "actuals", "by": "kim", "dryRun": True}
    assert app.asked("POST /api/replays") == [body]


def test_a_completed_run_is_not_said_to_be_put_to_work(app: FakeApp, env: dict[str, str]) -> None:
    run = {"invoiceId": INVOICE_ID, "invoiceNumber": "INV-1", "sends": []}
    done = run | {"state": "completed", "note": "is completed: nothing to send"}
    stopped = run | {"state": "failed", "note": "goes on where it stopped"}
    app.answers["POST /api/replays"] = {"dryRun": True, "rows": 0, "runs": [done]}
    ended = relay("replay", INVOICE_ID, "--dry-run", env=env)
    assert "Would send 0 rows of 0 runs." in ended.stdout
    assert "to work again" not in ended.stdout
    app.answers["POST /api/replays"] = {"dryRun": True, "rows": 0, "runs": [done, stopped]}
    assert "Would put 1 run to work again" in relay("replay", INVOICE_ID, "--dry-run", env=env).stdout


def test_what_is_chosen_reaches_the_app(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["POST /api/replays"] = documents.replay(dry_run=False)
    chosen = ["--group", "4f1c22ab90", "--key", "k1", "--key", "k2", "--since", "2026-03-01"]
    assert relay("replay", *chosen, "--yes", env={**env, "LOGNAME": "robin"}).code == ExitCode.FINE
    expected = {"group": "4f1c22ab90", "keys": ["k1", "k2"], "since": "2026-03-01T00:00:00Z"}
    assert app.asked("POST /api/replays") == [{**expected, "by": "robin", "dryRun": False}]


def test_a_terminal_is_shown_the_dry_run_and_asked(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["POST /api/replays"] = [documents.replay(dry_run=True), documents.replay(dry_run=False)]
    ended = relay_on_terminal("replay", INVOICE_ID, env=env, when="[y/N]", typed="y\n")
    assert ended.code == ExitCode.FINE
    assert [body["dryRun"] for body in app.asked("POST /api/replays")] == [True, False]
    assert ended.stdout.index("Would send 12 rows") < ended.stdout.index("Send 12 rows?")
    assert "Sending 12 rows" in ended.stdout


@pytest.mark.parametrize("typed", ["n\n", "\n", "\x04"])
def test_without_a_yes_nothing_is_done(app: FakeApp, env: dict[str, str], typed: str) -> None:
    app.answers["POST /api/dismissals"] = documents.dismissal(dry_run=True)
    ended = relay_on_terminal("dismiss", "--group", "4f1c22ab90", "--reason", "x", env=env, when="[y/N]", typed=typed)
    assert ended.code == ExitCode.USAGE
    assert [body["dryRun"] for body in app.asked("POST /api/dismissals")] == [True]
    assert "Nothing was done" in ended.stdout


def test_a_question_stays_off_stdout(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {"GET /api/pauses": {"paused": []}, "POST /api/pauses": documents.PAUSED}
    ended = relay_on_terminal("pause", "--reason", "x", "--json", env=env, when="[y/N]", typed="y\n", pipe_stdout=True)
    assert ended.document == documents.PAUSED
    assert "Pause the whole app?" in ended.stderr


def test_nothing_to_send_is_not_asked(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["POST /api/replays"] = documents.replay(dry_run=True, rows=0)
    ended = relay_on_terminal("replay", INVOICE_ID, env=env)
    assert ended.code == ExitCode.FINE
    assert len(app.asked("POST /api/replays")) == 1


def test_pause_and_resume_name_the_map_and_the_reason(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {"POST /api/pauses": documents.PAUSED, "POST /api/resumes": {"paused": []}}
    assert relay("pause", "--map", "actuals", "--reason", "mending", "--by", "kim", "--yes", env=env).code == 0
    assert relay("resume", "--by", "kim", "--yes", env=env).code == ExitCode.FINE
    assert app.asked("POST /api/pauses") == [{"map": "actuals", "reason": "mending", "by": "kim"}]
    assert app.asked("POST /api/resumes") == [{"map": None, "by": "kim"}]

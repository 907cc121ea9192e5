"""Data on stdout, talk on stderr, and nothing that a terminal would obey where it should only show."""

import json
import re
from typing import Any

import pytest

from relay_cli.problems import ExitCode
from tests.relay_cli import documents
from tests.relay_cli.app import FakeApp
from tests.relay_cli.command import environment, relay, relay_on_terminal
from tests.relay_cli.documents import INVOICE_ID

COLOUR = re.compile(r"\x1b\[[0-9;]*m")

CALLS: dict[str, tuple[str, Any]] = {
    "runs list": ("GET /api/runs", {"runs": [documents.run()], "continuation": "more"}),
    f"runs show {INVOICE_ID}": (f"GET /api/runs/{INVOICE_ID}", documents.detail()),
    "errors list": ("GET /api/errors", {"groups": [documents.group()]}),
    "errors show 4f1c22ab90": (
        "GET /api/errors/4f1c22ab90",
        {"group": documents.group(), "rows": [documents.row()]},
    ),
    "replay --group 4f1c22ab90 --yes": ("POST /api/replays", documents.replay(dry_run=False)),
    "dismiss --group 4f1c22ab90 --reason x --yes": ("POST /api/dismissals", documents.dismissal(dry_run=False)),
    "pause --reason x --yes": ("POST /api/pauses", documents.PAUSED),
    "pause --reason x --dry-run": ("GET /api/pauses", documents.PAUSED),
    "resume --yes": ("POST /api/resumes", {"paused": []}),
    f"write-back {INVOICE_ID} --yes": ("POST /api/write-backs", documents.WRITE_BACK),
    f"write-back {INVOICE_ID} --dry-run": (f"GET /api/runs/{INVOICE_ID}", documents.detail()),
    "out-of-sync": ("GET /api/out-of-sync/job2", documents.out_of_sync("not posted")),
    "out-of-sync --sync --yes": (
        "GET /api/out-of-sync/job2",
        documents.out_of_sync("not written back", sync=documents.sync(written_back=3, loose=2, refused="no")),
    ),
    "sweep": (
        "POST /api/sweeps",
        documents.sweep(),
    ),
    "doctor --last": ("GET /api/doctor", documents.diagnosis()),
    "health": ("GET /api/health", documents.health()),
}


@pytest.mark.parametrize("call", CALLS)
def test_json_is_the_apps_document_and_alone_on_stdout(app: FakeApp, env: dict[str, str], call: str) -> None:
    route, document = CALLS[call]
    app.answers |= {**documents.OUT_OF_SYNC, route: document}
    ended = relay(*call.split(), "--json", env=env)
    assert (ended.code, ended.document) == (ExitCode.FINE, document)


@pytest.mark.parametrize("call", CALLS)
def test_off_a_terminal_there_is_no_escape_code_and_nothing_is_cut(
    app: FakeApp, env: dict[str, str], call: str
) -> None:
    route, document = CALLS[call]
    app.answers |= {**documents.OUT_OF_SYNC, route: document}
    ended = relay(*call.split(), env={**env, "FORCE_COLOR": "1", "COLUMNS": "20"})
    assert ended.code == ExitCode.FINE
    assert "\x1b" not in ended.stdout + ended.stderr
    assert "…" not in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) < 300


def test_talk_goes_to_stderr(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/runs"] = {"runs": [documents.run()], "continuation": "more"}
    ended = relay("runs", "list", env=env)
    assert documents.NUMBER in ended.stdout
    assert "--all" not in ended.stdout
    assert "--all" in ended.stderr


def test_amounts_are_shown_to_their_last_decimal(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/runs"] = {"runs": [documents.run()], "continuation": None}
    assert "7.00 EUR, 1,234,567,890.1234 USD" in relay("runs", "list", env=env).stdout


def test_words_of_finance_are_shown_and_not_obeyed(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/errors/4f1c22ab90"] = {"group": documents.group(), "rows": [documents.row()]}
    shown = relay_on_terminal("errors", "show", "4f1c22ab90", env={**env, "NO_COLOR": "1"}).stdout
    flat = " ".join(re.sub(r"[│\s]+", " ", shown).split())
    assert "[red]P-7[/]" in flat
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_terminal_gets_colours_unless_no_color_is_set(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/health"] = documents.health()
    assert COLOUR.search(relay_on_terminal("health", env=env).stdout)
    assert "\x1b" not in relay_on_terminal("health", env={**env, "NO_COLOR": "1"}).stdout


def test_a_terminal_that_cannot_write_a_character_shows_another(app: FakeApp) -> None:
    app.answers["GET /api/runs"] = {"runs": [documents.run(invoiceNumber="請求書-7")], "continuation": None}
    ended = relay("runs", "list", env=environment(app.url, PYTHONIOENCODING="ascii"))
    assert ended.code == ExitCode.FINE
    assert "???-7" in ended.stdout


def test_all_pages_through_and_is_one_document(app: FakeApp, env: dict[str, str]) -> None:
    first, second = documents.run(), documents.run(invoiceNumber="PI-2")
    app.answers["GET /api/runs"] = [{"runs": [first], "continuation": "c"}, {"runs": [second], "continuation": None}]
    ended = relay("runs", "list", "--all", "--state", "failed", "--state", "needs attention", "--json", env=env)
    assert ended.document == {"runs": [first, second], "continuation": None}
    assert [each["state"] for each in app.asked("GET /api/runs")] == [["failed", "needs attention"]] * 2


def test_filters_reach_the_app(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/runs"] = {"runs": [], "continuation": None}
    arguments = ["--since", "2026-03-01", "--until", "2026-03-31T14:00+02:00", "--search", "PI-", "--top", "7"]
    assert relay("runs", "list", *arguments, env=env).code == ExitCode.FINE
    expected = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-31T12:00:00Z", "search": "PI-", "top": "7"}
    assert app.asked("GET /api/runs") == [{name: [value] for name, value in expected.items()}]


def test_health_that_is_not_good_is_2_and_says_why(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/health"] = documents.health(healthy=False, problems=["3 messages are poison"])
    ended = relay("health", env=env)
    assert ended.code == ExitCode.FAILED
    assert "3 messages are poison" in ended.stdout
    assert "1 h 2 min" in ended.stdout


def test_the_json_of_a_hostile_text_is_escaped(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/errors"] = {"groups": [documents.group()]}
    ended = relay("errors", "list", "--json", env=env)
    assert json.loads(ended.stdout)["groups"][0]["sample"] == documents.FINANCE_SAYS
    assert ended.stdout.isascii()
    assert "\x1b" not in ended.stdout

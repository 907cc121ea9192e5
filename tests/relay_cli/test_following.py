"""What takes time is followed to its end: runs that are watched, reconciliations that are waited for."""

import pytest

from relay_cli.problems import ExitCode
from tests.relay_cli import documents
from tests.relay_cli.app import FakeApp, error
from tests.relay_cli.command import relay, relay_on_terminal
from tests.relay_cli.documents import INVOICE_ID, NUMBER

RUN = f"GET /api/runs/{INVOICE_ID}"
JOBS, JOB = "POST /api/reconciliations", "GET /api/reconciliations/job1"
FAST = ("--every", "0.1")
WAIT = {"reason": "throttled", "kind": "throttled", "service": "finance", "until": documents.AT}
ACCEPTED = {"id": "job1", "statusUrl": "http://evil.example/"}


def test_off_a_terminal_a_line_is_printed_for_each_change(app: FakeApp, env: dict[str, str]) -> None:
    busy = documents.detail(actuals=120, state="syncing actuals", waitsFor=[WAIT])
    app.answers[RUN] = [busy, busy, busy, documents.detail()]
    ended = relay("runs", "watch", INVOICE_ID, *FAST, env={**env, "FORCE_COLOR": "1"})
    assert ended.code == ExitCode.FINE
    first, last = ended.stdout.splitlines()
    assert f"{NUMBER}  syncing actuals" in first
    assert "actuals 120/2,981" in first
    assert "throttled by finance, until 2026-03-31 14:00:05Z" in first
    assert f"{NUMBER}  completed" in last


def test_on_a_terminal_a_table_is_redrawn(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[RUN] = [documents.detail(actuals=120, state="syncing actuals"), documents.detail(state="failed")]
    ended = relay_on_terminal("runs", "watch", INVOICE_ID, *FAST, env=env)
    assert ended.code == ExitCode.FAILED
    assert "120/2,981" in ended.stdout
    assert "━" in ended.stdout
    assert "\x1b[1A" in ended.stdout


def test_json_of_a_watch_is_its_last_look(app: FakeApp, env: dict[str, str]) -> None:
    last = documents.detail(state="needs attention", rejected=4)
    app.answers[RUN] = [documents.detail(state="syncing actuals"), last]
    ended = relay("runs", "watch", INVOICE_ID, *FAST, "--json", env=env)
    assert (ended.code, ended.document) == (ExitCode.REJECTED_ROWS, {"runs": [last]})
    assert "4 rejected" in ended.stderr


def test_ctrl_c_ends_the_watch_with_what_was_seen(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[RUN] = documents.detail(state="linking")
    ended = relay_on_terminal(
        "runs", "watch", INVOICE_ID, "--every", "30", "--json", env=env, when="linking", typed="^C", pipe_stdout=True
    )
    assert ended.code == ExitCode.INTERRUPTED
    assert ended.document["runs"][0]["state"] == "linking"


def test_an_app_that_restarts_does_not_end_the_watch(app: FakeApp, env: dict[str, str]) -> None:
    gone = error(503, "storageUnavailable", "Storage cannot be reached")
    app.answers[RUN] = [documents.detail(state="linking"), gone, gone, documents.detail()]
    ended = relay("runs", "watch", INVOICE_ID, *FAST, env=env)
    assert ended.code == ExitCode.FINE
    assert ended.stderr.count("Storage cannot be reached") == 2


def test_an_app_that_stays_away_ends_the_watch(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[RUN] = [documents.detail(state="linking"), (503, {}, b"")]
    assert relay("runs", "watch", INVOICE_ID, *FAST, env=env).code == ExitCode.UNREACHABLE


def test_a_posted_run_is_watched_until_it_is_written_back(app: FakeApp, env: dict[str, str]) -> None:
    postings = ["not posted", "not posted", "written back"]
    app.answers[RUN] = [documents.detail(state="completed", posting=posting) for posting in postings]
    ended = relay("runs", "watch", INVOICE_ID, "--posted", *FAST, env=env)
    assert (ended.code, len(app.asked(RUN))) == (ExitCode.FINE, 3)
    assert [line.split("  ")[2] for line in ended.stdout.splitlines()] == [
        "completed, not posted",
        "completed, written back",
    ]


@pytest.mark.parametrize(("equal", "code"), [(True, ExitCode.FINE), (False, ExitCode.FAILED)])
def test_a_reconciliation_is_awaited_and_a_difference_is_2(
    app: FakeApp, env: dict[str, str], *, equal: bool, code: int
) -> None:
    app.answers |= {JOBS: ACCEPTED, JOB: [documents.reconciliation("running"), documents.reconciliation(equal=equal)]}
    ended = relay("reconcile", INVOICE_ID, *FAST, "--by", "kim", env=env)
    assert ended.code == code
    assert "100.1234 USD" in ended.stdout
    assert app.asked(JOBS) == [{"invoiceId": INVOICE_ID, "fix": False, "by": "kim"}]
    assert relay("reconcile", "PRO-1", *FAST, "--by", "kim", env=env).code == code
    assert app.asked(JOBS)[1] == {"invoiceNumber": "PRO-1", "fix": False, "by": "kim"}
    words = ("lost-key", "99.0000 USD", "QUANTITY", "1.05")
    assert [word in ended.stdout for word in words] == [not equal] * len(words)


def test_a_period_and_a_fix_reach_the_app(app: FakeApp, env: dict[str, str]) -> None:
    done = documents.reconciliation(equal=False, fixed=1)
    app.answers |= {JOBS: ACCEPTED, JOB: done}
    period = ["--since", "2026-03-01", "--until", "2026-04-01"]
    ended = relay("reconcile", *period, "--fix", "--yes", "--by", "kim", "--json", env=env)
    assert (ended.code, ended.document) == (ExitCode.FAILED, done)
    expected = {"since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z", "fix": True, "by": "kim"}
    assert app.asked(JOBS) == [expected]


def test_a_dry_fix_only_compares(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {JOBS: ACCEPTED, JOB: documents.reconciliation(equal=False)}
    ended = relay("reconcile", INVOICE_ID, "--fix", "--dry-run", env=env)
    assert ended.code == ExitCode.FAILED
    assert "Would send again what is missing or different of 1 invoice." in ended.stderr
    assert [body["fix"] for body in app.asked(JOBS)] == [False]


def test_a_fix_on_a_terminal_compares_asks_and_fixes(app: FakeApp, env: dict[str, str]) -> None:
    before, after = documents.reconciliation(equal=False), documents.reconciliation(equal=False, fixed=1)
    app.answers |= {JOBS: ACCEPTED, JOB: [before, after]}
    ended = relay_on_terminal("reconcile", INVOICE_ID, "--fix", env=env, when="[y/N]", typed="y\n")
    assert ended.code == ExitCode.FAILED
    assert [body["fix"] for body in app.asked(JOBS)] == [False, True]
    assert "1 row sent again" in ended.stdout


def test_comparing_nothing_is_no_all_clear(app: FakeApp, env: dict[str, str]) -> None:
    nothing = {
        **documents.reconciliation("running"),
        "state": "done",
        "of": 0,
        "summary": "Nothing was compared: no run",
    }
    app.answers |= {JOBS: ACCEPTED, JOB: nothing}
    ended = relay("reconcile", "--since", "3d", *FAST, env=env)
    assert ended.code == ExitCode.NOTHING
    assert "Nothing was compared: no run." in ended.stdout
    assert "No difference" not in ended.stdout


def test_how_many_were_compared_and_what_is_doubtful_is_shown(app: FakeApp, env: dict[str, str]) -> None:
    done = {**documents.reconciliation(equal=False), "summary": "Compared 1 of 1 invoice. Dataverse lists 0"}
    done["invoices"][0]["doubt"] = "Dataverse does not show the invoice as confirmed"
    app.answers |= {JOBS: ACCEPTED, JOB: done}
    ended = relay("reconcile", INVOICE_ID, *FAST, env=env)
    assert ended.code == ExitCode.FAILED
    shown = " ".join(ended.stdout.split())
    assert "Compared 1 of 1 invoice. Dataverse lists 0." in shown
    assert "Dataverse does not show the invoice as confirmed." in shown


def test_a_reconciliation_that_failed_is_2_with_its_reason(app: FakeApp, env: dict[str, str]) -> None:
    failed = {**documents.reconciliation(), "state": "failed", "detail": "Dataverse said 403", "invoices": []}
    app.answers |= {JOBS: ACCEPTED, JOB: failed}
    ended = relay("reconcile", INVOICE_ID, env=env)
    assert ended.code == ExitCode.FAILED
    assert "Dataverse said 403" in ended.stderr


@pytest.mark.parametrize("arguments", [[], [INVOICE_ID, "--since", "3d"], ["--until", "3d"]])
def test_a_reconciliation_needs_an_invoice_or_a_period(app: FakeApp, env: dict[str, str], arguments: list[str]) -> None:
    assert relay("reconcile", *arguments, env=env).code == ExitCode.USAGE
    assert app.requests == []

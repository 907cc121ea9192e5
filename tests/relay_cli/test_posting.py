"""What comes after a run: its posting, the write-back of one invoice, and actuals that are out of sync."""

import pytest

from relay_cli.problems import ExitCode
from tests.relay_cli import documents
from tests.relay_cli.app import FakeApp, error
from tests.relay_cli.command import relay, relay_on_terminal
from tests.relay_cli.documents import INVOICE_ID, NUMBER

RUN = f"GET /api/runs/{INVOICE_ID}"
WRITE_BACKS = "POST /api/write-backs"
FOUND, SEARCHES = "GET /api/out-of-sync/job2", "POST /api/out-of-sync"
PERIOD = ["--since", "2026-03-01", "--until", "2026-04-01", "--grace-hours", "0", "--invoice", INVOICE_ID]
OUTSIDE = {"since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z", "invoiceId": INVOICE_ID}


def lines(text: str) -> list[str]:
    """The lines with their blanks made one."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_run_shows_its_posting_and_the_way_back(app: FakeApp, env: dict[str, str]) -> None:
    refused = "Dataverse refuses these columns: choose custom ones in the map"
    app.answers[RUN] = documents.detail(posting="refused", postingDetail=refused)
    shown = lines(relay("runs", "show", INVOICE_ID, env=env).stdout)
    expected = ["Posting refused", "Posted 2026-04-02 09:30:00Z", "Written back -", f"Posting says {refused}"]
    assert [line for line in shown if line.startswith(("Post", "Writ"))] == expected


def test_runs_are_listed_with_their_posting(app: FakeApp, env: dict[str, str]) -> None:
    runs = [documents.run(posting="written back"), documents.run(posting="not posted")]
    app.answers["GET /api/runs"] = {"runs": runs, "continuation": None}
    head, _, first, second = lines(relay("runs", "list", env=env).stdout)
    assert head.startswith("Invoice Company State Posting ")
    assert first.startswith(f"{NUMBER} usmf completed written back 2,981 ")
    assert second.startswith(f"{NUMBER} usmf completed not posted 2,981 ")


def test_a_write_back_reaches_the_app_and_tells_the_posting(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[WRITE_BACKS] = documents.WRITE_BACK
    ended = relay("write-back", INVOICE_ID, "--yes", "--by", "kim", env=env)
    assert ended.code == ExitCode.FINE
    assert f"Writing {NUMBER} back" in ended.stdout
    assert "Until now: posted" in ended.stdout
    assert app.asked(WRITE_BACKS) == [{"invoiceId": INVOICE_ID, "by": "kim"}]


def test_a_dry_write_back_only_shows_the_posting(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {RUN: documents.detail(posting="not posted", postedAt=None), WRITE_BACKS: documents.WRITE_BACK}
    ended = relay("write-back", INVOICE_ID, "--dry-run", "--yes", env=env)
    assert ended.code == ExitCode.FINE
    assert "Posting not posted" in lines(ended.stdout)
    assert f"Would ask for the write-back of {NUMBER}." in ended.stderr
    assert app.asked(WRITE_BACKS) == []


@pytest.mark.parametrize(("typed", "code", "asked"), [("y\n", ExitCode.FINE, 1), ("n\n", ExitCode.USAGE, 0)])
def test_a_write_back_on_a_terminal_shows_the_posting_and_asks(
    app: FakeApp, env: dict[str, str], typed: str, code: int, asked: int
) -> None:
    app.answers |= {RUN: documents.detail(), WRITE_BACKS: documents.WRITE_BACK}
    ended = relay_on_terminal("write-back", INVOICE_ID, env=env, when="[y/N]", typed=typed)
    assert ended.code == code
    assert ended.stdout.index("2026-04-02 09:30:00Z") < ended.stdout.index(f"Write {NUMBER} back?")
    assert len(app.asked(WRITE_BACKS)) == asked


def test_a_run_that_is_not_completed_is_not_written_back(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[WRITE_BACKS] = error(404, "notCompleted", "There is no completed run of this invoice")
    ended = relay("write-back", INVOICE_ID, "--yes", env=env)
    assert (ended.code, ended.stdout) == (ExitCode.USAGE, "")
    assert "There is no completed run" in ended.stderr


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ([], ExitCode.FINE),
        (["not posted", "not written back"], ExitCode.FINE),
        (["not posted", "missing"], ExitCode.REJECTED_ROWS),
    ],
)
def test_only_missing_actuals_make_out_of_sync_end_with_3(
    app: FakeApp, env: dict[str, str], kinds: list[str], code: int
) -> None:
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: documents.out_of_sync(*kinds)}
    ended = relay("out-of-sync", "--json", env=env)
    assert (ended.code, ended.document) == (code, app.answers[FOUND])


def test_what_is_out_of_sync_is_shown_with_money_then_one_by_one(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: documents.out_of_sync("missing")}
    shown = lines(relay("out-of-sync", env=env).stdout)
    actual = "7c1e0e0a-0000-4000-8000-000000000001"
    group = f"missing P-7 {NUMBER} 250 7.00 EUR, 1,234,567.1234 USD 2026-03-31 14:00:05Z"
    row = f"{actual} missing Billed Sales P-7 {NUMBER} 19.9900 USD 2026-03-31 14:00:05Z"
    assert shown[0] == "250 actuals out of sync, of 3,000 examined."
    assert shown.index(group) < shown.index(row)
    assert shown[-1] == "The first 1 of 250 are listed."


def test_a_search_is_looked_at_until_it_is_over(app: FakeApp, env: dict[str, str]) -> None:
    looks = [documents.out_of_sync(state="running"), documents.out_of_sync("not posted")]
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: looks}
    ended = relay("out-of-sync", "--every", "0.1", "--json", env=env)
    assert (ended.document["state"], len(app.asked(FOUND))) == ("done", 2)


def test_a_search_that_stops_says_why_and_ends_with_2(app: FakeApp, env: dict[str, str]) -> None:
    stopped = documents.out_of_sync("missing", state="failed", detail="Only dual-write may write these columns")
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: stopped}
    ended = relay("out-of-sync", env=env)
    assert ended.code == ExitCode.FAILED
    assert "The search stopped: Only dual-write may" in ended.stderr


def test_period_grace_and_invoice_reach_the_app(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: documents.out_of_sync()}
    assert relay("out-of-sync", *PERIOD, "--by", "kim", env=env).code == ExitCode.FINE
    assert app.asked(SEARCHES) == [{**OUTSIDE, "graceHours": 0, "by": "kim", "sync": []}]


def test_a_sync_names_period_kinds_and_operator(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: documents.out_of_sync("missing", sync=documents.sync(invoices=1))}
    chosen = ["--kind", "not written back", "--kind", "missing"]
    ended = relay("out-of-sync", *PERIOD, "--sync", *chosen, "--yes", "--by", "kim", "--json", env=env)
    assert (ended.code, ended.document) == (ExitCode.REJECTED_ROWS, app.answers[FOUND])
    kinds = ["not written back", "missing"]
    assert app.asked(SEARCHES) == [{**OUTSIDE, "graceHours": 0, "sync": kinds, "by": "kim"}]


def test_what_a_sync_did_and_what_was_refused_is_shown(app: FakeApp, env: dict[str, str]) -> None:
    did = documents.sync(invoices=1, written_back=1200, loose=3, refused="The record is read-only")
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: documents.out_of_sync("missing", sync=did)}
    shown = lines(relay("out-of-sync", "--sync", "--yes", env=env).stdout)
    assert f"{NUMBER} 250 is compared row by row, and what Finance lacks is sent" in shown
    assert "Written back: 1,200 actuals." in shown
    assert "Sent by themselves, of no invoice: 3 actuals; 0 in Finance, 3 under way." in shown
    assert shown[-1] == "7c1e0e0a-0000-4000-8000-000000000001 The record is read-only"


def test_a_dry_sync_asks_for_no_change_and_counts_what_one_would_be(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: documents.out_of_sync("not written back", "not posted")}
    ended = relay("out-of-sync", "--sync", "--dry-run", "--yes", "--by", "kim", env=env)
    assert ended.code == ExitCode.FINE
    assert "Would sync 250 actuals." in ended.stderr
    assert app.asked(SEARCHES) == [{"by": "kim", "sync": []}]


def test_a_sync_on_a_terminal_shows_what_is_found_and_asks(app: FakeApp, env: dict[str, str]) -> None:
    kinds = ("missing", "not written back")
    found = [documents.out_of_sync(*kinds), documents.out_of_sync(*kinds, sync=documents.sync(written_back=250))]
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: found}
    ended = relay_on_terminal("out-of-sync", "--sync", env=env, when="[y/N]", typed="y\n")
    assert ended.code == ExitCode.REJECTED_ROWS
    assert ended.stdout.index("500 actuals out of sync") < ended.stdout.index("Sync 500 actuals?")
    assert "Written back: 250 actuals." in ended.stdout
    assert [body["sync"] for body in app.asked(SEARCHES)] == [[], list(kinds)]


def test_nothing_to_sync_is_not_asked(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {**documents.OUT_OF_SYNC, FOUND: documents.out_of_sync("not posted")}
    ended = relay_on_terminal("out-of-sync", "--sync", env=env)
    assert ended.code == ExitCode.FINE
    assert len(app.asked(SEARCHES)) == 1


def test_kinds_without_a_sync_are_refused(app: FakeApp, env: dict[str, str]) -> None:
    ended = relay("out-of-sync", "--kind", "missing", env=env)
    assert ended.code == ExitCode.USAGE
    assert "there is no --sync" in ended.stderr
    assert app.requests == []

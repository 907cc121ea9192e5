"""What comes after a run: its posting, the write-back of one invoice, and actuals that are out of sync."""

import pytest

from ops.problems import ExitCode
from tests.ops import documents
from tests.ops.app import FakeApp, error
from tests.ops.command import relay, relay_on_terminal
from tests.ops.documents import INVOICE_ID, NUMBER

RUN = f"GET /api/runs/{INVOICE_ID}"
WRITE_BACKS = "POST /api/write-backs"
FOUND, SYNCS = "GET /api/out-of-sync", "POST /api/out-of-sync"
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
    app.answers[FOUND] = documents.out_of_sync(*kinds)
    ended = relay("out-of-sync", "--json", env=env)
    assert (ended.code, ended.document) == (code, app.answers[FOUND])


def test_what_is_out_of_sync_is_shown_with_money_then_one_by_one(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[FOUND] = documents.out_of_sync("missing")
    shown = lines(relay("out-of-sync", env=env).stdout)
    actual = "7c1e0e0a-0000-4000-8000-000000000001"
    group = f"missing P-7 {NUMBER} 250 7.00 EUR, 1,234,567.1234 USD 2026-03-31 14:00:05Z"
    row = f"{actual} missing Billed Sales P-7 {NUMBER} 19.9900 USD 2026-03-31 14:00:05Z"
    assert shown[0] == "250 actuals out of sync, of 3,000 examined."
    assert shown.index(group) < shown.index(row)
    assert shown[-1] == "The first 1 of 250 are listed."


@pytest.mark.parametrize("more", [True, False])
def test_what_was_not_examined_is_said_even_where_nothing_was_found(
    app: FakeApp, env: dict[str, str], *, more: bool
) -> None:
    app.answers[FOUND] = documents.out_of_sync(more=more)
    shown = relay("out-of-sync", env=env).stdout
    assert shown.startswith("0 actuals out of sync, of 3,000 examined.")
    assert ("not examined" in shown) is more


def test_period_grace_and_invoice_reach_the_app(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[FOUND] = documents.out_of_sync()
    assert relay("out-of-sync", *PERIOD, env=env).code == ExitCode.FINE
    [query] = app.asked(FOUND)
    assert query == {name: [value] for name, value in {**OUTSIDE, "graceHours": "0.0"}.items()}


def test_a_sync_names_period_kinds_and_operator(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[SYNCS] = documents.sync("missing", dry_run=False)
    chosen = ["--kind", "not written back", "--kind", "missing"]
    ended = relay("out-of-sync", *PERIOD, "--sync", *chosen, "--yes", "--by", "kim", "--json", env=env)
    assert (ended.code, ended.document) == (ExitCode.REJECTED_ROWS, app.answers[SYNCS])
    kinds = ["not written back", "missing"]
    assert app.asked(SYNCS) == [{**OUTSIDE, "graceHours": 0, "kinds": kinds, "by": "kim", "dryRun": False}]


def test_a_dry_sync_writes_nothing_and_counts_what_is_left_alone(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[SYNCS] = documents.sync("not written back", dry_run=True, not_ours=3)
    ended = relay("out-of-sync", "--sync", "--dry-run", "--yes", "--by", "kim", env=env)
    assert ended.code == ExitCode.FINE
    assert "Would sync 250 rows of 1 invoice." in ended.stdout
    assert f"{NUMBER} not written back 250 is written back" in lines(ended.stdout)
    assert "Left alone: 3 rows of no confirmed invoice" in ended.stdout
    assert app.asked(SYNCS) == [{"kinds": ["missing", "not written back"], "by": "kim", "dryRun": True}]


def test_a_sync_on_a_terminal_shows_the_dry_run_and_asks(app: FakeApp, env: dict[str, str]) -> None:
    kinds = ("missing", "not written back")
    app.answers[SYNCS] = [documents.sync(*kinds, dry_run=True), documents.sync(*kinds, dry_run=False)]
    ended = relay_on_terminal("out-of-sync", "--sync", env=env, when="[y/N]", typed="y\n")
    assert ended.code == ExitCode.REJECTED_ROWS
    assert ended.stdout.index("Would sync 500 rows of 1 invoice") < ended.stdout.index("Sync 500 rows?")
    assert "Syncing 500 rows of 1 invoice" in ended.stdout
    assert [body["dryRun"] for body in app.asked(SYNCS)] == [True, False]


def test_nothing_to_sync_is_not_asked(app: FakeApp, env: dict[str, str]) -> None:
    app.answers[SYNCS] = documents.sync(dry_run=True, not_ours=3)
    ended = relay_on_terminal("out-of-sync", "--sync", env=env)
    assert ended.code == ExitCode.FINE
    assert "Left alone: 3 rows" in ended.stdout
    assert len(app.asked(SYNCS)) == 1


def test_kinds_without_a_sync_are_refused(app: FakeApp, env: dict[str, str]) -> None:
    ended = relay("out-of-sync", "--kind", "missing", env=env)
    assert ended.code == ExitCode.USAGE
    assert "there is no --sync" in ended.stderr
    assert app.requests == []

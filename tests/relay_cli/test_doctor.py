"""`relay doctor`: what it prints, how it ends, and the report it writes."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from relay_cli.problems import ExitCode
from tests.relay_cli import documents
from tests.relay_cli.app import FakeApp, error
from tests.relay_cli.command import relay, relay_on_terminal
from tests.relay_cli.documents import check, diagnosis, finding

STARTED = {"POST /api/doctor": {"id": "job1", "statusUrl": "http://evil.example/"}}
RUN = "GET /api/doctor/job1"
FAST = ("--every", "0.1")
HOSTILE = '<script>alert("x")</script> & \x1b[31m'


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["ok"], ExitCode.FINE),
        (["ok", "warn"], ExitCode.FINE),
        (["unknown"], ExitCode.FINE),
        (["ok", "fail", "warn"], ExitCode.FAILED),
    ],
)
def test_only_a_check_that_fails_ends_with_2(
    app: FakeApp, env: dict[str, str], verdicts: list[str], code: ExitCode
) -> None:
    app.answers |= {**STARTED, RUN: diagnosis(check("a", "finance", *map(finding, verdicts)))}
    ended = relay("doctor", *FAST, env=env)
    assert ended.code == code
    assert all(f"{verdicts.count(name)} {name}" in ended.stdout for name in ("ok", "warn", "fail", "unknown"))


def test_a_run_is_followed_to_its_end(app: FakeApp, env: dict[str, str]) -> None:
    running = diagnosis(state="running", ended=None, checks=[], done=0)
    app.answers |= {**STARTED, RUN: [running, running, diagnosis()]}
    ended = relay("doctor", "--json", "--by", "olga", *FAST, env=env)
    assert (ended.code, ended.document) == (ExitCode.FINE, diagnosis())
    assert app.asked("POST /api/doctor") == [{"only": [], "by": "olga"}]
    assert len(app.asked(RUN)) == 3


def test_checks_and_areas_reach_the_app(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {**STARTED, RUN: diagnosis()}
    relay("doctor", "--only", "webhook, maps", "--only", "user-time-zone", "--by", "o", *FAST, env=env)
    assert app.asked("POST /api/doctor") == [{"only": ["webhook", "maps", "user-time-zone"], "by": "o"}]


def test_a_name_that_no_check_has_is_refused(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["POST /api/doctor"] = error(400, "badRequest", "only: no check and no area is called cloks")
    ended = relay("doctor", "--only", "cloks", env=env)
    assert (ended.code, "called cloks" in ended.stderr) == (ExitCode.USAGE, True)


def test_a_run_that_was_given_up_is_no_all_clear(app: FakeApp, env: dict[str, str]) -> None:
    app.answers |= {**STARTED, RUN: diagnosis(state="failed", detail="the message was given up")}
    ended = relay("doctor", *FAST, env=env)
    assert (ended.code, "the message was given up" in ended.stderr) == (ExitCode.FAILED, True)


def test_what_is_not_ok_says_what_to_do(app: FakeApp, env: dict[str, str]) -> None:
    bad = [finding("ok", about="usmf"), finding("warn", "another zone", about="demf")]
    app.answers["GET /api/doctor"] = diagnosis(check("user-time-zone", "dataverse", *bad))
    lines = [line.strip() for line in relay("doctor", "--last", env=env).stdout.splitlines()]
    assert lines[0] == "Dataverse"
    assert lines[1:3] == ["ok       user-time-zone  usmf: UTC", "warn                     demf: another zone"]
    assert lines[3:5] == ["Expected: Europe/Berlin", "Next: Run relay doctor --only user-time-zone"]


def test_a_terminal_of_80_columns_is_enough(app: FakeApp, env: dict[str, str]) -> None:
    long = "Dataverse does not let the app's user read msdyn_dualwriteruntimeconfigs, so nothing is known about it"
    app.answers["GET /api/doctor"] = diagnosis(check("dual-write-map-versions", "maps", finding("unknown", long)))
    shown = relay_on_terminal("doctor", "--last", env={**env, "NO_COLOR": "1", "COLUMNS": "80"}).stdout
    lines = shown.replace("\r", "").split("\n")
    assert max(map(len, lines)) <= 80
    # Words are not broken, and the text keeps half of the width.
    assert long in re.sub(r"\s+", " ", shown.replace("dual-write-map-versions", ""))
    assert max(len(line.strip()) for line in lines) > 40


def test_last_and_only_contradict(app: FakeApp, env: dict[str, str]) -> None:
    assert relay("doctor", "--last", "--only", "maps", env=env).code == ExitCode.USAGE
    assert app.requests == []


class Texts(HTMLParser):
    """The texts, tags and attributes of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_report_holds_every_check_and_where_it_was_made(app: FakeApp, env: dict[str, str], tmp_path: Path) -> None:
    given = diagnosis(
        check("a-check", "dataverse", finding("fail", HOSTILE, about=HOSTILE, nextStep=HOSTILE)),
        check("b-check", "app"),
    )
    app.answers["GET /api/doctor"] = given
    file = tmp_path / "setup.html"
    ended = relay("doctor", "--last", "--report", str(file), env=env)
    assert (ended.code, str(file) in ended.stderr) == (ExitCode.FAILED, True)
    found = Texts(file.read_text("utf-8"))
    text = " ".join(found.texts)
    place: dict[str, Any] = given["place"]
    for known in ("a-check", "b-check", place["organization"], place["dataverse"], place["finance"], "0.5.0", "olga"):
        assert known in text
    assert text.count(HOSTILE) == 3
    assert "script" not in found.tags
    assert found.addresses == [], "it is self-contained"
    assert documents.AT[:10] in text


def test_a_report_that_cannot_be_written_is_told_before_the_run(
    app: FakeApp, env: dict[str, str], tmp_path: Path
) -> None:
    ended = relay("doctor", "--report", str(tmp_path / "no" / "setup.html"), env=env)
    assert (ended.code, app.requests) == (ExitCode.USAGE, [])


def test_health_names_the_doctors_last_run(app: FakeApp, env: dict[str, str]) -> None:
    counts = {"ok": 40, "warn": 1, "fail": 2, "unknown": 3}
    last = {"id": "0" * 32, "at": documents.AT, "worst": "fail", "counts": counts}
    app.answers["GET /api/health"] = documents.health(doctor=last)
    assert "2026-03-31 14:00:05Z: fail (40 ok, 1 warn, 2 fail, 3 unknown)" in relay("health", env=env).stdout

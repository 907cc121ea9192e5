"""The operator's endpoints: which key opens them, and how they answer invalid bodies and addresses."""

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.endtoend.relay import Relay
from tests.operations.operator import BY, Operator

SOME_ID = "7b8f3f8e-0c52-4f0e-9d5c-2f2f0f3c1a11"
GETS = (
    "runs",
    f"runs/{SOME_ID}",
    "errors",
    "errors/0123456789",
    "pauses",
    f"reconciliations/{'0' * 32}",
    "health",
    "webhook",
)
POSTS = ("replays", "dismissals", "pauses", "resumes", "sweeps", "reconciliations", "webhook/notes")
NEEDED: dict[str, dict[str, Any]] = {
    "replays": {"by": BY, "invoiceId": SOME_ID, "dryRun": True},
    "dismissals": {"by": BY, "invoiceId": SOME_ID, "reason": "r", "dryRun": True},
    "pauses": {"by": BY, "reason": "r"},
    "resumes": {"by": BY},
    "sweeps": {"by": BY},
    "reconciliations": {"by": BY, "invoiceId": SOME_ID},
    "webhook/notes": {"by": BY, "act": "rotate", "phase": "begun", "dataverse": "https://d", "azureResource": "/r"},
}


@pytest.mark.parametrize("key", ["webhook", "wrong", "none"])
@pytest.mark.parametrize(("method", "path"), [*(("GET", path) for path in GETS), *(("POST", path) for path in POSTS)])
def test_only_the_operators_key_opens_the_operators_endpoints(system: Relay, method: str, path: str, key: str) -> None:
    headers = {"webhook": {"x-functions-key": system.stack.webhook_key}, "wrong": {"x-functions-key": "x"}}.get(key, {})
    answer = requests.request(method, system.address(path), headers=headers, json=NEEDED.get(path, {}), timeout=60)
    assert (answer.status_code, answer.content) == (401, b"")
    in_query = requests.request(
        method, system.address(path), params={"code": headers.get("x-functions-key", "")}, timeout=60
    )
    assert in_query.status_code == 401
    assert not requests.get(system.address("pauses"), headers=system.operator, timeout=60).json()["paused"]


@pytest.mark.parametrize(("path", "status"), [*zip(GETS, (200, 404, 200, 404, 200, 404, 200, 200), strict=True)])
def test_the_operators_key_opens_all_of_them(system: Relay, path: str, status: int) -> None:
    answer = requests.get(system.address(path), headers=system.operator, timeout=60)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["message"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"by": None}, "by"),
    ({"by": "  "}, "by"),
    ({"by": 7}, "by"),
    ({"by": "x" * 201}, "by"),
    ({"colour": "red"}, "colour"),
]
WRONG_OF: dict[str, list[tuple[dict[str, Any], str]]] = {
    "replays": [
        ({"invoiceId": "abc"}, "invoiceId"),
        ({"invoiceId": None}, "name an invoiceId"),
        ({"keys": "k"}, "keys"),
        ({"group": "'; drop"}, "group"),
        ({"map": "accounts"}, "map"),
        ({"since": "2026-11-20T00:00:00"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"dryRun": "perhaps"}, "dryRun"),
    ],
    "dismissals": [({"reason": ""}, "reason"), ({"reason": None}, "reason"), ({"since": "2026-11-20"}, "since")],
    "pauses": [({"map": "everything"}, "map"), ({"reason": " "}, "reason"), ({"reason": "x" * 2001}, "reason")],
    "resumes": [({"map": 1}, "map"), ({"reason": "r"}, "reason")],
    "sweeps": [({"dryRun": True}, "dryRun")],
    "reconciliations": [
        ({"invoiceId": None}, "invoiceId"),
        ({"since": "2026-11-20T00:00:00Z"}, "invoiceId"),
        ({"invoiceId": None, "since": "2026-11-20T00:00:00"}, "since"),
        ({"invoiceId": None, "since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00"}, "until"),
        ({"fix": "maybe"}, "fix"),
    ],
    "webhook/notes": [({"act": "hide"}, "act"), ({"phase": None}, "phase"), ({"what": ["x" * 501]}, "what")],
}


@pytest.mark.parametrize(
    ("path", "change", "named"),
    [(path, change, named) for path in POSTS for change, named in [*WRONG, *WRONG_OF[path]]],
)
def test_a_wrong_field_is_a_400_that_names_it(
    system: Relay, operator: Operator, path: str, change: dict[str, Any], named: str
) -> None:
    del system
    answer = operator.ask(path, {**NEEDED[path], **change})
    assert answer.status_code == 400, answer.text
    message = answer.json()["error"]["message"]
    assert named in message
    assert message.partition(": ")[2] or "name an" in message


@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_is_no_object_is_a_400_and_a_huge_one_a_413(operator: Operator, path: str) -> None:
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"\x00\xff", b'{"a":' * 100_000, b"[" * 100_000):
        answer = operator.ask(path, body)
        assert answer.status_code == (413 if len(body) > 256 * 1024 else 400), (body[:20], answer.text)
        assert answer.json()["error"]["message"]
    answer = operator.ask(path, {**NEEDED[path], "by": "x" * 300_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "tooLarge")


FIRST_INSTANT = "0001-01-01T00:00:00+14:00"
LAST_INSTANT = "9999-12-31T23:59:59-14:00"
MODEST = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(st.characters(exclude_categories=()), max_size=30)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(SOME_ID) | st.datetimes().map(str)
instants = st.datetimes(timezones=st.timezones()).map(lambda instant: instant.isoformat())
fields = st.fixed_dictionaries(
    {},
    optional={
        "by": texts,
        "reason": texts,
        "invoiceId": st.uuids().map(str) | leaves,
        "map": st.sampled_from(["actuals", "invoices"]) | leaves,
        "group": st.from_regex(r"[0-9a-f]{10}", fullmatch=True) | leaves,
        "keys": st.lists(texts, max_size=4) | leaves,
        "since": instants | leaves,
        "until": instants | leaves,
        "fix": st.just(False),
    },
)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


@MODEST
@example(path="reconciliations", body={"by": BY, "since": FIRST_INSTANT})
@example(path="reconciliations", body={"by": BY, "since": "2026-11-20T00:00:00Z", "until": LAST_INSTANT})
@example(path="reconciliations", body={"by": BY, "since": FIRST_INSTANT, "until": "0001-01-02T00:00:00Z"})
@example(path="replays", body={"by": BY, "since": FIRST_INSTANT})
@example(path="replays", body={"by": BY, "since": LAST_INSTANT})
@example(path="pauses", body={"by": "\0", "reason": "\ud800", "map": "actuals"})
@example(path="pauses", body={"by": "\0\x1b", "reason": "\ufffe\uffff", "map": "actuals"})
@given(path=st.sampled_from(["replays", "dismissals", "pauses", "resumes", "reconciliations"]), body=fields | anything)
def test_whatever_the_body_holds_the_answer_is_not_a_500(operator: Operator, path: str, body: Any) -> None:
    if isinstance(body, dict) and path in {"replays", "dismissals"}:
        body = {**body, "dryRun": True}
    answer = operator.ask(path, body)
    try:
        assert answer.status_code in {200, 202, 400, 413}, (answer.status_code, answer.text)
        assert answer.json() if answer.status_code < 300 else answer.json()["error"]["message"]
    finally:
        for pause in operator.get("pauses")["paused"]:
            operator.post("resumes", map=pause["map"])


@MODEST
@example(path="reconciliations", name="a\\b")
@example(path="reconciliations", name="a#b?c")
@example(path="reconciliations", name="a/b")
@example(path="reconciliations", name="x" * 2000)
@example(path="errors", name="'")
@given(
    path=st.sampled_from(["runs", "errors", "reconciliations"]), name=texts.filter(lambda text: bool(text.strip("./")))
)
def test_whatever_an_address_names_the_answer_is_not_a_500(system: Relay, path: str, name: str) -> None:
    url = system.address(f"{path}/{quote(name.encode('utf-8', 'surrogatepass'), safe='')}")
    answer = requests.get(url, headers=system.operator, timeout=60)
    assert answer.status_code in {400, 404}, (answer.status_code, answer.text)


@MODEST
@example(query={"since": FIRST_INSTANT, "until": LAST_INSTANT}, path="runs")
@example(query={"since": "2026-11-20T00:00:00"}, path="runs")
@example(query={"continuation": "-" * 2000, "top": "1"}, path="runs")
@example(query={"state": "completed'", "search": "'"}, path="runs")
@given(
    query=st.fixed_dictionaries(
        {},
        optional={
            name: instants | texts.map(lambda text: text.encode("utf-8", "replace").decode())
            for name in ("state", "since", "until", "search", "top", "continuation", "invoiceId")
        },
    ),
    path=st.sampled_from(["runs", "errors"]),
)
def test_whatever_a_query_asks_the_answer_is_not_a_500(system: Relay, path: str, query: dict[str, str]) -> None:
    answer = requests.get(system.address(path), params=query, headers=system.operator, timeout=60)
    assert answer.status_code in {200, 400}, (answer.status_code, answer.text)


def test_the_words_of_an_operator_come_back_as_they_were(operator: Operator) -> None:
    reason = "<script>alert(1)</script> 'Monats­ende' \"ü\" 🚧\n\ttab"
    operator.post("pauses", map="actuals", reason=reason)
    try:
        assert operator.get("pauses")["paused"][0]["reason"] == reason
        assert json.dumps(operator.get("health"))
    finally:
        operator.post("resumes", map="actuals")
    assert operator.get("pauses")["paused"] == []
    assert operator.ask("replays", {"by": BY, "invoiceId": str(uuid4())}).json()["runs"] == []

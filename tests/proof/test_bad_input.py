"""Any input to the webhook, the operator's endpoints and the queues: never a 500, never a stuck run, never a row in
Finance.
"""

import json
import traceback
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.engine.ports import Ports
from shared.engine.worker import WorkFailed, work
from shared.jobs.job import load_job
from tests.proof.machine_app import endpoint
from tests.proof.machine_rest import Rest
from tests.proof.machine_stage import Scene

PROFILE = settings(
    max_examples=60, derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
INVOICE, OTHER = str(uuid4()), str(uuid4())
QUEUES = (*load_job().maps, "write-back", "operations")

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from([INVOICE, OTHER, "", " ", "actuals", "\x00", "'", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
                       "9999-12-31T23:59:59Z", "0" * 32, "f" * 10, 10**400, "x" * 5000])
)  # fmt: skip
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
_EVENT = {
    "MessageName": "Update",
    "PrimaryEntityName": "invoice",
    "PrimaryEntityId": INVOICE,
    "InputParameters": [{"key": "Target", "value": {"Attributes": [{"key": "name", "value": {"Value": 1}}]}}],
    "PostEntityImages": [],
}
_POSTS: dict[str, dict[str, Any]] = {
    "post_replay": {"by": "olga", "invoiceId": INVOICE, "dryRun": True, "since": "2026-01-01T00:00:00Z"},
    "post_dismissal": {"by": "olga", "invoiceId": INVOICE, "reason": "r", "keys": ["k"], "group": "0123456789"},
    "post_pause": {"by": "olga", "map": "invoices", "reason": "r"},
    "post_resume": {"by": "olga", "map": "invoices"},
    "post_sweep": {"by": "olga"},
    "post_reconciliation": {"by": "olga", "invoiceId": INVOICE, "fix": True, "until": None},
    "post_out_of_sync": {"by": "olga", "since": "2026-01-01T00:00:00Z", "graceHours": 1, "sync": ["missing"]},
    "post_write_back": {"by": "olga", "invoiceId": INVOICE},
    "post_doctor": {"by": "olga", "only": ["app"]},
}
_GETS: dict[str, dict[str, str]] = {
    "show_runs": {"top": "5", "search": "x", "since": "2026-01-01T00:00:00Z", "continuation": "0", "state": "failed"},
    "show_run": {"invoiceId": INVOICE},
    "show_errors": {"invoiceId": INVOICE},
    "show_error": {"group": "0123456789"},
    "show_reconciliation": {"job": "0" * 32},
    "show_timeline": {"invoiceId": INVOICE},
    "show_import": {"executionId": "relay-actuals-1"},
    "show_out_of_sync": {"job": "0" * 32},
    "show_doctor": {"job": "0" * 32},
    "show_last_doctor": {},
    "show_health": {},
}


def _bodies(known: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """A good body with something else in it, any JSON at all, and what is no JSON."""
    changed = st.tuples(st.sampled_from([*known, "other"]), _JSON).map(lambda change: {**known, change[0]: change[1]})
    return (changed | changed | _JSON).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=60)


@pytest.fixture(scope="module", autouse=True)
def emptied(running_stage: Scene) -> Scene:
    """An empty stage, at the start of this file only. Every input must leave it usable."""
    running_stage.begin()
    running_stage.app.expected.add("NotOurMessage")
    return running_stage


@PROFILE
@given(data=st.data())
def test_the_webhook_says_what_is_wrong_with_anything(emptied: Scene, data: st.DataObject) -> None:
    body = data.draw(_bodies({**_EVENT, "OrganizationId": emptied.organization}))
    status = emptied.run(emptied.app.confirmation(body, 0))
    assert status in {200, 202, 400, 403, 413}


@PROFILE
@given(name=st.sampled_from(sorted(_POSTS)), data=st.data())
def test_the_operators_endpoints_say_what_is_wrong_with_any_body(
    emptied: Scene, name: str, data: st.DataObject
) -> None:
    body = data.draw(_bodies(_POSTS[name]))
    status, answer = emptied.run(emptied.app.call(endpoint(name), 0, body=body))
    assert status < 500, (name, body, answer)
    assert status < 400 or answer["error"]["message"]


@PROFILE
@given(name=st.sampled_from(sorted(_GETS)), data=st.data())
def test_the_operators_endpoints_say_what_is_wrong_with_any_address(
    emptied: Scene, name: str, data: st.DataObject
) -> None:
    texts = st.text(max_size=40) | _SCALARS.map(str)
    params = {key: data.draw(st.just(good) | texts) for key, good in _GETS[name].items()}
    asked = emptied.app.call(endpoint(name), 0, params=params, route_params=params)
    status, answer = emptied.run(asked)
    assert status < 500, (name, params, answer)


_MESSAGES = [
    {"v": 1, "kind": "load", "stage": "actuals", "invoiceId": OTHER, "generation": 1, "page": 0, "attempt": 0},
    {"v": 1, "kind": "ship", "stage": "invoices", "ticket": "0" * 32, "attempt": 0},
    {"v": 1, "kind": "settle", "stage": "transactionconnections", "ticket": "0" * 32, "attempt": 0},
    {"v": 1, "kind": "verify", "stage": "transactionconnections", "invoiceId": OTHER, "generation": 1},
    {"v": 1, "kind": "writeBack", "invoiceId": OTHER, "skip": 0},
    {"v": 1, "kind": "reconcile", "job": "0" * 32, "invoiceId": OTHER, "fix": True},
    {"v": 1, "kind": "examine", "job": "0" * 32, "page": 0},
]


@PROFILE
@given(queue=st.sampled_from(QUEUES), known=st.sampled_from(_MESSAGES), data=st.data())
def test_any_message_is_done_or_refused_and_kept(
    emptied: Scene, queue: str, known: dict[str, Any], data: st.DataObject
) -> None:
    body = data.draw(_bodies(known))
    emptied.run(emptied.app.post(queue, body.decode("utf-8", "replace")))
    while emptied.app.letters:
        if not emptied.app.due_letters():
            emptied.advance(min(letter.due for letter in emptied.app.letters) - emptied.app.clock.now())
        emptied.run(emptied.app.deliver(emptied.app.due_letters()[0], 0))
    assert not emptied.app.failures


async def _fail(_: Ports, message: Any) -> None:
    raise ValueError(f"customer Contoso owes 1234.56: {message}")


def test_an_error_that_nobody_thought_of_is_told_to_the_host_by_its_kind_alone(
    emptied: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps(_MESSAGES[0]).encode()
    with pytest.raises(WorkFailed, match=r"^ValueError$") as failed:
        emptied.run(work(emptied.app.hosts[0], "actuals", body, 1, {"load": _fail}))
    assert "Contoso" not in "".join(traceback.format_exception(failed.value)) + caplog.text


def test_nothing_of_all_that_reached_finance_and_an_honest_invoice_still_does(emptied: Scene) -> None:
    before = emptied.world.tenant.counts()
    assert before["imports"] == emptied.imports_at_start
    for name in ("invoices", None):
        emptied.run(emptied.ask("post_resume", 0, None, map=name))
    invoice = emptied.world.draft(2, 0.0)
    emptied.world.confirm(invoice)
    emptied.step(emptied.webhook(invoice, 0))
    Rest(emptied).drain()
    assert emptied.run(emptied.app.hosts[0].run_list.opened()) == []
    assert not invoice.keys - emptied.world.held_of(invoice)

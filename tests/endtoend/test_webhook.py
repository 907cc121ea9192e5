"""The webhook's answers over HTTP: never a 500, and never work for what is no confirmation."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from tests.endtoend.relay import Relay, await_that, relay
from tests.operations.operator import held, journal, journal_end

_ENDS = ("Transaction1Id", "Transaction2Id")


def test_without_a_key_or_with_a_wrong_one_it_is_a_401(system: Relay) -> None:
    assert system.post(b"{}", headers={}).status_code == 401
    assert system.post(b"{}", headers={"x-functions-key": "wrong"}).status_code == 401
    assert requests.get(system.address(f"runs/{uuid4()}"), timeout=30).status_code == 401


def test_the_key_may_come_in_the_query(system: Relay) -> None:
    url = f"{system.address('invoices/confirmations')}?code={system.stack.webhook_key}"
    assert requests.post(url, data=b"{}", timeout=30).status_code == 400


def test_the_same_confirmation_again_is_the_same_run_and_sends_nothing_twice(system: Relay) -> None:
    invoice_id = system.carry(3, seed=31)
    run = system.tenant.run(invoice_id)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: system.post(json=system.event(invoice_id)), range(16)))
    assert run is not None
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["runId"] for answer in answers} == {run["runId"]}
    assert {answer.json()["state"] for answer in answers} == {"completed"}
    assert all(answer.json()["statusUrl"].endswith(f"/api/runs/{invoice_id}") for answer in answers)
    # An earlier test may have left an import of another invoice on its way.
    assert [message for message in system.peek("invoices") if invoice_id in message] == []
    assert system.tenant.run(invoice_id) == run


def test_a_first_confirmation_sent_many_times_at_once_makes_one_run(system: Relay) -> None:
    invoice_id = str(uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: system.post(json=system.event(invoice_id)), range(16)))
    assert [answer.text for answer in answers if answer.status_code != 202] == []
    assert len({answer.json()["runId"] for answer in answers}) == 1


def test_a_rejected_confirmation_sent_many_times_at_once_is_accepted_each_time(system: Relay) -> None:
    invoice_id = system.tenant.draft(3, seed=36)
    assert system.post(json=system.event(invoice_id)).status_code == 202
    rejected = system.finish([invoice_id])[0]
    assert rejected["state"] == "rejected"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: system.post(json=system.event(invoice_id)), range(16)))
    assert [answer.text for answer in answers if answer.status_code != 202] == []
    assert {answer.json()["runId"] for answer in answers} == {rejected["runId"]}


def test_an_unconfirmed_or_forged_invoice_is_rejected_and_not_one_row_is_written(system: Relay) -> None:
    draft, forged = system.tenant.draft(3, seed=32), str(uuid4())
    number, before = system.tenant.invoice(draft)["number"], journal_end(system)
    for invoice_id in (draft, forged):
        assert system.post(json=system.event(invoice_id)).status_code == 202
    runs = system.finish([draft, forged])
    assert [run["state"] for run in runs] == ["rejected", "rejected"]
    assert "not confirmed" in runs[0]["detail"]
    assert "no such invoice" in runs[1]["detail"]
    # Imports of earlier tests may still arrive, so what is looked for is their own.
    assert not [entry for entry in journal(system, before) if number in entry["key"]]
    assert held(system, number) == []
    own = {str(row["ACTUALID"]).lower() for row in system.tenant.lines("dataverse", f"invoices/{draft}/originals")}
    ends = {str(row[end]).lower() for row in system.tenant.held("connections") for end in _ENDS}
    assert own
    assert not own & ends


def test_an_invoice_that_was_said_to_be_confirmed_too_early_goes_when_it_is(system: Relay) -> None:
    invoice_id = system.tenant.draft(2, seed=33)
    system.post(json=system.event(invoice_id))
    assert system.finish([invoice_id])[0]["state"] == "rejected"
    system.tenant.confirm(invoice_id)
    assert await_that(lambda: (system.tenant.run(invoice_id) or {})["state"] == "completed", "completed run")


def test_another_event_is_a_200_that_says_why(system: Relay) -> None:
    answer = system.post(json=system.event(str(uuid4()), PrimaryEntityName="account"))
    assert answer.status_code == 200
    assert "account" in answer.json()["ignored"]


def test_another_organization_is_a_403(system: Relay) -> None:
    answer = system.post(json=system.event(str(uuid4()), OrganizationId=str(uuid4())))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "otherOrganization"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\x00\xff\xfe",
        b'{"a": ' + b"[" * 50_000,
        b'{"OrganizationId": 7}',
        json.dumps({"PrimaryEntityId": "x" * 5000}).encode(),
    ],
)
def test_a_body_that_makes_no_sense_is_a_400_with_the_reason(system: Relay, body: bytes) -> None:
    answer = system.post(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_an_event_without_an_invoice_id_is_a_400(system: Relay) -> None:
    for value in (None, "", "abc", "00000000-0000-0000-0000-000000000000"):
        assert system.post(json=system.event(value)).status_code == 400  # type: ignore[arg-type]


def test_a_body_over_the_limit_is_a_413(system: Relay) -> None:
    event = system.event(str(uuid4()), Padding="x" * 600_000)
    answer = system.post(json=event)
    assert answer.status_code == 413
    assert "524288" in answer.json()["error"]["message"]


def test_an_event_of_finance_has_the_same_limit(system: Relay) -> None:
    answers = [
        requests.post(system.address("postings"), data=b"x" * size, headers=system.operator, timeout=60)
        for size in (1024, 512 * 1024 + 1)
    ]
    assert [answer.status_code for answer in answers] == [202, 413]


def test_a_run_that_is_not_there_is_a_404_and_no_guid_a_400(system: Relay) -> None:
    headers = {"x-functions-key": system.stack.function_key}
    assert requests.get(system.address(f"runs/{uuid4()}"), headers=headers, timeout=30).status_code == 404
    assert requests.get(system.address("runs/abc"), headers=headers, timeout=30).status_code == 400


def test_while_storage_is_down_it_is_a_503_and_afterwards_a_202(tmp_path: Path) -> None:
    """For a host that has not seen its storage yet, and for one that has worked with it."""
    with relay(tmp_path) as system:
        invoice_id = system.tenant.draft(2, seed=1)
        assert _ask_without_storage(system, str(uuid4())).status_code == 503
        answer = _ask_without_storage(system, invoice_id)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storageUnavailable")


def _ask_without_storage(system: Relay, invoice_id: str) -> requests.Response:
    """The answer to a confirmation while storage is away; then storage comes back, and the same is accepted."""
    system.stack.azurite.stop()
    answer = system.post(json=system.event(invoice_id))
    system.stack.azurite.start()
    system.stack.azurite.await_ready()
    assert await_that(lambda: system.post(json=system.event(invoice_id)).status_code == 202, "202 again")
    return answer

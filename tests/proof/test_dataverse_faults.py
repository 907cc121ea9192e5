"""Dataverse changes its answers, its rows or its links during a run: nothing is lost, nothing is duplicated."""

import time
from typing import Any

import pytest

from tests.proof.figures import record
from tests.proof.findings import Findings
from tests.proof.troubles import Troubles

PAGES = 20
"""Lines of an invoice that fills several pages."""
SHUT_OUT_SECONDS = 70.0
"""Longer than a gate stays closed after a 401."""
GAP_SECONDS = 3.0
"""Longer than a webhook takes."""


def test_tokens_that_are_revoked_in_the_middle_of_a_run_are_renewed_once(troubles: Troubles) -> None:
    """Every token issued so far is refused from now on; one new one for each service is all it takes."""
    invoices = troubles.draft(2, lines=PAGES)
    with troubles.operator.pausing("actuals"):
        troubles.confirm(*invoices)
        for invoice_id in invoices:
            troubles.await_state(invoice_id, "syncing actuals")
        before = _tokens(troubles)
        _revoke(troubles)
    troubles.complete(*invoices)
    assert _tokens(troubles) - before == 2
    _check(troubles, *invoices)


def test_one_401_of_each_service_costs_a_token_or_two_and_nothing_else(troubles: Troubles) -> None:
    """MSAL drops the tokens of both services when one of them is to be dropped."""
    before = _tokens(troubles)
    for service in ("dataverse", "finance"):
        troubles.switch(service, tokenRejectNext=1)
    invoices = troubles.draft(1)
    troubles.confirm(*invoices)
    troubles.complete(*invoices)
    assert 1 <= _tokens(troubles) - before <= 4
    _check(troubles, *invoices)


def test_a_row_that_appears_and_one_that_changes_while_they_are_read_arrive_as_they_are_in_the_end(
    troubles: Troubles,
) -> None:
    invoices = troubles.draft(1, lines=PAGES)
    with troubles.operator.pausing("actuals"):
        troubles.confirm(*invoices)
        troubles.await_state(invoices[0], "syncing actuals")
        confirmed = _amounts(troubles, invoices[0])
        troubles.switch("dataverse", changedRowsNext=1, extraRowsNext=1)
    troubles.complete(*invoices)
    arrived = _amounts(troubles, invoices[0])
    assert len(arrived) == len(confirmed) + 1, "no row appeared"
    assert sum(arrived.get(key) != amount for key, amount in confirmed.items()) == 1, "no row changed"
    _check(troubles, *invoices, late=invoices)


def test_what_is_not_complete_waits_and_what_never_is_says_so_while_others_go_on(troubles: Troubles) -> None:
    """One invoice is confirmed in two transactions, and one has no actuals. For one, the next link of a page has
    expired when the message with it is handled."""
    empty, halved, paged = troubles.draft(3, lines=PAGES)
    troubles.switch("dataverse", confirmWithoutActuals=True)
    troubles.confirm(empty)
    troubles.switch("dataverse", confirmWithoutActuals=False, cookieExpiresNext=1)
    troubles.confirm(paged)
    troubles.switch("dataverse", confirmInTwoTransactions=True, confirmGapSeconds=GAP_SECONDS)
    troubles.confirm(halved)
    troubles.complete(halved, paged)
    run = troubles.await_final(empty)[0]
    assert run["state"] == "needs attention"
    assert "Dataverse holds 0 chargeable billed sales for" in run["detail"]
    _check(troubles, halved, paged)


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_tokens_that_expire_while_they_are_used_are_renewed(troubles: Troubles) -> None:
    """None lives long enough for a whole run."""
    troubles.switch("signin", tokenLifetimeSeconds=2.0)
    _revoke(troubles)
    invoices = troubles.draft(4, lines=PAGES)
    before = _tokens(troubles)
    troubles.confirm(*invoices)
    troubles.complete(*invoices)
    renewed = _tokens(troubles) - before
    assert renewed > 2
    findings = _check(troubles, *invoices)
    record("Dataverse and sign-in: tokens that expire", tried=renewed, what="tokens", findings=[findings])


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("service", ["dataverse", "finance"])
def test_who_is_never_let_in_stops_knocking_and_goes_on_when_he_is(troubles: Troubles, service: str) -> None:
    """401 for ever: the run says who does not let us in, and the service is asked about once a minute."""
    invoices = troubles.draft(3)
    troubles.switch(service, tokenRejectNext=1_000_000)
    before = troubles.requests(service)["total"]
    troubles.confirm(*invoices)
    began = time.monotonic()
    troubles.await_that(lambda: _shut_out(troubles, invoices[0]), "a named status", invoices[0])
    # Nothing must happen for this long. There is no condition to wait for.
    time.sleep(SHUT_OUT_SECONDS)
    knocks = troubles.requests(service)["total"] - before
    minutes = (time.monotonic() - began) / 60
    # Each look is two requests, with the old token and a fresh one, of those that came before the gate was closed.
    assert knocks <= 2 * len(invoices) * (minutes + 1), knocks
    troubles.mend()
    mended = time.monotonic()
    troubles.complete(*invoices)
    findings = _check(troubles, *invoices)
    record(
        f"Dataverse and sign-in: {service} never lets us in",
        tried=knocks,
        what="requests answered 401",
        findings=[findings],
        recovery=[time.monotonic() - mended],
    )


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_links_that_are_never_taken_end_in_attention_and_a_replay_carries_the_invoice(troubles: Troubles) -> None:
    troubles.switch("dataverse", cookieExpiresNext=1_000_000)
    invoices = troubles.draft(1, lines=PAGES)
    troubles.confirm(*invoices)
    run = troubles.await_final(*invoices)[0]
    assert run["state"] == "needs attention"
    assert "is not taken any more" in run["detail"]
    troubles.mend()
    troubles.operator.replay(invoiceId=invoices[0])
    troubles.await_state(invoices[0], "completed")
    _check(troubles, *invoices)


def _check(troubles: Troubles, *invoices: str, **options: Any) -> Findings:
    findings = troubles.findings(*invoices, **options)
    assert findings.clean, findings.problems()
    return findings


def _tokens(troubles: Troubles) -> int:
    """How many tokens were asked for."""
    return int(troubles.requests("signin")["byRoute"].get("POST token", 0))


def _revoke(troubles: Troubles) -> None:
    # They say in whole seconds when they were issued.
    time.sleep(1)
    for service in ("dataverse", "finance"):
        troubles.switch(service, tokensRevokedBefore=time.time())


def _amounts(troubles: Troubles, invoice_id: str) -> dict[str, object]:
    rows = troubles.system.tenant.produced(invoice_id)
    return {row["actualId"]: row["amount"] for row in rows if row["kind"] == "actual"}


def _shut_out(troubles: Troubles, invoice_id: str) -> bool | None:
    run = troubles.run(invoice_id)
    return (run is not None and any("not let in until" in str(wait["reason"]) for wait in run["waitsFor"])) or None

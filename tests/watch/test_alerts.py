"""Each alert fires over the log of a system in which its symptom was provoked, and none over the log of a calm one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from simulators.stack import CLIENT_ID
from tests.contract.certificates import make_rsa
from tests.endtoend.relay import relay
from tests.operations.conftest import FAST_IMPORTS, SETTINGS
from tests.watch import alerts
from tests.watch.asking import Log
from tests.watch.troubles import Troubles

ALERTS = alerts.load()
A_QUARTER, HALF_AN_HOUR = timedelta(minutes=16), timedelta(minutes=31)
SECRET = "of-people"
HOURS = 4.5
"""Longer than any alert waits."""


@dataclass(frozen=True)
class Logs:
    """The logs of a calm system, of one that got no webhook, and of one with all other troubles."""

    calm: Log
    unheard: Log
    troubled: Log


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logs]:
    """One system, calm at first."""
    (long, long_certificate), (short, short_certificate) = make_rsa(days=400), make_rsa(days=20)
    clients = {CLIENT_ID: {"certificates": [long_certificate, short_certificate], "secret": SECRET}}
    settings = SETTINGS | {"SIGN_IN_METHOD": "certificate", "SIGN_IN_CERTIFICATE": long + long_certificate}
    flags = {"signin": ["--clients", json.dumps(clients)]}
    with relay(tmp_path_factory.mktemp("watch"), settings=settings, flags=flags) as system:
        # The people of the tests sign in by it; the app does not.
        system.stack.client_secret = SECRET
        system.tenant.switch("finance", **FAST_IMPORTS)
        troubles = Troubles.of(system)
        calm = _calm(troubles)
        began = datetime.now(UTC)
        settings["SIGN_IN_CERTIFICATE"] = short + short_certificate
        system.stack.restart_host()
        troubles.lose_webhooks()
        unheard = troubles.log().since(began)
        _trouble(troubles)
        yield Logs(calm, unheard, troubles.log().since(began))


def _calm(troubles: Troubles) -> Log:
    """Two invoices from draft to rest, with a sweep at each moment, and a webhook that is slower than the sweep."""
    invoices = [troubles.system.tenant.draft(lines, seed=lines) for lines in (12, 20)]
    troubles.operator.sweep()
    for invoice_id in invoices:
        troubles.system.tenant.confirm(invoice_id)
    troubles.operator.sweep()
    assert {run["state"] for run in troubles.system.finish(invoices)} == {"completed"}
    troubles.overtake_webhook()
    troubles.operator.sweep()
    found = troubles.operator.diagnose()
    assert [each for each in found["checks"] if each["verdict"] == "fail"] == []
    return troubles.log()


def _trouble(troubles: Troubles) -> None:
    troubles.spoil_messages()
    troubles.reject_rows()
    troubles.falsify()
    troubles.refuse_starts()
    troubles.take_privilege()
    troubles.move_user()
    troubles.hang(HOURS)
    troubles.throttle(HOURS)
    troubles.shut_out(HOURS)
    troubles.await_line("poison message", 2)
    troubles.take_account()


FIRES: Mapping[str, set[str]] = {
    "attention": {""},
    "oldest-run": {""},
    "poison": {""},
    "mismatch": {""},
    "throttled": {"Finance"},
    "not-let-in": {"Dataverse"},
    "credential": {""},
    "storage": {""},
    "imports": {""},
    "functions": {"sync_actuals"},
    "job-faulted": {"invoices"},
    "job-batch": {"invoices"},
    "job-row": {"invoices"},
    "job-look": {"invoices"},
    "doctor": {""},
}
"""For what each alert fires at the end of the troubles."""
UNHEARD = {"lost-webhook": A_QUARTER, "no-webhook": A_QUARTER, "silent": HALF_AN_HOUR}
"""The alerts about what does not come, and how long after the log of the system without webhooks they fire."""


@pytest.mark.parametrize("name", FIRES)
def test_an_alert_fires(logs: Logs, name: str) -> None:
    assert ALERTS[name].fired(logs.troubled) == FIRES[name]


@pytest.mark.parametrize("name", UNHEARD)
def test_an_alert_fires_over_what_does_not_come(logs: Logs, name: str) -> None:
    assert ALERTS[name].fired(logs.unheard, UNHEARD[name]) == {""}
    assert ALERTS[name].fired(logs.unheard) == set(), "it waits"


@pytest.mark.parametrize("later", [timedelta(), A_QUARTER])
@pytest.mark.parametrize("name", ALERTS)
def test_no_alert_fires_over_a_calm_system(logs: Logs, name: str, later: timedelta) -> None:
    assert any(line.text.startswith('{"event": "state"') for line in logs.calm.lines)
    assert ALERTS[name].fired(logs.calm, later) == set()


def test_every_alert_is_seen_to_fire() -> None:
    assert FIRES.keys() | UNHEARD.keys() == ALERTS.keys()

"""The webhook's endpoint, step and image, and the system jobs of its events."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from operate.doctor.check import Finding, Verdict
from operate.doctor.webhook_checks import CHECKS
from shared.engine.lifecycle import accept
from simulators.stack import ADMINISTRATOR
from tests.doctor.patient import Patient
from tests.simulators.dataverse.registrar import ENDPOINTS, IMAGES, STEPS, Admin
from tests.simulators.dataverse.test_webhooks import settled

NAMED = {check.name: check for check in CHECKS}
# Nothing listens there, so every event fails.
HOST = "127.0.0.1:9"
URL = f"http://{HOST}/api/invoices/confirmations"
SOURCES = {
    "webhook-endpoint": ENDPOINTS,
    "webhook-step": STEPS,
    "webhook-image": IMAGES,
    "webhook-failures": "asyncoperations",
    "webhook-backlog": "asyncoperations",
}


@dataclass(frozen=True)
class Webhook:
    """A registered webhook, and what a check says of it."""

    patient: Patient
    admin: Admin
    endpoint: str
    step: str
    image: str

    async def look(self, name: str) -> Finding:
        [finding] = await self.patient.diagnose(NAMED[name], WEBSITE_HOSTNAME=HOST)
        return finding

    async def change(self, entity_set: str, key: str, **values: Any) -> None:
        assert (await self.admin.call("PATCH", f"{entity_set}({key})", values)).status == 204

    async def confirm(self, count: int = 1) -> list[UUID]:
        """Confirm invoices, whose events fail. Return their ids."""
        ids = [(await self.patient.dataverse.confirmed(1))["invoiceId"] for _ in range(count)]
        await settled(self.patient.dataverse)
        return [UUID(each) for each in ids]


@pytest.fixture
async def webhook(patient: Patient) -> AsyncIterator[Webhook]:
    """The webhook is registered as it should be."""
    admin = Admin(patient.dataverse.url, patient.dataverse.session, user="az", person=ADMINISTRATOR)
    endpoint = await admin.endpoint(URL)
    step = await admin.step(endpoint)
    yield Webhook(patient, admin, endpoint, step, await admin.image(step))
    await patient.dataverse.switch(forbidTables="", webhookOff=False)
    for where in ("asyncoperations", STEPS, ENDPOINTS):
        for key in await admin.ids(where):
            assert (await admin.call("DELETE", f"{where}({key})")).status == 204


@pytest.mark.parametrize("name", NAMED)
async def test_all_is_well(webhook: Webhook, name: str) -> None:
    assert (await webhook.look(name)).verdict == Verdict.OK


@pytest.mark.parametrize("name", NAMED)
async def test_what_may_not_be_seen_is_unknown(webhook: Webhook, name: str) -> None:
    await webhook.patient.dataverse.switch(forbidTables=SOURCES[name])
    finding = await webhook.look(name)
    assert (finding.verdict, SOURCES[name] in finding.seen) == (Verdict.UNKNOWN, True)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("webhook-endpoint", Verdict.FAIL),
        ("webhook-step", Verdict.FAIL),
        ("webhook-image", Verdict.UNKNOWN),
        ("webhook-failures", Verdict.UNKNOWN),
        ("webhook-backlog", Verdict.UNKNOWN),
    ],
)
async def test_without_a_registration_the_command_is_named(patient: Patient, name: str, verdict: Verdict) -> None:
    [finding] = await patient.diagnose(NAMED[name])
    assert (finding.verdict, finding.next_step) == (verdict, "Run `relay webhook register`")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"authvalue": ""}, Verdict.FAIL),
        ({"authtype": 4, "authvalue": "key"}, Verdict.WARN),
        ({"url": URL + "/"}, Verdict.OK),
        ({"url": "http://127.0.0.1:8/api/invoices/confirmations"}, Verdict.WARN),
        ({"url": f"http://{HOST}/api/postings"}, Verdict.FAIL),
    ],
)
async def test_an_endpoint_that_is_not_as_it_should_be(
    webhook: Webhook, values: dict[str, Any], verdict: Verdict
) -> None:
    await webhook.change(ENDPOINTS, webhook.endpoint, **values)
    assert (await webhook.look("webhook-endpoint")).verdict == verdict


async def test_two_endpoints_are_listed(webhook: Webhook) -> None:
    second = await webhook.admin.endpoint(URL)
    finding = await webhook.look("webhook-endpoint")
    assert (finding.verdict, webhook.endpoint in finding.seen, second in finding.seen) == (Verdict.WARN, True, True)


async def test_outside_azure_every_endpoint_of_the_path_is_ours(webhook: Webhook) -> None:
    [finding] = await webhook.patient.diagnose(NAMED["webhook-endpoint"])
    assert finding.verdict == Verdict.OK


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"statecode": 1}, Verdict.FAIL),
        ({"filteringattributes": "name"}, Verdict.FAIL),
        ({"mode": 0}, Verdict.FAIL),
        ({"mode": 0, "stage": 20}, Verdict.FAIL),
        ({"filteringattributes": None}, Verdict.WARN),
        ({"asyncautodelete": False}, Verdict.WARN),
        ({"filteringattributes": "name, msdyn_projectinvoicestatus"}, Verdict.OK),
    ],
)
async def test_a_step_that_is_not_as_it_should_be(webhook: Webhook, values: dict[str, Any], verdict: Verdict) -> None:
    await webhook.change(STEPS, webhook.step, **values)
    assert (await webhook.look("webhook-step")).verdict == verdict


async def test_two_steps_are_listed(webhook: Webhook) -> None:
    second = await webhook.admin.step(webhook.endpoint)
    finding = await webhook.look("webhook-step")
    assert (finding.verdict, webhook.step in finding.seen, second in finding.seen) == (Verdict.WARN, True, True)
    await webhook.change(STEPS, second, statecode=1)
    assert (await webhook.look("webhook-step")).verdict == Verdict.OK


async def test_a_step_on_another_message_is_none(webhook: Webhook) -> None:
    assert (await webhook.admin.call("DELETE", f"{STEPS}({webhook.step})")).status == 204
    await webhook.admin.step(webhook.endpoint, message="Create", filteringattributes=None)
    assert (await webhook.look("webhook-step")).verdict == Verdict.FAIL


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"attributes": "msdyn_projectinvoicestatus"}, Verdict.WARN),
        ({"imagetype": 0}, Verdict.WARN),
        ({"attributes": None}, Verdict.OK),
        ({"imagetype": 2, "attributes": "name,msdyn_ordertype,msdyn_projectinvoicestatus"}, Verdict.OK),
    ],
)
async def test_an_image_that_is_not_as_it_should_be(webhook: Webhook, values: dict[str, Any], verdict: Verdict) -> None:
    await webhook.change(IMAGES, webhook.image, **values)
    assert (await webhook.look("webhook-image")).verdict == verdict


async def test_invoices_whose_events_were_refused_are_named_until_they_have_a_run(webhook: Webhook) -> None:
    first, second = await webhook.confirm(2)
    finding = await webhook.look("webhook-failures")
    assert (finding.verdict, "relay sweep" in finding.next_step) == (Verdict.FAIL, True)
    assert all(words in finding.seen for words in ("2 events were refused", "2 invoices have", str(first), str(second)))
    await accept(webhook.patient.ports.ledger, first)
    assert "1 invoice has no run" in (await webhook.look("webhook-failures")).seen
    await accept(webhook.patient.ports.ledger, second)
    finding = await webhook.look("webhook-failures")
    assert (finding.verdict, "All their invoices have a run" in finding.seen) == (Verdict.WARN, True)
    webhook.patient.clock.advance(timedelta(days=8))
    assert (await webhook.look("webhook-failures")).verdict == Verdict.OK


async def test_a_job_that_names_no_invoice_says_nothing_about_runs(webhook: Webhook) -> None:
    await webhook.confirm()
    [job] = await webhook.admin.ids("asyncoperations")
    await webhook.change("asyncoperations", job, **{"regardingobjectid_invoice@odata.bind": None})
    finding = await webhook.look("webhook-failures")
    assert (finding.verdict, "it is not known whether a run has begun" in finding.seen) == (Verdict.WARN, True)


async def test_events_that_wait_are_counted_with_the_oldest(webhook: Webhook) -> None:
    await webhook.confirm()
    [job] = await webhook.admin.ids("asyncoperations")
    await webhook.change("asyncoperations", job, statecode=1, statuscode=10)
    assert (await webhook.look("webhook-backlog")).verdict == Verdict.OK
    webhook.patient.clock.advance(timedelta(minutes=30))
    finding = await webhook.look("webhook-backlog")
    assert (finding.verdict, "1 event waits" in finding.seen) == (Verdict.WARN, True)
    webhook.patient.clock.advance(timedelta(hours=2))
    finding = await webhook.look("webhook-backlog")
    assert (finding.verdict, "Resume" in finding.next_step) == (Verdict.FAIL, True)
    await webhook.change("asyncoperations", job, statecode=0, statuscode=0)
    assert (await webhook.look("webhook-backlog")).verdict == Verdict.WARN

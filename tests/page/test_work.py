"""What an operator does all day, in a real browser against the whole system."""

import json
import re
from typing import Any

import requests
from azure.data.tables import TableClient
from playwright.async_api import expect

from tests.endtoend.relay import Relay
from tests.page.browser import NAME, Desk

ACTUALS = "Project Operations integration actuals"
REFUSE = {"entity": ACTUALS, "field": "DESCRIPTION", "contains": "\n", "message": "Category is missing"}


def audit(system: Relay, action: str, about: str = "") -> list[dict[str, Any]]:
    """What the audit holds of an action, as far as it names an invoice or a key."""
    table = TableClient.from_connection_string(system.stack.azurite.connection_string(), "audit")
    rows = table.query_entities("action eq @action", parameters={"action": action})
    return [dict(row) for row in rows if about in row["what"]]


def resume(system: Relay, name: str) -> None:
    """Lift a pause, whatever the result of the test."""
    requests.post(system.address("resumes"), json={"by": NAME, "map": name}, headers=system.operator, timeout=60)


def rejected_invoice(system: Relay, seed: int) -> tuple[str, str]:
    """An invoice some of whose rows Finance has refused: its id and number."""
    system.tenant.switch("finance", rejectRows=[REFUSE])
    invoice_id = system.carry(60, seed=seed)
    return invoice_id, system.tenant.invoice(invoice_id)["number"]


async def test_an_invoice_is_followed_from_confirmation_to_written_back(system: Relay, operator: Desk) -> None:
    tenant = system.tenant
    invoice_id = tenant.draft(30, seed=11, company="usmf")
    number = tenant.invoice(invoice_id)["number"]
    tenant.confirm(invoice_id)
    run = operator.run(number)
    await expect(run).to_contain_text("completed not posted")
    await expect(run.get_by_role("img")).to_have_attribute("aria-label", re.compile("^Header 1 of 1 done; Actuals"))
    await run.get_by_role("link", name=number).click()
    await expect(operator.page.get_by_text("post the proposal there")).to_be_visible()
    tenant.book("usmf")
    tenant.post_proposal("usmf", number)
    await operator.press("Write back now …")
    await operator.agree("Write back now")
    await operator.agree("Close")
    await expect(operator.page.locator(".verdict")).to_contain_text("completed written back")
    happened = await operator.page.locator(".timeline li strong").all_inner_texts()
    order = ["written back", "completed", "verifying", "Connections imported", "Actuals imported", "accepted"]
    assert [each for each in happened if each in order] == sorted(
        (each for each in happened if each in order), key=order.index
    )
    assert set(order) <= set(happened)


async def test_a_rejected_row_is_found_its_cause_mended_and_the_run_completes(system: Relay, operator: Desk) -> None:
    invoice_id, number = rejected_invoice(system, 12)
    page = operator.page
    await operator.go("Errors")
    group = page.locator("section.group").filter(has_text="Category is missing").filter(has_text=number)
    await expect(group).to_contain_text("only some rows say so: look at their data")
    await group.locator("summary").click()
    rows = group.locator("tbody tr").filter(has_text=number)
    await expect(rows.first).to_contain_text("Category is missing")
    count = await rows.count()
    await rows.first.get_by_role("link", name=number).click()
    await expect(page.locator(".verdict")).to_contain_text("needs attention")

    system.tenant.switch("finance", rejectRows=[])
    await operator.press("Replay the run …")
    await expect(operator.dialog).to_contain_text(f"{count} rejected rows will be read from Dataverse again")
    assert audit(system, "replay", invoice_id) == []
    await operator.agree("Cancel")
    await expect(page.locator(".verdict")).to_contain_text("needs attention")
    await operator.press("Replay the run …")
    await operator.agree(f"Send {count} rows")
    await expect(operator.dialog).to_contain_text(f"{count} rows of 1 run put to work")
    await operator.agree("Close")
    await expect(page.locator(".verdict")).to_contain_text("completed")
    await expect(page.locator(".timeline")).to_contain_text(f"{count} rows: rows sent again by {NAME}")
    [entry] = audit(system, "replay", invoice_id)
    assert (entry["by"], json.loads(entry["what"])["invoiceId"]) == (NAME, invoice_id)
    assert entry["at"]


async def test_chosen_rows_are_dismissed_with_a_reason_and_nothing_without_one(system: Relay, operator: Desk) -> None:
    invoice_id, _ = rejected_invoice(system, 13)
    page = operator.page
    await operator.open(f"runs/{invoice_id}")
    await page.locator("section.group summary").click()
    boxes = page.get_by_role("checkbox")
    await boxes.first.check()
    key = await boxes.first.get_attribute("data-row")
    await operator.press("Dismiss the chosen …")
    await expect(operator.dialog).to_contain_text("1 row will be marked as dismissed")
    await expect(operator.dialog).to_contain_text(str(key))
    await operator.agree("Dismiss 1 row")
    await expect(operator.dialog.get_by_role("textbox")).to_be_focused()
    await operator.dialog.get_by_role("textbox").fill("entered twice")
    await operator.agree("Dismiss 1 row")
    await expect(operator.dialog).to_contain_text("1 row dismissed.")
    await operator.agree("Close")
    await expect(page.locator("section.group tbody")).to_contain_text(f"Dismissed by {NAME}")
    assert [json.loads(entry["what"])["keys"] for entry in audit(system, "dismiss", str(key))] == [[key]]


async def test_reconciling_shows_the_difference_and_sends_only_what_differs(system: Relay, operator: Desk) -> None:
    invoice_id, number = rejected_invoice(system, 14)
    system.tenant.switch("finance", rejectRows=[])
    await operator.open(f"runs/{invoice_id}")
    await operator.press("Reconcile …")
    await operator.agree("Compare")
    await expect(operator.dialog).to_contain_text(f"{number} ")
    await expect(operator.dialog).to_contain_text("missing, 0 surplus, 0 different")
    await expect(operator.dialog).to_contain_text("Connections: Finance offers no reading of connections")
    await operator.agree("Send what differs")
    await expect(operator.dialog).to_contain_text("sent again")
    await operator.agree("Close")
    await expect(operator.page.locator(".verdict")).to_contain_text("completed")


async def test_a_throttle_wait_is_told_with_its_end_and_whom_it_waits_for(system: Relay, operator: Desk) -> None:
    tenant = system.tenant
    tenant.switch("finance", throttleShare=1.0, throttleActions=True, retryAfterSeconds=8.0)
    invoice_id = tenant.draft(5, seed=15)
    number = tenant.invoice(invoice_id)["number"]
    tenant.confirm(invoice_id)
    await expect(operator.run(number)).to_contain_text("waiting")
    why = operator.page.locator(f"tr[data-key='{invoice_id} why']")
    await expect(why).to_have_text(re.compile(r"throttled until \d\d:\d\d:\d\d, Finance asked for \d+ s: .+"))
    await operator.go("Health")
    await expect(operator.page.locator("main")).to_contain_text("Finance asked for 8 s")
    tenant.switch("finance", throttleShare=0.0)
    await operator.open(f"runs/{invoice_id}")
    await expect(operator.page.locator(".verdict")).to_contain_text("completed")
    await expect(operator.page.locator(".timeline")).to_contain_text("throttled until")


async def test_a_pause_is_set_seen_at_the_runs_it_holds_up_and_lifted(system: Relay, operator: Desk) -> None:
    await operator.go("Health")
    await operator.press("Pause Actuals …")
    await operator.dialog.get_by_role("textbox").fill("month end")
    await operator.agree("Pause")
    await operator.agree("Close")
    try:
        invoice_id = system.tenant.draft(5, seed=16)
        system.tenant.confirm(invoice_id)
        await operator.go("Runs")
        run = operator.run(system.tenant.invoice(invoice_id)["number"])
        await expect(run).to_contain_text("paused syncing actuals")
        await expect(operator.page.locator("tr.why").first).to_contain_text(f"paused by {NAME}: month end")
        await operator.go("Health")
        await expect(operator.page.locator("main")).to_contain_text("month end")
        await operator.press("Resume …")
        await operator.agree("Resume")
        await operator.agree("Close")
        await operator.go("Runs")
        await expect(run).to_contain_text("completed")
    finally:
        resume(system, "actuals")


async def test_a_sweep_finds_an_invoice_whose_webhook_was_lost(system: Relay, operator: Desk) -> None:
    system.tenant.switch("dataverse", webhookOff=True)
    invoice_id = system.tenant.draft(5, seed=17)
    system.tenant.confirm(invoice_id)
    system.tenant.switch("dataverse", webhookOff=False)
    await operator.go("Health")
    await operator.press("Sweep now …")
    await operator.agree("Sweep")
    await expect(operator.dialog).to_contain_text("1 run started")
    await operator.agree("Close")
    await operator.go("Runs")
    await expect(operator.run(system.tenant.invoice(invoice_id)["number"])).to_contain_text("completed")
    assert audit(system, "sweep")[-1]["by"] == NAME


async def test_what_is_out_of_sync_is_listed_when_asked_for(system: Relay, operator: Desk) -> None:
    invoice_id = system.carry(8, seed=18)
    number = system.tenant.invoice(invoice_id)["number"]
    await operator.go("Out of sync")
    await operator.page.get_by_label("Leave out actuals younger than").select_option("nothing")
    await operator.press("Look")
    line = operator.page.locator("tbody tr").filter(has_text=number).filter(has_text="not posted")
    await expect(line.first).to_be_visible()


async def test_the_set_up_is_examined_and_says_what_to_do(system: Relay, operator: Desk) -> None:
    await operator.go("Setup")
    await operator.press("Check everything now")
    line = operator.page.locator(".findings li").filter(has_text="dataverse-reach")
    await expect(line).to_contain_text("lets the app in")
    await expect(operator.page.get_by_role("button", name="Check everything now")).to_be_enabled()
    start = operator.page.locator(".findings li").filter(has_text="sweep-start")
    await expect(start).to_contain_text("Next: Set SWEEP_START")
    assert audit(system, "doctor")[-1]["by"] == NAME

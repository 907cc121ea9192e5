"""`make screenshots`: every screen of the operator's page, dark and light, of a system that has something to show."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, expect

from simulators.stack import Stack
from simulators.tenant import Tenant, app_settings
from tests.endtoend.relay import Relay
from tests.operations.operator import Operator
from tests.page.browser import PATIENCE_MILLISECONDS, Desk, chromium, desk

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
REFUSE = {"entity": "Project Operations integration actuals", "field": "DESCRIPTION", "contains": "\n"}
COMPANY = "usmf"
PAGE_ROWS = {"DATAVERSE_PAGE_ROWS": "500"}


def main() -> int:
    """Run the command."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="screenshots-") as folder,
        Stack(Path(folder), app_settings=lambda stack: app_settings(stack) | PAGE_ROWS) as stack,
    ):
        tenant = Tenant(stack)
        tenant.register_webhook()
        tenant.let_app_write_back()
        tenant.switch("finance", importFixedSeconds=0.05, importSecondsPerRow=0.0, notFoundPolls=1)
        rejected = set_up(Relay(stack, tenant))
        asyncio.run(take(Relay(stack, tenant), rejected))
    return 0


def set_up(system: Relay) -> str:
    """Invoices in many states; the id of the one with rejected rows."""
    tenant = system.tenant
    posted = [tenant.draft(lines, seed=number, company=COMPANY) for number, lines in enumerate((40, 1200, 8), 2)]
    others = [tenant.draft(lines, seed=number, company=COMPANY) for number, lines in enumerate((3, 90, 240), 21)]
    for invoice_id in (*posted, *others):
        tenant.confirm(invoice_id)
    system.finish([*posted, *others])
    tenant.book(COMPANY)
    for invoice_id in posted:
        tenant.post_proposal(COMPANY, tenant.invoice(invoice_id)["number"])
    tenant.ring()
    tenant.switch("finance", rejectRows=[{**REFUSE, "message": "Line property 'Chargeable' doesn't exist"}])
    rejected = system.carry(60, seed=33, company=COMPANY)
    tenant.switch("finance", rejectRows=[])
    Operator(system).diagnose()
    return rejected


def throttle(system: Relay) -> None:
    """From here on Finance asks to wait, and an invoice does."""
    system.tenant.switch("finance", throttleShare=1.0, throttleActions=True, retryAfterSeconds=600.0)
    system.tenant.confirm(system.tenant.draft(60, seed=34, company=COMPANY))


async def take(system: Relay, rejected: str) -> None:
    """All screens in both themes."""
    async with chromium() as browser:
        for scheme in ("light", "dark"):
            await _take_search(browser, system, scheme)
        throttle(system)
        for scheme in ("light", "dark"):
            await _take_all(browser, system, rejected, scheme)


async def _take_search(browser: Browser, system: Relay, scheme: str) -> None:
    async with desk(browser, system, color_scheme=scheme) as tab:
        await tab.sign_in()
        await expect(tab.page.locator("tbody tr").first).to_be_visible()
        await tab.go("Out of sync")
        await tab.page.get_by_label("Leave out actuals younger than").select_option("nothing")
        await tab.press("Look")
        await expect(tab.page.get_by_text("out of sync.")).to_be_visible()
        await _shoot(tab, "out-of-sync", scheme)


async def _take_all(browser: Browser, system: Relay, rejected: str, scheme: str) -> None:
    async with desk(browser, system, color_scheme=scheme) as tab:
        await tab.sign_in()
        await expect(tab.page.get_by_text("asked for").first).to_be_visible()
        await _shoot(tab, "runs", scheme)
        await tab.open(f"runs/{rejected}")
        await expect(tab.page.locator(".timeline li").first).to_be_visible()
        await _shoot(tab, "run", scheme)
        await tab.press("Replay the run …")
        await expect(tab.dialog.get_by_role("button", name="Send")).to_be_visible()
        await _shoot(tab, "replay", scheme)
        await tab.agree("Cancel")
        await tab.go("Errors")
        await tab.page.locator("summary").first.click()
        await expect(tab.page.locator("tbody tr").first).to_be_visible()
        await _shoot(tab, "errors", scheme)
        await tab.go("Health")
        await _shoot(tab, "health", scheme)
        await tab.go("Setup")
        await expect(tab.page.locator(".findings li").first).to_be_visible()
        await _shoot(tab, "setup", scheme)


async def _shoot(tab: Desk, name: str, scheme: str) -> None:
    path = FOLDER / f"{name}-{scheme}.png"
    await tab.page.screenshot(path=path)
    print(f"  {path.relative_to(FOLDER.parents[1])}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

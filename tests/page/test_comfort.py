"""The page can be worked with by keyboard, by screen reader, in large print, on a phone, and while it refreshes."""

import re

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.endtoend.relay import Relay
from tests.operations.operator import Operator
from tests.page.browser import Desk, desk

SCREENS = ("runs", "errors", "health", "setup", "out-of-sync")
LENGTHEN = """() => {
  const walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walk.nextNode()) if (walk.currentNode.data.trim()) texts.push(walk.currentNode);
  const longer = (text) => (/^[-0-9.,–]+$/.test(text.trim()) ? "1,234,567.89" : `${text} ${text}`);
  for (const text of texts) text.data = longer(text.data);
}"""


@pytest.fixture(scope="module")
def invoice(running: Relay) -> str:
    """An invoice with rejected rows, so that every screen has something to show."""
    rule = {"entity": "Project Operations integration actuals", "field": "DESCRIPTION", "contains": "\n"}
    running.tenant.switch("finance", rejectRows=[{**rule, "message": "Category is missing"}])
    invoice_id = running.carry(60, seed=41)
    running.tenant.switch("finance", rejectRows=[])
    running.carry(5, seed=42)
    Operator(running).diagnose()
    return invoice_id


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_screen_has_a_flaw_that_axe_finds(browser: Browser, system: Relay, invoice: str, scheme: str) -> None:
    async with desk(browser, system, color_scheme=scheme, reduced_motion="reduce") as tab:
        await tab.page.goto(system.address("page"))
        await expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert await tab.flaws() == []
        await tab.sign_in()
        for screen in (*SCREENS, f"runs/{invoice}"):
            await tab.open(screen)
            assert await tab.flaws() == [], screen
        await tab.page.locator("section.group summary").click()
        await expect(tab.page.locator("section.group tbody tr").first).to_be_visible()
        assert await tab.flaws() == []
        await tab.press("Replay the run …")
        await expect(tab.dialog.get_by_role("button", name="Send")).to_be_visible()
        assert await tab.flaws() == []


@pytest.mark.parametrize(("width", "what"), [(390, "a phone"), (640, "200 % on a laptop of 1280")])
async def test_no_screen_needs_sideways_scrolling(
    browser: Browser, system: Relay, invoice: str, width: int, what: str
) -> None:
    async with desk(browser, system, viewport={"width": width, "height": 800}) as tab:
        await tab.sign_in()
        for screen in (*SCREENS, f"runs/{invoice}"):
            await tab.open(screen)
            await expect(tab.page.locator("main h1 + *")).to_be_visible()
            assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width, (screen, what)
            # A day later the same screen holds more: a wait of a sentence, a count of millions, a longer number.
            await tab.page.evaluate(LENGTHEN)
            assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width, (screen, what, "long")


async def test_the_theme_follows_the_system_or_the_choice(browser: Browser, system: Relay) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    async with desk(browser, system, color_scheme="dark") as tab:
        await tab.sign_in()
        dark = await tab.page.evaluate(ground)
        await tab.page.get_by_label("Theme").select_option("Light")
        light = await tab.page.evaluate(ground)
        await tab.page.reload()
        assert await tab.page.evaluate(ground) == light != dark
        await tab.page.get_by_label("Theme").select_option("As the system")
        assert await tab.page.evaluate(ground) == dark


async def test_everything_is_done_by_keyboard_alone(browser: Browser, system: Relay, invoice: str) -> None:
    async with desk(browser, system) as tab:
        page, keys = tab.page, tab.page.keyboard
        await page.goto(system.address("page"))
        await expect(page.get_by_label("Your name")).to_be_focused()
        await keys.type("Kim Keys")
        await keys.press("Tab")
        await keys.type(system.stack.function_key)
        await keys.press("Enter")
        await expect(page.get_by_role("heading", level=1, name="Runs")).to_be_visible()
        await expect(page.locator("main")).to_be_focused()
        await page.reload()
        await expect(page.get_by_role("heading", level=1, name="Runs")).to_be_visible()
        await keys.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await keys.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        number = system.tenant.invoice(invoice)["number"]
        await walk(tab, page.locator("table.runs").get_by_role("link", name=number))
        await keys.press("Enter")
        await expect(page.get_by_role("heading", level=1, name=number)).to_be_visible()
        button = page.get_by_role("button", name="Replay the run …")
        await walk(tab, button)
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await keys.press("Enter")
        await expect(tab.dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await keys.press("Escape")
        await expect(tab.dialog).to_be_hidden()
        await expect(button).to_be_focused()


async def walk(tab: Desk, goal: Locator) -> None:
    """Press Tab until the goal has the focus."""
    for _ in range(80):
        await tab.page.keyboard.press("Tab")
        if await goal.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError("Tab does not lead there")


async def test_a_refresh_keeps_focus_selection_and_scroll_and_says_when_it_was(
    browser: Browser, system: Relay, invoice: str
) -> None:
    async with desk(browser, system, viewport={"width": 900, "height": 420}) as tab:
        page = tab.page
        await tab.sign_in()
        await tab.open(f"runs/{invoice}")
        await page.locator("section.group summary").click()
        await page.get_by_role("checkbox").nth(1).check()
        code = page.locator("dl code").first
        await code.evaluate("node => getSelection().selectAllChildren(node)")
        await page.get_by_role("button", name="Reconcile …").focus()
        await page.evaluate("scrollTo(0, 260)")
        told = await page.locator("#clock").inner_text()
        assert re.fullmatch(r"Updated \d\d:\d\d:\d\d", told)
        await expect(page.locator("#clock")).not_to_have_text(told)
        await expect(page.get_by_role("button", name="Reconcile …")).to_be_focused()
        assert await page.evaluate("String(getSelection())") == await code.inner_text()
        assert await page.evaluate("scrollY") == 260
        await expect(page.get_by_role("checkbox").nth(1)).to_be_checked()
        await expect(page.locator("section.group details")).to_have_attribute("open", "")


async def test_it_rests_while_nobody_looks_and_when_updates_are_stopped(operator: Desk) -> None:
    page = operator.page
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    await page.evaluate(hide + "document.dispatchEvent(new Event('visibilitychange')) }", arg=True)
    asked = len(operator.requests)
    await page.wait_for_timeout(6500)
    assert len(operator.requests) == asked
    async with page.expect_request("**/api/runs?*"):
        await page.evaluate(hide + "document.dispatchEvent(new Event('visibilitychange')) }", arg=False)
    await page.get_by_role("button", name="Stop updates").click()
    await expect(page.get_by_role("status").first).to_have_text("Automatic updates are off.")
    asked = len(operator.requests)
    await page.wait_for_timeout(6500)
    assert len(operator.requests) == asked
    await page.get_by_role("button", name="Refresh").click()
    await expect(page.locator("#news")).to_contain_text("Updated")
    assert len(operator.requests) > asked


async def test_the_search_and_the_filters_are_in_the_address_and_find_runs(
    operator: Desk, system: Relay, invoice: str
) -> None:
    page, number = operator.page, system.tenant.invoice(invoice)["number"]
    await page.get_by_label("Search").fill(number.lower())
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody th")).to_have_text([number])
    assert f"search={number.lower()}" in page.url
    await page.get_by_label("State").select_option("completed")
    await expect(page.get_by_text("No run matches.")).to_be_visible()
    await page.get_by_label("State").focus()
    await page.get_by_label("State").select_option("needs attention or failed")
    await expect(page.locator("tbody th")).to_have_text([number])
    await expect(page.get_by_label("State")).to_be_focused()
    await page.reload()
    await expect(page.locator("tbody th")).to_have_text([number])
    await page.go_back()
    await expect(page.get_by_text("No run matches.")).to_be_visible()
    await expect(page.get_by_label("State")).to_have_value("completed")


async def test_numbers_dates_and_money_are_the_readers_own(browser: Browser, system: Relay, invoice: str) -> None:
    async with desk(browser, system, locale="de-DE") as german:
        await german.sign_in()
        await german.open(f"runs/{invoice}")
        amount = system.tenant.run(invoice)["billedSales"]["amounts"]["USD"]  # type: ignore[index]
        whole, _, fraction = amount.partition(".")
        shown = f"{int(whole):,}".replace(",", ".") + "," + fraction.ljust(2, "0")
        text = (await german.page.locator("dl").inner_text()).replace("\N{NO-BREAK SPACE}", " ")
        assert f"{shown} USD" in text

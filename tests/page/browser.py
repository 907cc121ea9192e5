"""An operator in front of a real browser."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.endtoend.relay import Relay

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
NAME = "Olga Ops"
PATIENCE_MILLISECONDS = 45_000
SIZE = {"width": 1280, "height": 800}


def find_chromium() -> str:
    """The browser of this machine. Raises RuntimeError that says how to get one."""
    given = os.environ.get("CHROMIUM")
    found = given or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise RuntimeError("There is no Chromium: `make setup` installs Debian's, or set CHROMIUM to a browser")
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser."""
    # Chromium's own sandbox does not start for root, as in most containers.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(frozen=True)
class Desk:
    """One browser tab with the operator's page of a running system."""

    page: Page
    system: Relay
    requests: list[str]
    complaints: list[str]

    async def sign_in(self, key: str | None = None, name: str = NAME) -> None:
        """Open the page and sign in with the operator's key."""
        await self.page.goto(self.system.address("page"))
        await self.page.get_by_label("Your name").fill(name)
        await self.page.get_by_label("Operator’s key").fill(key or self.system.stack.function_key)
        await self.page.get_by_role("button", name="Sign in").click()

    async def open(self, screen: str) -> None:
        """Go to a screen by its address and wait until it is there."""
        await self.page.evaluate("address => { location.hash = address }", f"#/{screen}")
        await expect(self.page.locator(f'main[data-screen="{screen.partition("?")[0]}"] h1')).to_be_visible()

    async def go(self, link: str) -> None:
        """Go to a screen by the links at the top."""
        await self.page.get_by_role("navigation", name="Screens").get_by_role("link", name=link).click()
        await expect(self.page.get_by_role("heading", level=1, name=link)).to_be_visible()

    def run(self, number: str) -> Locator:
        """The line of a run."""
        return self.page.locator("table.runs tbody tr").filter(has=self.page.get_by_role("link", name=number))

    async def press(self, button: str) -> None:
        """Press a button of the screen."""
        await self.page.locator("main").get_by_role("button", name=button, exact=True).first.click()

    @property
    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.get_by_role("dialog")

    async def agree(self, button: str) -> None:
        """Press a button of the dialog."""
        await self.dialog.get_by_role("button", name=button).click()

    async def flaws(self) -> list[dict[str, Any]]:
        """What axe-core finds wrong with the screen as it is."""
        if not await self.page.evaluate("typeof window.axe !== 'undefined'"):
            await self.page.evaluate(AXE.read_text("utf-8"))
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            {"rule": each["id"], "where": [node["target"] for node in each["nodes"]], "help": each["help"]}
            for each in found["violations"]
        ]


@asynccontextmanager
async def desk(browser: Browser, system: Relay, **options: Any) -> AsyncIterator[Desk]:
    """A tab in a browser session of its own; what it asks for and what it complains of is written down."""
    given = {"viewport": SIZE, "locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
    context = await browser.new_context(**given)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = await context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    try:
        yield Desk(page, system, requests, complaints)
    finally:
        await context.close()

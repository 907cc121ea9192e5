"""One running system and one browser for the tests of the operator's page."""

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, expect

from tests.endtoend.relay import Relay, relay
from tests.page.browser import PATIENCE_MILLISECONDS, Desk, chromium, desk

SETTINGS = {
    "DATAVERSE_PAGE_ROWS": "50",
    # The tests sweep by hand; the clock would come in between every ten minutes.
    "AzureWebJobs.sweep.Disabled": "true",
}
MENDED = {"rejectRows": [], "throttleShare": 0.0, "throttleActions": False, "importFixedSeconds": 0.0}


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The system; tests make invoices of their own."""
    with relay(tmp_path_factory.mktemp("page"), settings=SETTINGS) as system:
        system.tenant.let_app_write_back()
        system.tenant.switch("finance", takeUpSeconds=0.0, notFoundPolls=0, **MENDED)
        yield system


@pytest.fixture
def system(running: Relay) -> Iterator[Relay]:
    """The system without a fault of an earlier test."""
    yield running
    running.tenant.switch("finance", **MENDED)


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    """The browser; every test opens a session of its own in it."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with chromium() as running:
        yield running


@pytest.fixture
async def tab(browser: Browser, system: Relay) -> AsyncIterator[Desk]:
    """A tab without sign-in. A script error or a violation of the content security policy fails the test."""
    async with desk(browser, system) as opened:
        yield opened
    assert opened.complaints == []


@pytest.fixture
async def operator(tab: Desk) -> Desk:
    """A tab in which the operator sees the runs."""
    await tab.sign_in()
    await expect(tab.page.get_by_role("heading", level=1, name="Runs")).to_be_visible()
    return tab

"""Without the key there is no access, no data leaks, and text of a service is only ever shown as text."""

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.async_api import Browser, expect

from tests.endtoend.dataverse_reader import token
from tests.endtoend.relay import Relay
from tests.page.browser import Desk, desk

ACTUALS = "Project Operations integration actuals"
MARKUP = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"
FILES = ("", "/style.css", "/app.js", "/theme.js", "/icon.svg")


def call(system: Relay, method: str, path: str, body: Any = None) -> Any:
    """Call Dataverse's Web API as any of its clients would."""
    url = f"{system.stack.url('dataverse')}/api/data/v9.2/{path}"
    answer = requests.request(
        method, url, json=body, headers={"Authorization": f"Bearer {token(system, 'dataverse')}"}, timeout=60
    )
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def test_the_pages_files_hold_no_data_and_forbid_everything_foreign(system: Relay) -> None:
    for file in FILES:
        answer = requests.get(system.address(f"page{file}"), timeout=60)
        assert answer.status_code == 200
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert (answer.headers["X-Content-Type-Options"], answer.headers["X-Frame-Options"]) == ("nosniff", "DENY")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        again = requests.get(
            system.address(f"page{file}"), headers={"If-None-Match": answer.headers["ETag"]}, timeout=60
        )
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["nothing.js", "../functions.py", "%2e%2e/functions.py", "..%2ffunctions.py", "static"]
)
def test_no_other_file_is_served(system: Relay, name: str) -> None:
    prepared = requests.Request("GET", system.address("page/")).prepare()
    prepared.url = system.address(f"page/{name}")
    with requests.Session() as session:
        answer = session.send(prepared, timeout=60)
    assert answer.status_code == 404
    assert b"import" not in answer.content


def test_the_shell_has_no_inline_script_or_style(system: Relay) -> None:
    shell = requests.get(system.address("page"), timeout=60).text
    assert "<style" not in shell
    assert " style=" not in shell
    assert "javascript:" not in shell
    assert all("src=" in tag for tag in shell.split("<script")[1:])
    assert not [handler for handler in (" onclick=", " onload=", " onerror=") if handler in shell]


@pytest.mark.parametrize("key", ["", "wrong", "webhook"])
async def test_without_the_operators_key_nothing_is_shown(tab: Desk, system: Relay, key: str) -> None:
    page = tab.page
    if not key:
        await page.goto(system.address("page") + "#/health")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        asked = {urlsplit(each).path for each in tab.requests if "/page" not in each}
        assert asked == {"/api/sign-in"}
        return
    await tab.sign_in(key=system.stack.webhook_key if key == "webhook" else key)
    await expect(page.get_by_text("The key was refused.")).to_be_visible()
    await expect(page.get_by_role("navigation", name="Screens")).to_be_hidden()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_the_key_stays_in_the_tab_and_is_gone_after_signing_out(
    operator: Desk, system: Relay, browser: Browser
) -> None:
    page = operator.page
    key = system.stack.function_key
    assert key not in str(await page.evaluate("[document.cookie, location.href, Object.values(localStorage)]"))
    assert [each for each in operator.requests if key in each] == []
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0
    async with desk(browser, system) as other:
        await other.page.goto(system.address("page"))
        await expect(other.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_nothing_is_loaded_from_elsewhere(operator: Desk, system: Relay) -> None:
    for screen in ("Errors", "Out of sync", "Health", "Runs"):
        await operator.go(screen)
    home = urlsplit(system.address("page")).netloc
    assert {urlsplit(each).netloc for each in operator.requests} == {home}


async def test_the_page_cannot_be_framed(operator: Desk, system: Relay) -> None:
    await operator.page.goto("about:blank")
    await operator.page.set_content(f"<iframe src='{system.address('page')}'></iframe>")
    frame = operator.page.frames[1]
    await operator.page.wait_for_timeout(500)
    assert await frame.locator("#sign-in").count() == 0
    operator.complaints.clear()


async def test_markup_of_a_service_is_shown_and_does_nothing(operator: Desk, system: Relay) -> None:
    tenant, page = system.tenant, operator.page
    invoice_id = tenant.draft(60, seed=31)
    customer = call(system, "GET", f"invoices({invoice_id})?$select=_customerid_value")["_customerid_value"]
    call(system, "PATCH", f"accounts({customer})", {"name": MARKUP[:100]})
    rule = {"entity": ACTUALS, "field": "DESCRIPTION", "contains": "\n", "message": f"Not so: {MARKUP}"}
    tenant.switch("finance", rejectRows=[rule])
    tenant.confirm(invoice_id)
    system.finish([invoice_id])
    number = tenant.invoice(invoice_id)["number"]
    await operator.open(f"runs?search={number}")
    await expect(operator.run(number)).to_contain_text(MARKUP[:100])
    await expect(page.locator("tr.why").first).to_contain_text("Not so: <img")
    await operator.open(f"runs/{invoice_id}")
    await page.locator("section.group summary").click()
    await expect(page.locator("section.group tbody tr").first).to_contain_text("<script>")
    await operator.press("Dismiss all its rows …")
    await operator.dialog.get_by_role("textbox").fill(MARKUP)
    await operator.dialog.get_by_role("button", name="Dismiss").click()
    await operator.agree("Close")
    await expect(page.locator(".timeline")).to_contain_text("<script>")
    await operator.open("errors")
    assert await page.locator("main img, main script").count() == 0
    assert "taken over" not in await page.title()

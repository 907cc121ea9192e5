"""`relay webhook`: register, show, rotate, remove, against simulated Dataverse, Azure and sign-in."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from relay_cli.problems import ExitCode
from relay_cli.webhook import function_app
from simulators.signin.az import write_browser
from simulators.stack import ADMINISTRATOR, SITE_ID, TENANT
from tests.relay_cli.command import environment, relay, relay_on_terminal
from tests.relay_cli.webhook_world import ENDPOINTS, GUEST, IMAGES, STEPS, World
from tests.relay_cli.webhook_world import world as start

OTHER = "0e000000-0000-4000-8000-000000000001"
AT_ONCE = ("--every", "0.1")


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with start(Path(tmp_path_factory.mktemp("webhook"))) as running:
        yield running


@pytest.fixture
def world(parties: World, capsys: pytest.CaptureFixture[str]) -> World:
    """All parties, with nothing registered."""
    parties.clear()
    parties.capture = capsys
    return parties


@pytest.fixture
def registered(world: World) -> World:
    """The webhook is registered, and an event has come."""
    assert world.relay("register").code == ExitCode.FINE
    world.confirm()
    world.app.notes.clear()
    return world


def test_registering_makes_a_key_the_rows_and_an_enabled_step(world: World) -> None:
    ended = world.relay("register", "--by", "kim")
    assert (ended.code, ended.stdout) == (ExitCode.FINE, "The webhook is registered and enabled.\n"), ended.stderr
    [endpoint], [step], [image] = world.rows(ENDPOINTS), world.rows(STEPS), world.rows(IMAGES)
    assert (endpoint["url"], endpoint["authtype"], endpoint["contract"]) == (
        f"{world.app.url}/api/invoices/confirmations",
        5,
        8,
    )
    assert (step["stage"], step["mode"], step["asyncautodelete"], step["statecode"]) == (40, 1, True, 0)
    assert step["filteringattributes"] == "msdyn_projectinvoicestatus"
    assert (image["imagetype"], image["messagepropertyname"]) == (1, "Target")
    assert world.is_registered_once()
    [(name, key)] = world.keys().items()
    assert set(world.app.delivered) == {name}
    assert [(note["phase"], note["by"], note["azureResource"]) for note in world.app.notes] == [
        ("begun", "kim", SITE_ID),
        ("done", "kim", SITE_ID),
    ]
    assert key not in ended.stdout + ended.stderr + str(world.app.notes)


def test_the_step_is_disabled_until_its_image_is_there(world: World) -> None:
    assert world.relay("register").code == ExitCode.FINE
    assert world.written() == [
        f"POST {ENDPOINTS}",
        f"POST {STEPS}",
        f"PATCH {STEPS}",
        f"POST {IMAGES}",
        f"PATCH {STEPS}",
    ]


def test_no_token_reaches_the_app_or_the_screen(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ended = world.relay("register")
    shown = world.relay("show", "--json")
    world.confirm()
    said = ended.stdout + ended.stderr + shown.stdout + shown.stderr + caplog.text
    # Every JWT begins with these characters: {"alg":
    assert "eyJhbGciOi" not in said
    assert not any(b"eyJhbGciOi" in each or b"Bearer" in each for each in world.app.received)
    [key] = world.keys().values()
    assert key not in said


def test_what_is_registered_waits_for_its_first_event_and_says_so(world: World) -> None:
    ended = world.relay("register")
    assert "`relay webhook show` tells that its event came" in ended.stderr
    shown = world.relay("show")
    assert (shown.code, "No event has come under the key yet" in shown.stdout) == (ExitCode.FINE, True)
    assert "would" not in shown.stdout


def test_an_endpoint_without_a_key_is_not_as_it_should_be(registered: World) -> None:
    [endpoint] = registered.rows(ENDPOINTS)
    registered.api("PATCH", f"{ENDPOINTS}({endpoint['serviceendpointid']})", {"authvalue": ""})
    shown = registered.relay("show")
    assert (shown.code, "Give Dataverse the key" in shown.stdout) == (ExitCode.FAILED, True)
    assert registered.relay("register").code == ExitCode.FINE
    assert registered.is_registered_once()


def test_registering_again_changes_nothing_once_an_event_has_come(registered: World) -> None:
    before = [registered.rows(entity_set) for entity_set in (ENDPOINTS, STEPS, IMAGES)]
    ended = registered.relay("register")
    assert (ended.code, ended.stdout) == (ExitCode.FINE, "Nothing is left to do.\n")
    assert [registered.rows(entity_set) for entity_set in (ENDPOINTS, STEPS, IMAGES)] == before
    assert registered.app.notes == []


def test_only_what_differs_is_changed(registered: World) -> None:
    [step], [image] = registered.rows(STEPS), registered.rows(IMAGES)
    registered.api(
        "PATCH", f"{STEPS}({step['sdkmessageprocessingstepid']})", {"statecode": 1, "asyncautodelete": False}
    )
    where = f"{IMAGES}({image['sdkmessageprocessingstepimageid']})"
    registered.api("PATCH", where, {"attributes": "msdyn_ordertype, msdyn_projectinvoicestatus"})
    dry = registered.relay("register", "--dry-run")
    assert "asyncautodelete" in dry.stderr
    assert "Enable the step" in dry.stderr
    assert ("image" in dry.stderr, "key" in dry.stderr.replace("with the key", "")) == (False, False)
    assert registered.rows(STEPS)[0]["statecode"] == 1
    assert registered.relay("register").code == ExitCode.FINE
    assert registered.is_registered_once()


def test_an_endpoint_made_by_hand_is_taken_over(world: World) -> None:
    url = f"{world.app.url}/api/invoices/confirmations/"
    body = {"name": "By hand", "url": url, "contract": 8, "authtype": 4, "authvalue": "old key"}
    world.api("POST", ENDPOINTS, body)
    assert world.relay("register").code == ExitCode.FINE
    assert world.is_registered_once()
    assert world.rows(ENDPOINTS)[0]["name"] == "By hand"


@pytest.mark.parametrize("command", ["register", "rotate", "remove", "show"])
def test_two_endpoints_of_one_name_are_listed_and_nothing_is_done(world: World, command: str) -> None:
    body = {"name": "Invoice relay", "url": "https://contoso.example/x", "contract": 8, "authtype": 5}
    ids = [world.api("POST", ENDPOINTS, body).json()["serviceendpointid"] for _ in range(2)]
    ended = world.relay(command)
    assert ended.code == (ExitCode.FAILED if command == "show" else ExitCode.USAGE)
    assert all(each in ended.stdout + ended.stderr for each in ids)
    assert "2 webhook endpoints" in ended.stdout + ended.stderr
    assert (world.keys(), world.rows(STEPS), world.app.notes) == ({}, [], [])


@pytest.mark.parametrize("command", ["rotate", "remove"])
def test_an_endpoint_of_our_name_that_leads_elsewhere_gets_no_key_and_stays(registered: World, command: str) -> None:
    [endpoint], keys = registered.rows(ENDPOINTS), registered.keys()
    where = f"{ENDPOINTS}({endpoint['serviceendpointid']})"
    registered.api("PATCH", where, {"url": "https://other.example/api/invoices/confirmations"})
    before = registered.rows(ENDPOINTS)
    ended = registered.relay(command)
    assert ended.code == ExitCode.USAGE
    assert "leads to https://other.example/api/invoices/confirmations, not to" in ended.stderr
    assert (registered.rows(ENDPOINTS), registered.keys(), registered.app.notes) == (before, keys, [])


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server with one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server has
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "body"), [(200, b""), (200, b"{}"), (200, b"[]"), (204, b""), (304, b"")])
def test_an_answer_of_another_form_ends_in_a_sentence(world: World, status: int, body: bytes) -> None:
    with answering(status, body) as url:
        ended = world.relay("show", RELAY_DATAVERSE=url)
    assert ended.code == ExitCode.UNREACHABLE, ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_administrator_of_another_tenant_is_refused_before_a_token_is_sent(world: World) -> None:
    ended = world.relay("register", AZ_TENANT=OTHER)
    assert ended.code == ExitCode.NOT_ALLOWED
    assert f"signed in to the tenant {OTHER}; the app's is {TENANT}" in ended.stderr
    assert f"az login --tenant {TENANT}" in ended.stderr
    assert (world.kinds(world.dataverse), world.kinds(world.arm)) == (set(), set())


def test_another_environment_than_the_apps_is_refused(world: World) -> None:
    served, world.app.organization = world.app.organization, OTHER
    ended = world.relay("register")
    assert ended.code == ExitCode.USAGE
    assert f"is the organization {served}" in ended.stderr
    assert OTHER in ended.stderr
    assert (world.keys(), world.rows(ENDPOINTS)) == ({}, [])


def test_another_function_app_than_the_one_at_relay_url_is_refused(world: World) -> None:
    world.app.host_name = "other.azurewebsites.net"
    ended = world.relay("register")
    assert (ended.code, "other.azurewebsites.net" in ended.stderr) == (ExitCode.USAGE, True)
    assert world.keys() == {}


def test_a_user_without_privileges_is_told_which_is_missing(world: World) -> None:
    ended = world.relay("register", person=GUEST)
    assert ended.code == ExitCode.NOT_ALLOWED
    assert "no privilege prvCreateServiceEndpoint" in ended.stderr
    assert "System Administrator" in ended.stderr
    assert [note["phase"] for note in world.app.notes] == ["begun", "failed"]
    assert world.relay("register").code == ExitCode.FINE
    assert world.is_registered_once()
    assert len(world.keys()) == 1


def test_a_stranger_to_dataverse_and_azure_is_refused(world: World) -> None:
    ended = world.relay("show", person=OTHER)
    assert (ended.code, "Dataverse" in ended.stderr) == (ExitCode.NOT_ALLOWED, True)


def test_who_is_not_signed_in_is_told_how(world: World) -> None:
    ended = world.relay("show", person="")
    assert ended.code == ExitCode.NOT_ALLOWED
    assert f"`az login --tenant {TENANT}`" in ended.stderr
    ended = world.relay("show", "--sign-in", "azd", person="")
    assert f"`azd auth login --tenant-id {TENANT}`" in ended.stderr


def test_azd_signs_in_too(world: World) -> None:
    assert world.relay("register", "--sign-in", "azd").code == ExitCode.FINE


def test_without_azure_identity_one_sentence_says_what_to_install(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "azure.identity", None)
    ended = world.relay("show")
    assert ended.code == ExitCode.USAGE
    assert ended.stderr.splitlines() == [
        "Error: An administrator's sign-in needs the package azure-identity.",
        "Run `pip install 'invoice-relay[webhook]'`.",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("RELAY_DATAVERSE", "http://contoso.crm.dynamics.com", "unencrypted"),
        ("RELAY_DATAVERSE", "https://contoso.crm.dynamics.com/x", "is not the address of a Dataverse environment"),
        ("RELAY_DATAVERSE", "https://me@contoso.crm.dynamics.com", "is not the address of a Dataverse environment"),
        ("RELAY_AZURE", "https://management.azure.com.evil.example", "not an address of Azure Resource Manager"),
        ("RELAY_RESOURCE", "relay", "is not the resource id of a function app"),
        ("RELAY_RESOURCE", f"{SITE_ID}/../../x", "is not the resource id of a function app"),
        ("RELAY_RESOURCE", f"{SITE_ID}-other", "There is no function app"),
    ],
)
def test_an_address_that_gets_no_token(world: World, variable: str, value: str, words: str) -> None:
    ended = world.relay("show", **{variable: value})
    assert (ended.code, words in ended.stderr) == (ExitCode.USAGE, True), ended.stderr


def test_a_redirect_is_not_followed(world: World) -> None:
    world.switch(world.arm, redirectTo=world.app.url)
    ended = world.relay("show")
    assert (ended.code, "answered 307" in ended.stderr) == (ExitCode.UNREACHABLE, True), ended.stderr
    assert not any(b"subscriptions" in each for each in world.app.received)


def test_a_key_that_does_not_open_enables_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_app, "_PROBE_SECONDS", 0)
    monkeypatch.setattr(function_app, "_PAUSE_SECONDS", 0.01)
    world.switch(world.arm, keyDelaySeconds=60)
    ended = world.relay("register")
    assert ended.code == ExitCode.USAGE
    assert "The key does not open" in ended.stderr
    assert "it answered 401" in ended.stderr
    assert (world.rows(ENDPOINTS), world.rows(STEPS)) == ([], [])


def test_a_key_that_holds_after_a_moment_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_app, "_PAUSE_SECONDS", 0.05)
    world.switch(world.arm, keyDelaySeconds=0.3)
    assert world.relay("register").code == ExitCode.FINE
    assert world.is_registered_once()


def test_an_older_release_is_named(world: World) -> None:
    world.app.is_old = True
    ended = world.relay("register")
    assert (ended.code, "older release" in ended.stderr, world.rows(STEPS)) == (ExitCode.USAGE, True, [])


LOST = {
    "a key": ("arm", "PUT keys"),
    "an endpoint": ("dataverse", "POST serviceendpoints"),
    "a step": ("dataverse", "POST sdkmessageprocessingsteps"),
    "an image": ("dataverse", "POST sdkmessageprocessingstepimages"),
    "the enabling": ("dataverse", "PATCH sdkmessageprocessingsteps"),
}


@pytest.mark.parametrize("what", LOST)
def test_after_a_crash_behind_any_step_another_run_ends_right(world: World, what: str) -> None:
    server, kind = LOST[what]
    world.lose(getattr(world, server), **{kind: ["reset"]})
    ended = world.relay("register")
    assert ended.code == ExitCode.UNREACHABLE
    assert "Run the command again" in ended.stderr
    assert world.relay("register").code == ExitCode.FINE
    assert world.is_registered_once()
    assert len(world.keys()) == 1


def test_a_rotated_key_opens_and_the_old_one_no_longer(registered: World) -> None:
    [old] = registered.keys().items()
    # The third question comes after Dataverse was given the key.
    registered.app.at_question = (3, registered.confirm)
    ended = registered.relay("rotate", "--wait", "1", *AT_ONCE)
    assert (ended.code, ended.stdout) == (
        ExitCode.FINE,
        "Dataverse uses the new key, and the old one is deleted.\n",
    ), ended.stderr
    [new] = registered.keys().items()
    assert old[0] != new[0]
    assert set(registered.app.delivered) == {old[0], new[0]}
    assert registered.app.answer("POST /api/invoices/confirmations", old[1], "", b"{}")[0] == 401
    assert registered.is_registered_once()
    assert not {old[1], new[1]} & set(re.findall(r"[\w-]+", ended.stdout + ended.stderr + str(registered.app.notes)))


def test_without_an_event_both_keys_stay_and_a_later_run_goes_on(registered: World) -> None:
    ended = registered.relay("rotate", "--wait", "0", *AT_ONCE)
    assert ended.code == ExitCode.FAILED
    assert "No event has come under the new key" in ended.stderr
    assert "relay webhook rotate" in ended.stderr
    both = registered.keys()
    assert len(both) == 2
    assert [note["phase"] for note in registered.app.notes] == ["begun", "failed"]
    shown = registered.relay("show").stdout
    assert ("has not ended" in shown, "relay webhook register" in shown) == (True, False)
    registered.confirm()
    assert registered.relay("rotate", "--wait", "0").code == ExitCode.FINE
    assert list(registered.keys().items()) == [max(both.items())]
    assert registered.is_registered_once()


@pytest.mark.parametrize(("server", "kind"), [("arm", "PUT keys"), ("dataverse", "PATCH serviceendpoints")])
def test_a_rotation_that_crashed_goes_on_with_the_same_key(registered: World, server: str, kind: str) -> None:
    registered.lose(getattr(registered, server), **{kind: ["reset"]})
    assert registered.relay("rotate", "--wait", "0").code == ExitCode.UNREACHABLE
    assert len(registered.keys()) == 2
    assert registered.relay("rotate", "--wait", "0", *AT_ONCE).code == ExitCode.FAILED
    registered.confirm()
    registered.lose(registered.arm, **{"DELETE keys": ["reset"]})
    assert registered.relay("rotate", "--wait", "0").code == ExitCode.UNREACHABLE
    assert len(registered.keys()) == 1
    assert registered.is_registered_once()


def test_an_endpoint_that_is_deleted_meanwhile_is_not_made_again_by_a_change(registered: World) -> None:
    def delete() -> None:
        for entity_set in (STEPS, ENDPOINTS):
            [row] = registered.rows(entity_set)
            registered.api("DELETE", f"{entity_set}({row[f'{entity_set[:-1]}id']})")

    # The second question comes before Dataverse is given the key.
    registered.app.at_question = (2, delete)
    ended = registered.relay("rotate", "--wait", "0")
    assert (ended.code, "Run the command again" in ended.stderr) == (ExitCode.USAGE, True), ended.stderr
    assert registered.rows(ENDPOINTS) == []


def test_a_rotation_needs_a_registration(world: World) -> None:
    ended = world.relay("rotate")
    assert (ended.code, "not registered" in ended.stderr, world.keys()) == (ExitCode.USAGE, True, {})


def test_removing_removes_all_and_again_nothing(registered: World) -> None:
    ended = registered.relay("remove")
    assert (ended.code, ended.stdout) == (ExitCode.FINE, "The webhook is removed.\n"), ended.stderr
    assert [registered.rows(entity_set) for entity_set in (ENDPOINTS, STEPS, IMAGES)] == [[], [], []]
    assert registered.keys() == {}
    again = registered.relay("remove")
    assert (again.code, again.stdout) == (ExitCode.FINE, "Nothing is left to do.\n")
    assert registered.relay("register").code == ExitCode.FINE
    assert registered.is_registered_once()


@pytest.mark.parametrize(
    ("server", "kind"),
    [
        ("dataverse", "DELETE sdkmessageprocessingsteps"),
        ("dataverse", "DELETE serviceendpoints"),
        ("arm", "DELETE keys"),
    ],
)
def test_a_removal_that_crashed_is_finished_by_another_run(registered: World, server: str, kind: str) -> None:
    registered.lose(getattr(registered, server), **{kind: ["reset"]})
    assert registered.relay("remove").code == ExitCode.UNREACHABLE
    assert registered.relay("remove").code == ExitCode.FINE
    assert (registered.rows(STEPS), registered.rows(ENDPOINTS), registered.keys()) == ([], [], {})


def test_a_foreign_step_on_the_endpoint_is_not_removed(registered: World) -> None:
    [endpoint] = registered.rows(ENDPOINTS)
    [message] = [row["sdkmessageid"] for row in registered.rows("sdkmessages") if row["name"] == "Create"]
    made = registered.api(
        "POST",
        STEPS,
        {
            "name": "Theirs",
            "stage": 40,
            "mode": 1,
            "eventhandler_serviceendpoint@odata.bind": f"/{ENDPOINTS}({endpoint['serviceendpointid']})",
            "sdkmessageid@odata.bind": f"/sdkmessages({message})",
        },
    )
    ended = registered.relay("remove")
    assert (ended.code, made.json()["sdkmessageprocessingstepid"] in ended.stderr) == (ExitCode.USAGE, True)
    assert len(registered.rows(STEPS)) == 2


def test_show_says_what_is_there_and_who_else_listens(registered: World) -> None:
    shown = registered.relay("show")
    assert (shown.code, "All is registered as it should be" in shown.stdout) == (ExitCode.FINE, True)
    body = {"name": "Theirs", "url": "https://theirs.example/x", "contract": 8, "authtype": 5}
    theirs = registered.api("POST", ENDPOINTS, body).json()["serviceendpointid"]
    [step] = registered.rows(STEPS)
    copied = {name: step[name] for name in ("stage", "mode", "filteringattributes")} | {
        "name": "Their step",
        "eventhandler_serviceendpoint@odata.bind": f"/{ENDPOINTS}({theirs})",
        "sdkmessageid@odata.bind": f"/sdkmessages({step['_sdkmessageid_value']})",
        "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({step['_sdkmessagefilterid_value']})",
    }
    registered.api("POST", STEPS, copied)
    again = registered.relay("show")
    assert (again.code, "Their step" in again.stdout, "theirs.example" in again.stdout) == (ExitCode.FINE, True, True)
    document = registered.relay("show", "--json").document
    assert (document["complete"], len(document["otherListeners"])) == (True, 1)


def test_show_of_nothing_says_what_register_would_do(world: World) -> None:
    shown = world.relay("show")
    assert shown.code == ExitCode.FAILED
    for words in ("Create the key", "Create the webhook endpoint", "Create the step", "Create the image", "Enable"):
        assert words in shown.stdout
    assert (world.keys(), world.app.notes) == ({}, [])


def test_without_the_operators_key_nothing_is_done(world: World) -> None:
    ended = world.relay("register", RELAY_KEY="wrong")
    assert (ended.code, world.keys(), world.rows(ENDPOINTS)) == (ExitCode.NOT_ALLOWED, {}, [])


def test_what_will_be_done_is_shown_and_asked(world: World) -> None:
    env = environment(None, key=None, **world.environment())
    ended = relay_on_terminal("webhook", "register", env=env, when="Do it?", typed="n\n")
    assert ended.code == ExitCode.USAGE
    assert "Create the webhook endpoint" in ended.stdout
    assert (world.keys(), world.rows(ENDPOINTS), world.app.notes) == ({}, [], [])
    without = relay("webhook", "register", env=env)
    assert (without.code, "--yes" in without.stderr) == (ExitCode.USAGE, True)
    assert relay_on_terminal("webhook", "register", env=env, when="Do it?", typed="y\n").code == ExitCode.FINE
    assert world.is_registered_once()


def test_an_administrator_signs_in_with_a_browser_once(world: World, tmp_path: Path) -> None:
    world.switch(world.signin, browserPerson=ADMINISTRATOR)
    authority = str(world.signin.facts["authority"]).rpartition("/")[0]
    given = {
        "BROWSER": f"{write_browser(tmp_path)} %s &",
        "AZURE_AUTHORITY_HOST": authority,
        "REQUESTS_CA_BUNDLE": str(world.signin.facts["ca"]),
    }
    env = environment(None, key=None, **world.environment(person="", **given))
    ended = relay("webhook", "register", "--sign-in", "browser", "--yes", env=env)
    assert ended.code == ExitCode.FINE, ended.stderr
    assert world.is_registered_once()


def test_an_interrupted_wait_is_in_the_audit_and_another_run_goes_on(registered: World) -> None:
    env = environment(None, key=None, **registered.environment())
    rotate = ("webhook", "rotate", "--yes", "--wait", "5", *AT_ONCE)
    ended = relay_on_terminal(*rotate, env=env, when="Waiting for an event", typed="^C")
    assert ended.code == ExitCode.INTERRUPTED
    assert [note["phase"] for note in registered.app.notes] == ["begun", "failed"]
    registered.confirm()
    assert registered.relay("rotate", "--wait", "0").code == ExitCode.FINE
    assert len(registered.keys()) == 1


def test_an_endpoint_of_the_same_name_for_another_address_is_told(world: World) -> None:
    body = {"name": "Invoice relay", "url": "https://other.example/api/invoices/confirmations", "contract": 8}
    world.api("POST", ENDPOINTS, {**body, "authtype": 5})
    assert "now https://other.example" in world.relay("register", "--dry-run").stderr
    assert world.relay("register", "--name", "Invoice relay, sandbox").code == ExitCode.FINE
    assert {row["name"] for row in world.rows(ENDPOINTS)} == {"Invoice relay", "Invoice relay, sandbox"}

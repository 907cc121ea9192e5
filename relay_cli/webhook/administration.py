"""What a command on the webhook works with, after it has been compared: the app, the function app, Dataverse."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay_cli.connection import App, connect
from relay_cli.problems import Misused, Problem
from relay_cli.reading import read
from relay_cli.screen import say
from relay_cli.webhook.dataverse import Dataverse, is_same_address, open_dataverse
from relay_cli.webhook.function_app import FunctionApp, address_on, find_app
from relay_cli.webhook.rows import Found, Row
from relay_cli.webhook.sign_in import SignIn, sign_in
from relay_contract.webhook import WebhookFacts


class OtherTenant(Problem):
    """What the administrator has named, or signed in to, is not the app's."""


class SeveralRegistered(Problem):
    """More than one row could be meant. Names are not unique in Dataverse."""


@dataclass(frozen=True)
class Named:
    """What the administrator has named on the command line."""

    url: str
    key_file: Path | None
    resource: str
    dataverse: str
    azure: str
    method: SignIn
    name: str


@dataclass(frozen=True)
class Administration:
    """The three parties, which belong together. `address` is where Dataverse sends the webhook."""

    named: Named
    app: App
    facts: WebhookFacts
    function_app: FunctionApp
    dataverse: Dataverse
    address: str

    def find(self) -> Found:
        """What is registered."""
        return self.dataverse.find(self.named.name, self.address)

    def delivered(self) -> set[str]:
        """The names of keys under which events have come."""
        return {delivery.key for delivery in read(WebhookFacts, self.app.get("webhook")).deliveries}

    @contextmanager
    def audited(self, act: str, by: str, lines: Sequence[str]) -> Iterator[None]:
        """Enter the act into the app's audit before it begins, and how it ended."""
        note = {"act": act, "by": by, "dataverse": self.dataverse.service.origin}
        note |= {"azureResource": self.function_app.resource}
        # Before the change: an entry without a change is better than a change without an entry.
        self._note({**note, "phase": "begun", "what": list(lines)})
        try:
            yield
        except BaseException as error:
            # Also when it was interrupted while it waited.
            reason = error.cause if isinstance(error, Problem) else type(error).__name__
            self._note_end({**note, "phase": "failed", "what": [reason[:500]]})
            raise
        self._note_end({**note, "phase": "done", "what": list(lines)})

    def _note(self, note: dict[str, Any]) -> None:
        self.app.post("webhook/notes", note)

    def _note_end(self, note: dict[str, Any]) -> None:
        try:
            self._note(note)
        except Problem as problem:
            say(f"The app's audit does not show how it ended, only that it began: {problem.cause}")


def open_administration(named: Named) -> Administration:
    """Compare the parties and return them. Raises OtherTenant, and what their calls raise."""
    app = connect(named.url, named.key_file)
    facts = read(WebhookFacts, app.get("webhook"))
    tokens = sign_in(named.method, facts.tenant_id)
    function_app = find_app(named.resource, named.azure, tokens)
    dataverse = open_dataverse(named.dataverse, tokens)
    found = dataverse.organization()
    if found != facts.organization_id.lower():
        raise OtherTenant(
            f"{dataverse.service.origin} is the organization {found}; the app at {named.url} serves "
            f"{facts.organization_id}.",
            "Give the address of the app's own environment with --dataverse, or the right app with --url.",
        )
    host_name = function_app.host_name()
    if facts.host_name and facts.host_name.lower() != host_name.lower():
        raise OtherTenant(
            f"The function app {function_app.resource} is {host_name}; the app at {named.url} is {facts.host_name}.",
            "Give the resource id of the app at RELAY_URL with --resource.",
        )
    return Administration(named, app, facts, function_app, dataverse, address_on(host_name))


def only(rows: Sequence[Row], key: str, noun: str) -> Row | None:
    """The one row, or None when there is none. Raises SeveralRegistered, with the ids, when there are more."""
    if len(rows) <= 1:
        return rows[0] if rows else None
    listed = "\n".join(f"  {row[key]}  {row.get('name') or row.get('entityalias') or ''}" for row in rows)
    raise SeveralRegistered(
        f"Dataverse has {len(rows)} {noun}s that could be the app's, and names are not unique there:\n{listed}",
        "Delete those that are not used in the Plug-in Registration Tool, then run the command again.",
    )


def leading_here(at: Administration, endpoint: Row | None) -> Row | None:
    """The endpoint, if it leads to the app. Raises Misused for one of the app's name that leads elsewhere: it may be
    another app's, and whatever key it has is sent where it leads."""
    if endpoint is not None and not is_same_address(endpoint["url"], at.address):
        raise Misused(
            f"The webhook endpoint {endpoint['serviceendpointid']} has the name {at.named.name} and leads to "
            f"{endpoint['url']}, not to {at.address}. Nothing was done.",
            "If it is this app's, `relay webhook register` makes it lead here. If it is another app's, give this app's "
            "endpoint another name with --name.",
        )
    return endpoint


def require[T](found: T | None, what: str) -> T:
    """What was found. Raises Misused when there is none."""
    if found is None:
        raise Misused(f"{what}.", "Run `relay webhook register` first; `relay webhook show` tells what is there.")
    return found

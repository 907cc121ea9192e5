"""Changes the webhook's key: a second key, Dataverse is given it, an event comes under it, the first key is deleted.

Both keys open the function until then, so no event is refused. A run after a crash, or after a wait without an event,
goes on with the second key.
"""

import time
from dataclasses import dataclass

from relay_cli.polling import follow
from relay_cli.problems import ExitCode, Problem
from relay_cli.screen import say
from relay_cli.times import now
from relay_cli.views.layout import listing
from relay_cli.webhook.administration import Administration, leading_here, only, require
from relay_cli.webhook.function_app import name_key, probe
from relay_cli.webhook.rows import ENDPOINTS, Change, auth_value


class NoEventYet(Problem):
    """No event has come under the new key, so the old one is kept."""

    code = ExitCode.FAILED


@dataclass(frozen=True)
class Rotation:
    """What is to be done. `key_name` is the key that stays; `old` are those that are deleted after an event."""

    endpoint: str
    key_name: str
    is_key_new: bool
    old: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """What is to be done, one line each."""
        first = "Create the key" if self.is_key_new else "Go on with the key"
        return [
            f"{first} {self.key_name} of the function",
            f"Give it to Dataverse (webhook endpoint {self.endpoint}), after a probe with it",
            "Wait until an event comes under it",
            f"Delete the key {listing(self.old)}",
        ]


def plan_rotation(at: Administration) -> Rotation:
    """Compare the keys. Raises Misused without a registration, and SeveralRegistered."""
    found, keys = at.find(), list(at.function_app.keys())
    named = leading_here(at, only(found.endpoints, "serviceendpointid", "webhook endpoint"))
    endpoint = require(named, "The webhook is not registered")
    require(only(found.our_steps, "sdkmessageprocessingstepid", "step"), "The webhook has no step")
    require(keys or None, "The function has no key of the webhook")
    is_new = len(keys) == 1
    key_name = name_key(now(), keys) if is_new else keys[-1]
    old = tuple(name for name in keys if name != key_name)
    return Rotation(endpoint["serviceendpointid"], key_name, is_new, old)


def rotate(at: Administration, plan: Rotation, *, wait: float, every: float) -> None:
    """Do it, and wait so many seconds for an event. Raises NoEventYet when none came."""
    keys = at.function_app
    key = keys.make_key(plan.key_name) if plan.is_key_new else keys.key(plan.key_name)
    probe(at.address, key, at.facts.organization_id)
    if plan.key_name not in at.delivered():
        # Also in a later run: it is not known whether the earlier one came so far.
        secret = auth_value(plan.key_name, key)
        at.dataverse.change(Change(ENDPOINTS, "endpoint", plan.endpoint, {"authvalue": secret}))
        _await_event(at, plan, wait, every)
    for name in plan.old:
        keys.delete_key(name)


def _await_event(at: Administration, plan: Rotation, wait: float, every: float) -> None:
    say("Waiting for an event under the new key: confirm an invoice, or wait until one is confirmed ...")
    deadline = time.monotonic() + wait

    def is_over(names: set[str]) -> bool:
        return plan.key_name in names or time.monotonic() + every > deadline

    *_, delivered = follow(at.delivered, is_over, every)
    if plan.key_name not in delivered:
        raise NoEventYet(
            f"No event has come under the new key within {wait / 60:g} minutes. The old key {listing(plan.old)} is "
            "kept, and both open the webhook.",
            "Run `relay webhook rotate` again when an invoice is about to be confirmed: it goes on with the same key. "
            "If invoices were confirmed meanwhile, `relay doctor --only webhook` says what Dataverse was answered.",
        )

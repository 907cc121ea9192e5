"""Tells what is registered, and what `register` would do."""

from dataclasses import dataclass
from typing import Any

from relay_cli.webhook.administration import Administration, SeveralRegistered
from relay_cli.webhook.registering import plan_registration
from relay_cli.webhook.rows import Found


@dataclass(frozen=True)
class Shown:
    """What is registered. `to_do` are the lines of a registration, `problem` why there can be none. It is complete when
    all is registered as it should be, whether an event has come yet or not."""

    address: str
    found: Found
    keys: tuple[str, ...]
    delivered: frozenset[str]
    to_do: tuple[str, ...]
    problem: str
    is_complete: bool

    def document(self) -> dict[str, Any]:
        """All of it as JSON. No key is in it."""
        return {
            "address": self.address,
            "complete": self.is_complete,
            "toDo": list(self.to_do),
            "problem": self.problem,
            "keys": [{"name": name, "delivered": name in self.delivered} for name in self.keys],
            "endpoints": self.found.endpoints,
            "steps": self.found.steps,
            "images": self.found.images,
            "otherListeners": self.found.foreign,
        }


def look(at: Administration) -> Shown:
    """Look at everything and change nothing."""
    to_do, problem, is_complete = tuple[str, ...](), "", False
    try:
        plan = plan_registration(at)
        to_do, is_complete = tuple(plan.lines), plan.only_proves
    except SeveralRegistered as several:
        problem = several.cause
    keys, delivered = tuple(at.function_app.keys()), frozenset(at.delivered())
    return Shown(at.address, at.find(), keys, delivered, to_do, problem, is_complete)

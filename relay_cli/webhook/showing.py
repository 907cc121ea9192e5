"""Tells what is registered, and what `register` would do."""

from dataclasses import dataclass
from typing import Any

from relay_cli.webhook.administration import Administration, SeveralRegistered
from relay_cli.webhook.registering import plan_registration
from relay_cli.webhook.rows import Found


@dataclass(frozen=True)
class Shown:
    """What is registered. `to_do` are the lines of a registration, `problem` why there can be none."""

    address: str
    found: Found
    keys: tuple[str, ...]
    delivered: frozenset[str]
    to_do: tuple[str, ...]
    problem: str

    @property
    def is_complete(self) -> bool:
        """Whether all is registered as it should be; an event need not have come yet."""
        return not self.problem and all(line.startswith("Give Dataverse the key") for line in self.to_do)

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
    to_do, problem = tuple[str, ...](), ""
    try:
        to_do = tuple(plan_registration(at).lines)
    except SeveralRegistered as several:
        problem = several.cause
    return Shown(at.address, at.find(), tuple(at.function_app.keys()), frozenset(at.delivered()), to_do, problem)

"""Removes the webhook: the step with its image, the endpoint, and last the keys."""

from dataclasses import dataclass

from relay_cli.problems import Misused
from relay_cli.webhook.administration import Administration, leading_here, only
from relay_cli.webhook.rows import ENDPOINTS, STEPS


@dataclass(frozen=True)
class Removal:
    """What is to be done."""

    step: str | None
    endpoint: str | None
    keys: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """What is to be done, one line each; none when nothing is there."""
        return [
            *([f"Delete the step {self.step} with its image"] if self.step else []),
            *([f"Delete the webhook endpoint {self.endpoint}"] if self.endpoint else []),
            *(f"Delete the key {name} of the function" for name in self.keys),
        ]


def plan_removal(at: Administration) -> Removal:
    """Look for what is there. Raises SeveralRegistered, and Misused when another step uses our endpoint."""
    found = at.find()
    endpoint = leading_here(at, only(found.endpoints, "serviceendpointid", "webhook endpoint"))
    step = only(found.our_steps, "sdkmessageprocessingstepid", "step")
    others = [row for row in found.steps if row not in found.our_steps]
    if others:
        listed = "\n".join(f"  {row['sdkmessageprocessingstepid']}  {row['name']}" for row in others)
        raise Misused(
            f"The webhook endpoint has steps that this command has not made:\n{listed}",
            "Delete them, or give them another endpoint, in the Plug-in Registration Tool.",
        )
    return Removal(
        step["sdkmessageprocessingstepid"] if step else None,
        endpoint["serviceendpointid"] if endpoint else None,
        tuple(at.function_app.keys()),
    )


def remove(at: Administration, plan: Removal) -> None:
    """Do it: no event is sent any more before its key stops to open the webhook."""
    if plan.step:
        at.dataverse.delete(STEPS, plan.step)
    if plan.endpoint:
        at.dataverse.delete(ENDPOINTS, plan.endpoint)
    for name in plan.keys:
        at.function_app.delete_key(name)

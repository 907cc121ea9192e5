"""Registers the webhook: the key, a probe with it, the endpoint, the step, its image, and last the step is enabled.

Every part is looked for before it is made, so that a run after a crash does only what is missing.
"""

from dataclasses import dataclass, replace

from relay_cli.screen import say
from relay_cli.times import now
from relay_cli.webhook.administration import Administration, only
from relay_cli.webhook.function_app import name_key, probe
from relay_cli.webhook.rows import (
    ALIAS,
    DISABLED,
    ENABLED,
    ENDPOINTS,
    HTTP_HEADER,
    IMAGE,
    IMAGES,
    STEP,
    STEP_NAME,
    STEPS,
    Change,
    Row,
    auth_value,
    differences,
)


@dataclass(frozen=True)
class Registration:
    """What is to be done. `is_key_new` and `sets_key` say whether the key is made, and whether Dataverse is given it;
    `lacks_key` that Dataverse has none at all, `is_waiting` that an earlier rotation has not ended."""

    key_name: str
    is_key_new: bool
    sets_key: bool
    lacks_key: bool
    endpoint: Change
    step: Change
    image: Change
    enables: bool
    is_waiting: bool

    @property
    def only_proves(self) -> bool:
        """Whether nothing differs. The key may be set again, because no event has come under it yet."""
        changes = (self.endpoint.line, self.step.line, self.image.line)
        return not (self.is_key_new or self.lacks_key or self.enables or any(changes))

    @property
    def lines(self) -> list[str]:
        """What is to be done, one line each; none when all is as it should be."""
        given = "Give Dataverse the key; it is set again until an event has come under it"
        changes = [change.line for change in (self.endpoint, self.step, self.image)]
        lines = [
            f"Create the key {self.key_name} of the function" if self.is_key_new else "",
            changes[0],
            given if self.sets_key and self.endpoint.key else "",
            *changes[1:],
            "Enable the step, after a probe with the key" if self.enables else "",
        ]
        return [line for line in lines if line]


def plan_registration(at: Administration) -> Registration:
    """Compare what is there with what should be. Raises SeveralRegistered."""
    found, keys = at.find(), list(at.function_app.keys())
    endpoint = only(found.endpoints, "serviceendpointid", "webhook endpoint")
    step = only(found.our_steps, "sdkmessageprocessingstepid", "step")
    images = [row for row in found.images if row["entityalias"] == ALIAS]
    image = only(images, "sdkmessageprocessingstepimageid", "image")
    key_name = keys[-1] if keys else name_key(now(), keys)
    has_key = bool(endpoint and endpoint["isauthvalueset"])
    return Registration(
        key_name=key_name,
        is_key_new=not keys,
        # The value in Dataverse cannot be read. Only an event under the name of the key proves it.
        sets_key=not (keys and has_key and key_name in at.delivered()),
        lacks_key=not has_key,
        endpoint=_plan_endpoint(endpoint, at.address),
        step=_plan(STEPS, "step on updates of invoices", step, STEP, {"name": STEP_NAME}),
        image=_plan(IMAGES, f"image {ALIAS} of the step", image, IMAGE, {"name": ALIAS}),
        enables=step is None or step["statecode"] != ENABLED["statecode"],
        is_waiting=len(keys) > 1,
    )


def _plan_endpoint(endpoint: Row | None, address: str) -> Change:
    wanted = {"url": address, "authtype": HTTP_HEADER}
    planned = _plan(ENDPOINTS, f"webhook endpoint for {address}", endpoint, wanted, {})
    return replace(planned, was=str(endpoint["url"])) if endpoint else planned


def _plan(entity_set: str, noun: str, row: Row | None, wanted: Row, at_first: Row) -> Change:
    """What makes a row as it is wanted. A new one gets what it has `at_first` too."""
    if row is None:
        return Change(entity_set, noun, None, {**wanted, **at_first})
    return Change(entity_set, noun, row[f"{entity_set[:-1]}id"], differences(row, wanted))


def register(at: Administration, plan: Registration) -> None:
    """Do it. A key that does not open the webhook ends it before anything is written to Dataverse."""
    keys = at.function_app
    key = keys.make_key(plan.key_name) if plan.is_key_new else keys.key(plan.key_name)
    say(f"Calling {at.address} with the key ...")
    probe(at.address, key, at.facts.organization_id)
    endpoint = _write_endpoint(at, plan, auth_value(plan.key_name, key))
    step = _write_step(at, plan.step, endpoint)
    if plan.image.key is None:
        at.dataverse.create_image(step, plan.image.values)
    elif plan.image.values:
        at.dataverse.change(plan.image)
    if plan.enables:
        at.dataverse.enable(step)


def _write_endpoint(at: Administration, plan: Registration, secret: str) -> str:
    change = plan.endpoint
    if change.key is None:
        return at.dataverse.create_endpoint(at.named.name, at.address, secret)
    values = {**change.values, **({"authvalue": secret} if plan.sets_key else {})}
    if values:
        at.dataverse.change(Change(change.entity_set, change.noun, change.key, values))
    return change.key


def _write_step(at: Administration, change: Change, endpoint: str) -> str:
    if change.key is not None:
        if change.values:
            at.dataverse.change(change)
        return change.key
    made = at.dataverse.create_step(endpoint, {**change.values, **DISABLED})
    step = str(made["sdkmessageprocessingstepid"])
    # Whether a new step takes the state that it is given is not documented.
    if made.get("statecode") != DISABLED["statecode"]:
        at.dataverse.enable(step, DISABLED)
    return step

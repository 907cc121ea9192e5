"""The view of the webhook's registration."""

from rich.console import Group, RenderableType

from relay_cli.screen import safe
from relay_cli.views.layout import add, table
from relay_cli.webhook.showing import Shown


def webhook_view(shown: Shown) -> RenderableType:
    """What is registered, what is left to do, and who else listens to updates of invoices."""
    parts: list[RenderableType] = [safe(f"Address: {shown.address}"), _registered(shown)]
    parts += [safe(line) for line in shown.problem.splitlines()]
    if shown.to_do:
        parts += [safe("`relay webhook register` would:"), *(safe(f"  {line}") for line in shown.to_do)]
    elif not shown.problem:
        parts.append(safe("All is registered as it should be, and events have come under the key."))
    if len(shown.keys) > 1:
        parts.append(safe("A rotation of the key has not ended: run `relay webhook rotate`."))
    if shown.found.foreign:
        parts += [safe("Other webhooks listen to updates of invoices too:"), _listeners(shown)]
    return Group(*parts)


def _registered(shown: Shown) -> RenderableType:
    view = table("Part", "Id or name", "State")
    for endpoint in shown.found.endpoints:
        state = "has a key" if endpoint["isauthvalueset"] else "has no key"
        add(view, "endpoint", endpoint["serviceendpointid"], f"{endpoint['name']}, {endpoint['url']}, {state}")
    for step in shown.found.steps:
        enabled = "disabled" if step["statecode"] else "enabled"
        columns = step["filteringattributes"] or "all columns"
        add(view, "step", step["sdkmessageprocessingstepid"], f"{enabled}, {columns}")
    for image in shown.found.images:
        columns = image["attributes"] or "all columns"
        add(view, "image", image["sdkmessageprocessingstepimageid"], f"{image['entityalias']}, {columns}")
    for name in shown.keys:
        add(view, "key", name, "events have come under it" if name in shown.delivered else "no event under it yet")
    return view


def _listeners(shown: Shown) -> RenderableType:
    view = table("Step", "Name", "Endpoint", "State")
    for step in shown.found.foreign:
        endpoint = step.get("eventhandler_serviceendpoint") or {}
        where = f"{endpoint.get('name') or '-'}, {endpoint.get('url') or '-'}"
        add(
            view,
            step["sdkmessageprocessingstepid"],
            step["name"],
            where,
            "disabled" if step["statecode"] else "enabled",
        )
    return view

"""The view of the webhook's registration."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from relay_cli.screen import safe
from relay_cli.views.layout import add, table
from relay_cli.webhook.rows import Row
from relay_cli.webhook.showing import Shown

NO_EVENT = (
    "No event has come under the key yet: confirm an invoice, and look again. Until then `relay webhook register` "
    "gives Dataverse the key again."
)


def webhook_view(shown: Shown) -> RenderableType:
    """What is registered, what is left to do, and who else listens to updates of invoices."""
    parts: list[RenderableType] = [safe(f"Address: {shown.address}"), _registered(shown)]
    parts += [safe(line) for line in shown.problem.splitlines()]
    in_rotation = len(shown.keys) > 1
    if shown.is_complete and shown.to_do:
        # A rotation that has not ended waits for the event itself.
        parts.append(safe("All is registered as it should be." + ("" if in_rotation else f" {NO_EVENT}")))
    elif shown.to_do:
        parts += [safe("`relay webhook register` would:"), *(safe(f"  {line}") for line in shown.to_do)]
    elif not shown.problem:
        parts.append(safe("All is registered as it should be, and events have come under the key."))
    if in_rotation:
        parts.append(safe("A rotation of the key has not ended: run `relay webhook rotate`."))
    if shown.found.foreign:
        parts += [safe("Other webhooks listen to updates of invoices too:"), _listeners(shown)]
    return Group(*parts)


def _registered(shown: Shown) -> RenderableType:
    rows = [*_rows(shown)]
    if not rows:
        return safe("Nothing is registered.")
    # Not a table: an id is copied, and must not be folded on a narrow terminal.
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for part, name, state in rows:
        grid.add_row(safe(part), Text("\n").join([safe(name), safe(state)]))
    return grid


def _rows(shown: Shown) -> Iterator[tuple[str, str, str]]:
    """Each part with its id or name, and what it is like."""
    for endpoint in shown.found.endpoints:
        state = "has a key" if endpoint["isauthvalueset"] else "has no key"
        yield "endpoint", endpoint["serviceendpointid"], f"{endpoint['name']}, {endpoint['url']}, {state}"
    for step in shown.found.steps:
        yield "step", step["sdkmessageprocessingstepid"], f"{_state(step)}, {_columns(step['filteringattributes'])}"
    for image in shown.found.images:
        columns = _columns(image["attributes"])
        yield "image", image["sdkmessageprocessingstepimageid"], f"{image['entityalias']}, {columns}"
    for name in shown.keys:
        yield "key", name, "events have come under it" if name in shown.delivered else "no event under it yet"


def _state(step: Row) -> str:
    return "disabled" if step["statecode"] else "enabled"


def _columns(names: str | None) -> str:
    return (names or "all columns").replace(",", ", ").replace("  ", " ")


def _listeners(shown: Shown) -> RenderableType:
    view = table("Step", "Name", "Endpoint", "State")
    for step in shown.found.foreign:
        endpoint = step.get("eventhandler_serviceendpoint") or {}
        where = f"{endpoint.get('name') or '-'}, {endpoint.get('url') or '-'}"
        add(view, step["sdkmessageprocessingstepid"], step["name"], where, _state(step))
    return view

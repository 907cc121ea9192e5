"""The app's health for a person: the verdict first, then what it rests on."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from relay_cli.screen import safe
from relay_cli.times import show_span, show_time
from relay_cli.views.changes import pauses_view
from relay_cli.views.doctor import summary
from relay_cli.views.layout import add, counted, table
from relay_contract.health import Health


def health_view(health: Health) -> RenderableType:
    """Verdict and problems, then facts, pauses, queues, gates and lanes."""
    verdict = safe("healthy", "green") if health.healthy else safe("not healthy", "bold red")
    problems = [safe(f"  - {each}", "yellow") for each in health.problems]
    tables = [_queues(health)]
    if health.paused:
        tables.append(pauses_view(health.paused))
    if health.gates:
        tables.append(_gates(health))
    if health.lanes:
        tables.append(_lanes(health))
    return Group(verdict, *problems, _facts(health), *(part for each in tables for part in (Text(), each)))


def _facts(health: Health) -> RenderableType:
    oldest, swept = health.oldest_unfinished_run, health.last_sweep
    facts = {
        "Versions": f"app {health.app}, maps " + ", ".join(f"{name} {number}" for name, number in health.maps.items()),
        "Oldest unfinished run": (
            f"{oldest.invoice_number or oldest.invoice_id}  {oldest.state}  {show_span(oldest.age_seconds)}"
            if oldest
            else "none"
        ),
        "Last sweep": (
            f"{show_time(swept.at)}: {counted(swept.started, 'run')} started, {swept.revived:,} put to work again, "
            f"{counted(swept.blobs_deleted, 'blob')} deleted"
            if swept
            else "none yet"
        ),
        "Doctor": (
            f"{show_time(health.doctor.at)}: {health.doctor.worst} ({summary(health.doctor.counts)})"
            if health.doctor
            else "not run yet"
        ),
    }
    grid = Table.grid(padding=(0, 2))
    for name, text in facts.items():
        grid.add_row(name, safe(text))
    return grid


def _queues(health: Health) -> RenderableType:
    view = table("Queue", ">Messages", ">Oldest")
    for queue in health.queues:
        # None: storage did not answer about this queue. 0 would say that it is empty.
        add(view, queue.name, "?" if queue.depth is None else f"{queue.depth:,}", show_span(queue.oldest_seconds))
    for poison in health.poison:
        style = "bold red" if poison.count else ""
        add(view, safe(poison.name, style), safe(f"{poison.count:,}", style), "-")
    return view


def _gates(health: Health) -> RenderableType:
    view = table("Closed gate", "Until", "Reason")
    for gate in health.gates:
        add(view, gate.service, show_time(gate.until), gate.reason)
    return view


def _lanes(health: Health) -> RenderableType:
    view = table("Lane", "Step", ">Rows", "Execution")
    for lane in health.lanes:
        add(
            view,
            f"{lane.map} {lane.lane}",
            lane.step,
            None if lane.rows is None else f"{lane.rows:,}",
            lane.execution_id,
        )
    return view

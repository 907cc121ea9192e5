"""Imports that keep runs waiting, with reason and time, for the run, its timeline and the health."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from shared.engine.ports import Ports
from shared.engine.settling import given_up_at
from shared.ledger.run import Run
from shared.ledger.shipments import Cargo, ImportStep, Shipment, View

# The number of failed tries from which the health reports them.
_PLAIN_FROM = 3


@dataclass(frozen=True)
class ImportWait:
    """One import, or one that could not be started, for which `rows` rows of a map are waiting. `what` names the
    kind of wait, `text` says what happened and what follows. `until` is the next try, None for a running import."""

    stage: str
    what: str
    text: str
    rows: int
    since: datetime
    until: datetime | None
    times: int
    subjects: frozenset[UUID]
    ticket: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it is more than a transient error."""
        return self.times >= _PLAIN_FROM or self.what == "start in doubt"

    def describe(self) -> str:
        """The text for an operator."""
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        return f"{rows} of {self.stage}: {self.text}"


async def waits_of_map(ports: Ports, stage: str, view: View | None = None) -> list[ImportWait]:
    """All waits of one map."""
    view = await ports.dock.view(stage) if view is None else view
    slow = timedelta(seconds=ports.settings.slow_import)
    # A running import is only shown when it is slower than usual.
    held_up = [each for each in view.shipments.values() if each.holds_up(ports.now(), slow)]
    return [
        *(_unsent(group) for group in _groups(view.ready)),
        *(_under_way(ports, shipment, view.cargo) for shipment in held_up),
    ]


async def waits_of_run(ports: Ports, run: Run, stage: str) -> list[ImportWait]:
    """The waits of one run at this map."""
    cargo = await ports.dock.of_subject(stage, run.subject)
    tickets = {item.shipment for item in cargo if item.shipment}
    found = [await ports.dock.shipment(stage, ticket) for ticket in tickets]
    view = View(cargo=cargo, shipments={shipment.ticket: shipment for shipment in found if shipment})
    return await waits_of_map(ports, stage, view)


def _groups(waiting: Sequence[Cargo]) -> list[list[Cargo]]:
    groups: dict[str, list[Cargo]] = {}
    for item in waiting:
        if item.failed_at:
            groups.setdefault(item.group or item.row_key, []).append(item)
    return list(groups.values())


def _unsent(group: Sequence[Cargo]) -> ImportWait:
    first = group[0]
    times = max(first.refusals, first.tries, 1)
    until, since = first.not_before or first.landed_at, first.failed_at or first.landed_at
    is_refused = first.refusals > 0
    how_often = "once" if times == 1 else f"{times} times since {since:%H:%M:%S} UTC"
    following = "asked again" if is_refused else "sent again, in halves if it keeps failing,"
    return ImportWait(
        stage=first.stage,
        what="import not started" if is_refused else "import failed",
        text=f"{first.why} ({how_often}); {following} at {until:%H:%M:%S} UTC",
        rows=sum(item.rows for item in group),
        since=since,
        until=until,
        times=times,
        subjects=frozenset(item.subject for item in group),
    )


def _under_way(ports: Ports, shipment: Shipment, cargo: Sequence[Cargo]) -> ImportWait:
    mine = frozenset(item.subject for item in cargo if item.shipment == shipment.ticket)
    since = shipment.sent_at or shipment.lease_until
    wait = ImportWait(shipment.stage, "import goes on", "", shipment.rows, since, None, 1, mine, ticket=shipment.ticket)
    if shipment.step == ImportStep.SENDING:
        until = given_up_at(shipment, timedelta(seconds=ports.settings.doubtful_start))
        asked = f" until {until:%H:%M:%S} UTC, then sent again" if until else ""
        text = (
            f"the call that starts import {shipment.execution_id} got no usable answer at {since:%H:%M:%S} UTC; "
            f"Finance is asked for it{asked}, and others take another lane"
        )
        return replace(wait, what="start in doubt", text=text, until=until)
    minutes = int((ports.now() - since).total_seconds() // 60)
    length = "1 minute" if minutes == 1 else f"{minutes} minutes"
    text = (
        f"Finance has been at import {shipment.execution_id} for {length}, and others take another lane. If it hangs, "
        "end it in Data management > Job history: its rows are then sent again"
    )
    return replace(wait, text=text)

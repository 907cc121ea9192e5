"""Views of replays, dismissals, write-backs, pauses and sweeps."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from relay_cli.screen import safe
from relay_cli.times import show_span, show_time
from relay_cli.views.layout import add, counted, listing, state, table
from relay_contract.changes import Dismissals, Pause, Replay, Sweep, WriteBack

KEYS_SHOWN = 3


def replay_view(replay: Replay) -> RenderableType:
    """What is sent again, by run and map."""
    send, put = ("Would send", "Would put") if replay.dry_run else ("Sending", "Putting")
    view = table("Invoice", "State", "Map", ">Rows", "Keys", "Note")
    for run in replay.runs:
        name = run.invoice_number or run.invoice_id
        for one in run.sends:
            keys = listing(one.keys[:KEYS_SHOWN], one.rows)
            add(view, name, state(run.state), one.map, f"{one.rows:,}", keys, run.note or "")
        if not run.sends:
            add(view, name, state(run.state), "-", 0, "", run.note or "")
    # A completed run is in the list too, but nothing is sent of it.
    whole = sum(not run.sends and run.state != "completed" for run in replay.runs)
    picked = counted(sum(bool(run.sends) for run in replay.runs), "run")
    heads = [safe(f"{send} {counted(replay.rows, 'row')} of {picked}.")] if replay.rows or not whole else []
    heads += [safe(f"{put} {counted(whole, 'run')} to work again, as the note says.")] if whole else []
    return Group(*heads, *([view] if replay.runs else []))


def dismissal_view(dismissals: Dismissals) -> RenderableType:
    """The dismissed rows, by run."""
    verb = "Would dismiss" if dismissals.dry_run else "Dismissed"
    view = table("Invoice", "State", "Keys")
    for run in dismissals.runs:
        add(view, run.invoice_number or run.invoice_id, state(run.state), listing(run.keys[:KEYS_SHOWN], len(run.keys)))
    head = safe(f"{verb} {counted(dismissals.rows, 'row')} of {counted(len(dismissals.runs), 'run')}.")
    return Group(head, view) if dismissals.runs else head


def write_back_view(write_back: WriteBack) -> RenderableType:
    """The rows that are written back, and the state of the posting."""
    name = write_back.invoice_number or write_back.invoice_id
    head = safe(f"Writing {name} back as far as Finance has posted it.")
    return Group(head, Text("Until now: ").append_text(state(write_back.posting)))


def pauses_view(paused: Sequence[Pause]) -> RenderableType:
    """What is paused, since when and why."""
    if not paused:
        return Text("Nothing is paused.")
    view = table("Paused", "Since", "By", "Reason")
    for each in paused:
        add(view, each.map or "the whole app", show_time(each.at), each.by, each.reason)
    return view


def sweep_view(sweep: Sweep) -> RenderableType:
    """What a sweep found."""
    view = table("Found", "Invoice", "State")
    for started in sweep.started:
        add(view, "confirmed without a run, started", started.invoice_number or started.invoice_id, "accepted")
    for revived in sweep.revived:
        add(view, "stopped, put to work again", revived.invoice_id, revived.state)
    for old in sweep.left_alone:
        add(view, "confirmed before SWEEP_START, left alone", old.invoice_number or old.invoice_id, "-")
    for changed in sweep.changed:
        add(view, f"completed, changed since: {changed.found}", changed.invoice_number or changed.invoice_id, "")
    head = safe(
        f"Swept in {show_span(sweep.seconds)}: {counted(len(sweep.started), 'run')} started, "
        f"{len(sweep.revived):,} put to work again, {counted(sweep.blobs_deleted, 'blob')} deleted."
    )
    told = (
        [safe(f"Dataverse could not be asked for confirmed invoices: {sweep.problem}", "yellow")]
        if sweep.problem
        else []
    )
    rows = [view] if sweep.started or sweep.revived or sweep.left_alone or sweep.changed else []
    return Group(head, *told, *rows)

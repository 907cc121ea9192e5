"""Views of runs: a list, one run, and progress."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from relay_cli.screen import safe
from relay_cli.times import show_time
from relay_cli.views.layout import add, amounts, counted, state, table
from relay_contract.runs import MapProgress, Run, RunDetail, RunHead, Wait

BAR_COLUMNS = 12


def list_view(runs: Sequence[Run]) -> RenderableType:
    """A line for each run."""
    if not runs:
        return Text("No runs.")
    view = table("Invoice", "Company", "State", "Posting", ">Rows", ">Rejected", "Billed sales", "Accepted", "Detail")
    for run in runs:
        sold = amounts(run.billed_sales.amounts) if run.billed_sales else "-"
        rejected = safe(f"{run.rejected:,}", "yellow" if run.rejected else "")
        at = show_time(run.accepted_at)
        states = (state(run.state), state(run.posting))
        add(view, name(run), run.company, *states, f"{run.rows:,}", rejected, sold, at, run.detail or "")
    return view


def detail_view(run: RunDetail) -> RenderableType:
    """Everything about one run."""
    facts = Table.grid(padding=(0, 2))
    facts.add_row("State", state(run.state))
    if run.detail:
        facts.add_row("Why", safe(run.detail))
    for wait in run.waits_for:
        facts.add_row("Waits for", safe(describe_wait(wait), "yellow"))
    for title, text in _facts(run).items():
        facts.add_row(title, safe(text))
    facts.add_row("Posting", state(run.posting))
    for title, text in _posting_facts(run).items():
        facts.add_row(title, safe(text))
    maps = table("Map", "State", ">Rows", ">Read", ">Done", ">Rejected", ">Dismissed")
    for each in run.maps:
        rejected = safe(f"{each.rejected:,}", "yellow" if each.rejected else "")
        counts = [f"{count:,}" for count in (each.rows, each.rows_read, each.done)]
        add(maps, each.map, state(each.state), *counts, rejected, f"{each.dismissed:,}")
    return Group(facts, Text(), maps)


def _facts(run: RunDetail) -> dict[str, str]:
    sold = run.billed_sales
    return {
        "Invoice": f"{run.invoice_number or '-'}  {run.invoice_id}",
        "Company": run.company or "-",
        "Billed sales": f"{counted(sold.rows, 'row')}, {amounts(sold.amounts)}" if sold else "-",
        "Accepted": show_time(run.accepted_at),
        "Updated": show_time(run.updated_at),
        "Run": f"{run.run_id or '-'}, generation {run.generation}",
    } | _odd_days(run)


def _odd_days(run: RunDetail) -> dict[str, str]:
    if not run.odd_days:
        return {}
    rows = counted(run.odd_days, "row")
    return {"Days": f"{rows} with a day that is not a midnight in the known time zones; the nearest midnight was taken"}


def posting_view(run: RunDetail) -> RenderableType:
    """The posting and the write-back of one run."""
    facts = Table.grid(padding=(0, 2))
    facts.add_row("Invoice", safe(f"{run.invoice_number or '-'}  {run.invoice_id}"))
    facts.add_row("State", state(run.state))
    facts.add_row("Posting", state(run.posting))
    for title, text in _posting_facts(run).items():
        facts.add_row(title, safe(text))
    return facts


def _posting_facts(run: RunDetail) -> dict[str, str]:
    facts = {"Posted": show_time(run.posted_at), "Written back": show_time(run.written_back_at)}
    return facts | ({"Posting says": run.posting_detail} if run.posting_detail else {})


def progress_view(runs: Sequence[RunDetail]) -> RenderableType:
    """A line of bars for each run."""
    titles = {each.map: _title(each) for run in runs for each in run.maps}
    view = table("Invoice", "State", *titles.values(), "Why")
    for run in runs:
        maps = {each.map: each for each in run.maps}
        bars = [_bar(maps.get(each)) for each in titles]
        view.add_row(safe(name(run)), state(run.state), *bars, safe(_reason(run), "yellow"))
    return view


def progress_line(run: RunDetail) -> str:
    """The progress of a run in one line, without the time."""
    counts = "  ".join(f"{_title(each)} {_count(each)}" for each in run.maps)
    why = _reason(run)
    posting = f", {run.posting}" if run.state == "completed" else ""
    return f"{name(run)}  {run.state}{posting}  {counts}" + (f"  ({why})" if why else "")


def describe_wait(wait: Wait) -> str:
    """What a run waits for; until when and for which service, unless the reason already says it."""
    who = f" by {wait.service}" if wait.service and wait.service not in wait.reason else ""
    # Most reasons are sentences that name the time already.
    until = f", until {show_time(wait.until)}" if wait.until and f"{wait.until:%H:%M:%S}" not in wait.reason else ""
    return wait.reason + who + until


def name(run: RunHead) -> str:
    """The display name of an invoice: its number, or its id while the number is unknown."""
    return run.invoice_number or run.invoice_id


def _reason(run: RunDetail) -> str:
    return "; ".join(describe_wait(each) for each in run.waits_for) or run.detail or ""


def _title(each: MapProgress) -> str:
    return (each.title or each.map).lower()


def _count(each: MapProgress) -> str:
    return f"{each.done:,}/{each.rows:,}" + (f" {each.rejected:,} rejected" if each.rejected else "")


def _bar(each: MapProgress | None) -> RenderableType:
    if each is None:
        return Text("-")
    grid = Table.grid(padding=(0, 1))
    # rich draws a bar of 0 of 0 as full, but a map whose rows are not known yet is not done.
    grid.add_row(ProgressBar(total=each.rows or 1, completed=each.done, width=BAR_COLUMNS), _count(each))
    return grid

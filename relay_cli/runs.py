"""`relay runs`: list, show, watch."""

from typing import Annotated, Any

import typer

from relay_cli.connection import connect
from relay_cli.invoices import find, pages
from relay_cli.options import INVOICE, Every, Json, KeyFile, Since, State, Until, Url
from relay_cli.polling import follow
from relay_cli.problems import ExitCode
from relay_cli.reading import read
from relay_cli.screen import emit, say, stderr, stdout
from relay_cli.times import now, read_time
from relay_cli.views.runs import detail_view, list_view
from relay_cli.watching import watcher
from relay_contract.runs import RunDetail, Runs

app = typer.Typer(no_args_is_help=True, help="Runs: one for each confirmed invoice.")

PAGE = 50
NOT_POSTED = "not posted"
FINAL = {State.COMPLETED, State.NEEDS_ATTENTION, State.FAILED, State.REJECTED}


@app.command("list")
def list_runs(
    *,
    url: Url,
    key_file: KeyFile = None,
    state: Annotated[list[State] | None, typer.Option("--state", help="Only these states; repeat it for more.")] = None,
    since: Since = None,
    until: Until = None,
    search: Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Part of an invoice number.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of runs on a page.")] = PAGE,
    everything: Annotated[bool, typer.Option("--all", help="All runs, page after page.")] = False,
    as_json: Json = False,
) -> int:
    """List runs, the newest first.

    Examples:
      relay runs list --since 2h
      relay runs list --state failed --state "needs attention"
      relay runs list --search PI-2026 --all --json
    """
    relay = connect(url, key_file)
    moment = now()
    query = {
        "state": [each.value for each in state or []],
        "since": read_time(since, moment) if since else None,
        "until": read_time(until, moment) if until else None,
        "search": search,
        "top": top,
    }
    if everything:
        # One document, so that --json stays one JSON text however many pages there are.
        document = {"runs": [run for page in pages(relay, query) for run in page["runs"]], "continuation": None}
    else:
        document = relay.get("runs", query)
    found = read(Runs, document)
    emit(document, list_view(found.runs), as_json=as_json)
    if found.continuation:
        say(f"There are more than these {len(found.runs)}; --all shows all.")
    return ExitCode.FINE


@app.command("show")
def show_run(
    *,
    url: Url,
    invoice: Annotated[str, typer.Argument(help=INVOICE)],
    key_file: KeyFile = None,
    as_json: Json = False,
) -> int:
    """Show one run: its state and why, what it waits for, and its maps.

    Exits with 2 when the run failed or was rejected, with 3 when it needs attention.

    Examples:
      relay runs show PI-2026-0042
      relay runs show 3f2c9a50-0000-4000-8000-000000000042 --json
    """
    relay = connect(url, key_file)
    document = relay.get(f"runs/{find(relay, invoice)}")
    run = read(RunDetail, document)
    emit(document, detail_view(run), as_json=as_json)
    return verdict([run])


@app.command("watch")
def watch_runs(
    *,
    url: Url,
    invoices: Annotated[list[str], typer.Argument(metavar="INVOICE...", help=INVOICE)],
    key_file: KeyFile = None,
    posted: Annotated[
        bool, typer.Option("--posted", help="Keep watching until Finance has posted and the write-back is done.")
    ] = False,
    every: Every = 2.0,
    as_json: Json = False,
) -> int:
    """Watch runs until each has ended, or until Ctrl-C. The runs go on either way.

    With --posted a completed run counts as ended when it is written back, or when that was refused.
    On a terminal a table is redrawn; elsewhere a line is printed whenever something has changed. With --json the
    progress goes to stderr and {"runs": [...]} to stdout at the end. Exit codes are those of `runs show`, of the worst.

    Examples:
      relay runs watch PI-2026-0042
      relay runs watch PI-2026-0042 --posted --every 60
      relay runs watch PI-2026-0042 PI-2026-0043 --every 10 --json > runs.json
    """
    relay = connect(url, key_file)
    ids = [find(relay, invoice) for invoice in invoices]
    documents: list[Any] = []
    runs: list[RunDetail] = []
    over, interrupted = _are_back if posted else _are_over, False
    try:
        with watcher(stderr() if as_json else stdout()) as progress:
            for documents in follow(lambda: [relay.get(f"runs/{each}") for each in ids], over, every):
                runs = [read(RunDetail, document) for document in documents]
                progress.show(runs)
    except KeyboardInterrupt:
        # Ctrl-C is the usual end of a watch: what was seen until then is still printed.
        interrupted = True
    if as_json:
        emit({"runs": documents}, "", as_json=True)
    return ExitCode.INTERRUPTED if interrupted else verdict(runs)


def _are_over(documents: list[Any]) -> bool:
    return all(document["state"] in FINAL for document in documents)


def _are_back(documents: list[Any]) -> bool:
    """Whether all runs are final, posting included."""
    return all(
        document["state"] in FINAL and (document["state"] != State.COMPLETED or document["posting"] != NOT_POSTED)
        for document in documents
    )


def verdict(runs: list[RunDetail]) -> ExitCode:
    """The exit code for the worst of these runs."""
    states = {run.state for run in runs}
    # The worst counts: a script must not miss a failed run among many that need attention.
    if states & {State.FAILED, State.REJECTED}:
        return ExitCode.FAILED
    return ExitCode.REJECTED_ROWS if State.NEEDS_ATTENTION in states else ExitCode.FINE

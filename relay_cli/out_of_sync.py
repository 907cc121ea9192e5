"""`relay out-of-sync`: actuals that are not in Finance, not posted there or not back from there, and what to do."""

from typing import Annotated, Any

import typer

from relay_cli.connection import App, connect
from relay_cli.consent import Consent, ask, settle
from relay_cli.invoices import find
from relay_cli.jobs import run_job
from relay_cli.options import INVOICE, By, DryRun, Every, Json, KeyFile, Since, SyncKind, Until, Url, Yes, name_operator
from relay_cli.problems import ExitCode, Misused
from relay_cli.reading import read
from relay_cli.screen import emit, say
from relay_cli.times import now, read_time
from relay_cli.views.layout import counted
from relay_cli.views.out_of_sync import out_of_sync_view
from relay_contract.out_of_sync import OutOfSync

Grace = Annotated[
    float | None,
    typer.Option("--grace-hours", min=0, metavar="HOURS", help="Leave out actuals younger than this; 1 by default."),
]
Kinds = Annotated[list[SyncKind] | None, typer.Option("--kind", help="What --sync acts on; repeat it for more.")]


def out_of_sync(
    *,
    url: Url,
    key_file: KeyFile = None,
    invoice: Annotated[str | None, typer.Option("--invoice", metavar="INVOICE", help=INVOICE)] = None,
    since: Since = None,
    until: Until = None,
    grace_hours: Grace = None,
    sync: Annotated[bool, typer.Option("--sync", help="Send what is missing and write back what is posted.")] = False,
    kinds: Kinds = None,
    by: By = "",
    every: Every = 1.0,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """List actuals that should be in Finance and are not, or are there unposted, or are posted and not written back.

    The period is that of their creation, without --since the last 31 days; it may be as long as you like. Money is per
    project and invoice, and the first actuals are named. With --sync missing billed sales go through the run of their
    invoice, other missing actuals by themselves, and what is posted is written back: without --yes it shows on a
    terminal what that would be, and asks.
    Exits with 3 when actuals are missing in Finance, also such as --sync has begun to send: look again afterwards.
    Exits with 2 when the search could not be finished.

    Examples:
      relay out-of-sync
      relay out-of-sync --since 2026-03-01 --until 2026-04-01 --json
      relay out-of-sync --invoice PI-2026-0042 --grace-hours 0
      relay out-of-sync --since 3d --sync --dry-run
      relay out-of-sync --sync --kind missing --kind "not written back" --yes
    """
    if kinds and not sync:
        raise Misused("--kind chooses what --sync does, and there is no --sync.", "The list always has all kinds.")
    # Settled before the search, which may take minutes: a script without --yes is refused at once.
    consent = settle(yes=yes, dry_run=dry_run) if sync else Consent.ONLY_SHOW
    relay, moment, chosen = connect(url, key_file), now(), kinds or list(SyncKind)
    period = {
        "invoiceId": find(relay, invoice) if invoice else None,
        "since": read_time(since, moment) if since else None,
        "until": read_time(until, moment) if until else None,
        "graceHours": grace_hours,
    }
    body = {**{name: each for name, each in period.items() if each is not None}, "by": name_operator(by)}
    document = _run(relay, {**body, "sync": chosen if consent is Consent.GIVEN else []}, every)
    found = read(OutOfSync, document)
    wanting = sum(each.rows for each in found.groups if each.kind in chosen)
    if consent is Consent.ASK and wanting:
        say(out_of_sync_view(found))
        ask(f"Sync {counted(wanting, 'actual')}?")
        document = _run(relay, {**body, "sync": chosen}, every)
        found = read(OutOfSync, document)
    emit(document, out_of_sync_view(found), as_json=as_json)
    if sync and consent is Consent.ONLY_SHOW:
        say(f"Would sync {counted(wanting, 'actual')}.")
    return _verdict(found)


def _run(relay: App, body: dict[str, Any], every: float) -> Any:
    return run_job(relay, "out-of-sync", body, every=every, doing="Comparing ...")


def _verdict(found: OutOfSync) -> ExitCode:
    if found.state == "failed":
        say(f"The search stopped: {found.detail or 'the app gives no reason'}")
        return ExitCode.FAILED
    # Only these need an operator: what is not posted waits for an accountant, and the app writes back by itself.
    missing = any(each.kind == SyncKind.MISSING.value for each in found.groups)
    return ExitCode.REJECTED_ROWS if missing else ExitCode.FINE

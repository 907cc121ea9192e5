"""`relay out-of-sync`: actuals that are not in Finance, not posted there or not back from there, and what to do."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from ops.answers import OutOfSync, Sync, read
from ops.connection import App, connect
from ops.consent import change, settle
from ops.invoices import find
from ops.options import INVOICE, By, DryRun, Json, KeyFile, Since, SyncKind, Until, Url, Yes, name_operator
from ops.problems import ExitCode, Misused
from ops.screen import emit, say
from ops.times import now, read_time
from ops.views.out_of_sync import out_of_sync_view, sync_view

Grace = Annotated[
    float | None,
    typer.Option("--grace-hours", min=0, metavar="HOURS", help="Younger ones are only on their way; 1 unless given."),
]
Kinds = Annotated[list[SyncKind] | None, typer.Option("--kind", help="Only these with --sync; repeat it for more.")]


def out_of_sync(
    *,
    url: Url,
    key_file: KeyFile = None,
    invoice: Annotated[str | None, typer.Option("--invoice", metavar="INVOICE", help=INVOICE)] = None,
    since: Since = None,
    until: Until = None,
    grace_hours: Grace = None,
    sync: Annotated[bool, typer.Option("--sync", help="Send what is missing, write back what is posted.")] = False,
    kinds: Kinds = None,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """List actuals that should be in Finance and are not, or are there unposted, or are posted and not written back.

    The period is that of their creation, without --since the last 31 days. Money is per project and invoice, and the
    first actuals are named. With --sync those of confirmed invoices are sent or written back: without --yes it shows
    on a terminal what that is, and asks.
    Exits with 3 when actuals are missing in Finance, also such as --sync has begun to send: look again afterwards.

    Examples:
      relay out-of-sync
      relay out-of-sync --since 2026-03-01 --until 2026-04-01 --json
      relay out-of-sync --invoice PI-2026-0042 --grace-hours 0
      relay out-of-sync --since 3d --sync --dry-run
      relay out-of-sync --sync --kind missing --kind "not written back" --yes
    """
    if kinds and not sync:
        raise Misused("--kind chooses what --sync does, and there is no --sync.", "The list always has all kinds.")
    consent = settle(yes=yes, dry_run=dry_run) if sync else None
    relay, moment = connect(url, key_file), now()
    period = {
        "invoiceId": find(relay, invoice) if invoice else None,
        "since": read_time(since, moment) if since else None,
        "until": read_time(until, moment) if until else None,
        "graceHours": grace_hours,
    }
    chosen = {name: each for name, each in period.items() if each is not None}
    say("Comparing ...")
    if consent is None:
        return _list(relay, chosen, as_json=as_json)
    body = {**chosen, "kinds": kinds or list(SyncKind), "by": name_operator(by)}
    synced = change(
        relay, "out-of-sync", body, model=Sync, view=sync_view, act="Sync", consent=consent, as_json=as_json
    )
    return _verdict(each.kind for each in synced.invoices)


def _list(relay: App, period: dict[str, Any], *, as_json: bool) -> ExitCode:
    document = relay.get("out-of-sync", period)
    found = read(OutOfSync, document)
    emit(document, out_of_sync_view(found), as_json=as_json)
    return _verdict(each.kind for each in found.groups)


def _verdict(kinds: Iterable[str]) -> ExitCode:
    return ExitCode.REJECTED_ROWS if SyncKind.MISSING in kinds else ExitCode.FINE

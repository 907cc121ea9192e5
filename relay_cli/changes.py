"""`relay replay` and `relay dismiss`: sends rejected or missing rows again, or dismisses rejected rows."""

from typing import Annotated, Any

import typer

from relay_cli.connection import connect
from relay_cli.consent import change, settle
from relay_cli.invoices import find
from relay_cli.options import INVOICE, By, DryRun, Json, KeyFile, MapName, Since, Url, Yes, name_operator
from relay_cli.problems import ExitCode, Misused
from relay_cli.times import now, read_time
from relay_cli.views.changes import dismissal_view, replay_view
from relay_contract.changes import Dismissals, Replay

Group = Annotated[str | None, typer.Option("--group", metavar="GROUP", help="A group of `relay errors list`.")]
Keys = Annotated[
    list[str] | None, typer.Option("--key", metavar="KEY", help="Integration key of a row; repeat it for more.")
]


def replay(
    *,
    url: Url,
    invoice: Annotated[str | None, typer.Argument(help=INVOICE)] = None,
    key_file: KeyFile = None,
    only: MapName = None,
    group: Group = None,
    keys: Keys = None,
    since: Since = None,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Send again what is missing or was rejected: of an invoice, a group of errors, single rows, or a period.

    Without --yes it shows on a terminal what it would send, and asks.

    Examples:
      relay replay PI-2026-0042 --dry-run
      relay replay PI-2026-0042 --map actuals --yes
      relay replay --group 4f1c22ab90
      relay replay --since 3d --yes --json
    """
    consent = settle(yes=yes, dry_run=dry_run)
    relay = connect(url, key_file)
    body = _selection(
        invoiceId=find(relay, invoice) if invoice else None,
        map=only,
        group=group,
        keys=keys,
        since=read_time(since, now()) if since else None,
        by=name_operator(by),
    )
    change(
        relay,
        "replays",
        body,
        model=Replay,
        view=replay_view,
        act="Send",
        consent=consent,
        as_json=as_json,
    )
    return ExitCode.FINE


def dismiss(
    *,
    url: Url,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; written to the audit.")],
    key_file: KeyFile = None,
    invoice: Annotated[str | None, typer.Option("--invoice", metavar="INVOICE", help=INVOICE)] = None,
    group: Group = None,
    keys: Keys = None,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Dismiss rejected rows, with a reason: they stay on record, are never sent again and no longer hold up their run.

    Without --yes it shows on a terminal what it would dismiss, and asks.

    Examples:
      relay dismiss --group 4f1c22ab90 --reason "project was cancelled" --dry-run
      relay dismiss --invoice PI-2026-0042 --reason "posted by hand, ticket 7781" --yes
      relay dismiss --key 7c1e0e0a-0000-4000-8000-000000000001 --reason "entered twice"
    """
    consent = settle(yes=yes, dry_run=dry_run)
    relay = connect(url, key_file)
    body = _selection(
        invoiceId=find(relay, invoice) if invoice else None,
        group=group,
        keys=keys,
        reason=reason,
        by=name_operator(by),
    )
    change(
        relay,
        "dismissals",
        body,
        model=Dismissals,
        view=dismissal_view,
        act="Dismiss",
        consent=consent,
        as_json=as_json,
    )
    return ExitCode.FINE


def _selection(**members: Any) -> dict[str, Any]:
    named = {name: member for name, member in members.items() if member}
    if named.keys().isdisjoint({"invoiceId", "group", "keys", "since"}):
        raise Misused("It is not said which rows are meant.", "Name an invoice, a --group, a --key or a --since time.")
    return named

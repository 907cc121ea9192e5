"""`relay reconcile`: source against target, by count, money and row, of one invoice or of a period."""

from typing import Annotated, Any
from uuid import UUID

import typer

from relay_cli.connection import App, connect
from relay_cli.consent import Consent, ask, settle
from relay_cli.jobs import run_job
from relay_cli.options import INVOICE, By, DryRun, Every, Json, KeyFile, Since, Until, Url, Yes, name_operator
from relay_cli.problems import ExitCode, Misused
from relay_cli.reading import read
from relay_cli.screen import emit, say
from relay_cli.times import now, read_time
from relay_cli.views.layout import counted
from relay_cli.views.reconciliation import reconciliation_view
from relay_contract.reconciliation import Reconciliation

type Selection = dict[str, str]


def reconcile(
    *,
    url: Url,
    invoice: Annotated[str | None, typer.Argument(help=INVOICE)] = None,
    key_file: KeyFile = None,
    since: Since = None,
    until: Until = None,
    fix: Annotated[bool, typer.Option("--fix", help="Send again what is missing or different.")] = False,
    by: By = "",
    every: Every = 1.0,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Compare Dataverse and Finance for an invoice or a period, at any age, whether there was a run or not.

    Prints counts and amounts per map, and the rows that are missing, surplus or different. With --fix what is missing
    or different is sent again: without --yes it shows on a terminal what that is, and asks.
    Exits with 2 when there was a difference, also one that --fix has begun to correct: reconcile again afterwards.
    Exits with 6 when there was nothing to compare: that is not an all-clear.

    Examples:
      relay reconcile PI-2026-0042
      relay reconcile --since 2026-03-01 --until 2026-04-01 --json
      relay reconcile PI-2026-0042 --fix --dry-run
      relay reconcile --since 3d --fix --yes
    """
    if (invoice is None) == (since is None) or (until and not since):
        raise Misused(
            "Give either an invoice, or --since and perhaps --until.", "`relay reconcile --help` has examples."
        )
    consent = settle(yes=yes, dry_run=dry_run) if fix else Consent.ONLY_SHOW
    relay, name = connect(url, key_file), name_operator(by)
    selection = _named(invoice.strip()) if invoice else _period(since or "", until)
    document = _run(relay, {**selection, "fix": consent is Consent.GIVEN, "by": name}, every)
    job = read(Reconciliation, document)
    wanting = sum(bool(each.missing or each.different) for each in job.invoices)
    if consent is Consent.ASK and wanting:
        say(reconciliation_view(job))
        ask(f"Send again what is missing or different of {counted(wanting, 'invoice')}?")
        document = _run(relay, {**selection, "fix": True, "by": name}, every)
        job = read(Reconciliation, document)
    emit(document, reconciliation_view(job), as_json=as_json)
    if fix and consent is Consent.ONLY_SHOW:
        say(f"Would send again what is missing or different of {counted(wanting, 'invoice')}.")
    return _verdict(job)


def _named(invoice: str) -> Selection:
    """Looked up in Dataverse by number, because the invoice may have no run."""
    try:
        return {"invoiceId": str(UUID(invoice))}
    except ValueError:
        return {"invoiceNumber": invoice}


def _period(since: str, until: str | None) -> Selection:
    moment = now()
    # One moment for both ends, so that relative times belong together.
    return {"since": read_time(since, moment), "until": read_time(until, moment) if until else read_time("0m", moment)}


def _run(relay: App, body: dict[str, Any], every: float) -> Any:
    doing, path = "Reconciling ...", "reconciliations"
    return run_job(relay, path, body, every=every, doing=doing, progress_of=_progress, unit="invoices")


def _progress(document: Any) -> tuple[int, int]:
    job = read(Reconciliation, document)
    return job.done, job.of


def _verdict(job: Reconciliation) -> ExitCode:
    if job.state == "failed":
        say(f"The reconciliation failed: {job.detail or 'the app gives no reason'}")
        return ExitCode.FAILED
    # A script takes 0 for an all-clear, and an empty comparison is none: the period may be wrong.
    if not job.of:
        return ExitCode.NOTHING
    return ExitCode.FINE if all(each.equal for each in job.invoices) else ExitCode.FAILED

"""`relay write-back`: writes the posted accounting detail of an invoice back to Dataverse now."""

from typing import Annotated

import typer

from relay_cli.connection import connect
from relay_cli.consent import Consent, ask, settle
from relay_cli.invoices import find
from relay_cli.options import INVOICE, By, DryRun, Json, KeyFile, Url, Yes, name_operator
from relay_cli.problems import ExitCode
from relay_cli.reading import read
from relay_cli.screen import emit, safe, say
from relay_cli.views.changes import write_back_view
from relay_cli.views.runs import name, posting_view
from relay_contract.changes import WriteBack
from relay_contract.runs import RunDetail


def write_back(
    *,
    url: Url,
    invoice: Annotated[str, typer.Argument(help=INVOICE)],
    key_file: KeyFile = None,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Write the accounting detail of a completed run back to Dataverse now, as far as Finance has posted it.

    The app does the same by itself once all is posted. Without --yes it shows on a terminal how far the posting is,
    and asks; --dry-run shows only that. `relay runs show` says when it is written back.

    Examples:
      relay write-back PI-2026-0042
      relay write-back PI-2026-0042 --dry-run
      relay write-back 3f2c9a50-0000-4000-8000-000000000042 --yes --json
    """
    consent, operator = settle(yes=yes, dry_run=dry_run), name_operator(by)
    relay = connect(url, key_file)
    invoice_id = find(relay, invoice)
    # The endpoint has no dry run: what stands in the run is what can be shown before.
    if consent is not Consent.GIVEN:
        document = relay.get(f"runs/{invoice_id}")
        run = read(RunDetail, document)
        if consent is Consent.ONLY_SHOW:
            say(f"Would ask for the write-back of {name(run)}. At present:")
            emit(document, posting_view(run), as_json=as_json)
            return ExitCode.FINE
        say(posting_view(run))
        ask(f"Write {safe(name(run))} back?")
    document = relay.post("write-backs", {"invoiceId": invoice_id, "by": operator})
    emit(document, write_back_view(read(WriteBack, document)), as_json=as_json)
    return ExitCode.FINE

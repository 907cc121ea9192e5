"""`relay errors`: list, show."""

from typing import Annotated
from urllib.parse import quote

import typer

from relay_cli.connection import connect
from relay_cli.invoices import find
from relay_cli.options import INVOICE, Json, KeyFile, Url
from relay_cli.problems import ExitCode
from relay_cli.reading import read
from relay_cli.screen import emit
from relay_cli.views.errors import groups_view, rows_view
from relay_contract.errors import ErrorGroupRows, ErrorGroups

app = typer.Typer(no_args_is_help=True, help="Rejected rows: grouped by what their errors say, and one by one.")

OfInvoice = Annotated[str | None, typer.Option("--invoice", metavar="INVOICE", help=f"Only of {INVOICE.lower()}")]


@app.command("list")
def list_errors(*, url: Url, key_file: KeyFile = None, invoice: OfInvoice = None, as_json: Json = False) -> int:
    """List rejected rows by group: the pattern of the message, how many, where, and what to do next.

    Examples:
      relay errors list
      relay errors list --invoice PI-2026-0042
      relay errors list --json | jq -r '.groups[] | [.group, .rows, .pattern] | @tsv'
    """
    relay = connect(url, key_file)
    document = relay.get("errors", {"invoiceId": find(relay, invoice) if invoice else None})
    emit(document, groups_view(read(ErrorGroups, document).groups), as_json=as_json)
    return ExitCode.FINE


@app.command("show")
def show_errors(
    *,
    url: Url,
    group: Annotated[str, typer.Argument(help="A group as `relay errors list` names it.")],
    key_file: KeyFile = None,
    invoice: OfInvoice = None,
    as_json: Json = False,
) -> int:
    """Show the rows of a group: invoice, key, line, tries and Finance's own words.

    Examples:
      relay errors show 4f1c22ab90
      relay errors show 4f1c22ab90 --invoice PI-2026-0042 --json
    """
    relay = connect(url, key_file)
    query = {"invoiceId": find(relay, invoice) if invoice else None}
    document = relay.get(f"errors/{quote(group, safe='')}", query)
    found = read(ErrorGroupRows, document)
    emit(document, rows_view(found.group, found.rows), as_json=as_json)
    return ExitCode.FINE

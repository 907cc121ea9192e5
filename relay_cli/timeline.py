"""`relay runs timeline` and `relay finance-page`: what happened to a run, and where Finance shows an import."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import RenderableType
from rich.text import Text

from relay_cli.connection import connect
from relay_cli.invoices import find
from relay_cli.options import INVOICE, Json, KeyFile, Url
from relay_cli.problems import ExitCode
from relay_cli.reading import read
from relay_cli.screen import emit
from relay_cli.times import show_time
from relay_cli.views.layout import add, counted, state, table
from relay_contract.runs import FinancePage, Timeline, TimelineEntry


def timeline(
    *,
    url: Url,
    invoice: Annotated[str, typer.Argument(help=INVOICE)],
    key_file: KeyFile = None,
    as_json: Json = False,
) -> int:
    """Show what happened to a run and when: its states, imports and waits, and what operators did about its rows.

    Examples:
      relay runs timeline PI-2026-0042
      relay runs timeline PI-2026-0042 --json
    """
    relay = connect(url, key_file)
    document = relay.get(f"runs/{find(relay, invoice)}/timeline")
    emit(document, timeline_view(read(Timeline, document).entries), as_json=as_json)
    return ExitCode.FINE


def finance_page(
    *,
    url: Url,
    execution: Annotated[str, typer.Argument(metavar="EXECUTION", help="An execution id of `relay runs timeline`.")],
    key_file: KeyFile = None,
    as_json: Json = False,
) -> int:
    """Tell where Finance shows an import, its log and its staging rows.

    Examples:
      relay finance-page relay-actuals-3f2c9a50-0000-4000-8000-000000000042
    """
    document = connect(url, key_file).get(f"imports/{quote(execution, safe='')}")
    emit(document, Text(read(FinancePage, document).page), as_json=as_json)
    return ExitCode.FINE


def timeline_view(entries: Sequence[TimelineEntry]) -> RenderableType:
    """One line per event."""
    view = table("When", "What", "Map", ">Rows", "Why, by whom")
    for each in entries:
        rows = None if each.rows is None else f"{each.rows:,}"
        add(view, show_time(each.at), state(each.what), each.map, rows, _describe(each))
    return view


def _describe(each: TimelineEntry) -> str:
    rejected = f"{counted(each.rejected, 'row')} rejected" if each.rejected else ""
    until = f"by {each.service} until {show_time(each.until)}" if each.until else ""
    by = f"by {each.by}" if each.by else ""
    return "; ".join(filter(None, [until, by, rejected, each.text, each.execution_id])) or "-"

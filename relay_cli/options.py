"""Options that several commands share."""

from enum import StrEnum
from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from relay_cli.problems import Misused

Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="RELAY_URL", metavar="URL", help="Address of the app: https, or http on this machine only."
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="File with the operator's key; without it RELAY_KEY is used. There is no option for the key itself: a "
        "command line is seen by every user of the machine and kept in the shell's history.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the app's JSON, one document, and nothing else on stdout.")]
Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Do it without asking. Required when the command does not run on a terminal."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
By = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Your name, written to the audit; by default your login name.")
]
Every = Annotated[float, typer.Option("--every", min=0.1, metavar="SECONDS", help="Seconds between two looks.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="Start of the period: 2026-03-31, 2026-03-31T14:00Z, 30m, 2h, 3d. UTC."
    ),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="End of the period, written like --since.")]
MapName = Annotated[
    str | None, typer.Option("--map", metavar="MAP", help="Only this map, by its name as `relay health` lists it.")
]
INVOICE = "An invoice by its id or its exact number."


# Repeated from shared/ledger/run.py, which is not part of the command's wheel.
class State(StrEnum):
    """The states of a run."""

    ACCEPTED = "accepted"
    SYNCING_HEADER = "syncing header"
    SYNCING_ACTUALS = "syncing actuals"
    LINKING = "linking"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    NEEDS_ATTENTION = "needs attention"
    FAILED = "failed"
    REJECTED = "rejected"


class SyncKind(StrEnum):
    """The kinds of actuals that are out of sync."""

    MISSING = "missing"
    NOT_WRITTEN_BACK = "not written back"


def name_operator(by: str) -> str:
    """The operator's name for the audit: as given, else the login name."""
    try:
        return by.strip() or getuser()
    # A container may run under a user id that its system has no name for.
    except (OSError, KeyError) as error:
        raise Misused("This machine does not know your login name.", "Give it with --by NAME.") from error

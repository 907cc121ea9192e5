"""A command that changes data shows the change first and asks for consent, unless --yes has given it."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import typer
from rich.console import RenderableType

from relay_cli.connection import App
from relay_cli.problems import Misused
from relay_cli.reading import read
from relay_cli.screen import emit, is_interactive, say
from relay_cli.views.layout import counted
from relay_contract.changes import Change


class Consent(Enum):
    """The operator's consent."""

    ONLY_SHOW = auto()
    ASK = auto()
    GIVEN = auto()


def settle(*, yes: bool, dry_run: bool) -> Consent:
    """The meaning of --yes and --dry-run. Raises Misused if neither is given and there is no terminal."""
    if dry_run:
        return Consent.ONLY_SHOW
    if yes:
        return Consent.GIVEN
    if is_interactive():
        return Consent.ASK
    raise Misused(
        "This command changes data and cannot ask first: it does not run on a terminal.",
        "Add --yes to do it, or --dry-run to see it.",
    )


def ask(question: str) -> None:
    """Ask on stderr. Raises typer.Abort unless the answer is yes."""
    # On stderr, so that a redirected stdout holds the result alone.
    typer.confirm(question, abort=True, err=True)


def change[T: Change](
    app: App,
    path: str,
    body: dict[str, Any],
    *,
    model: type[T],
    view: Callable[[T], RenderableType],
    act: str,
    consent: Consent,
    as_json: bool,
) -> T:
    """POST a change that has a dry run: only the dry run, the dry run and a question, or the change at once.

    If the dry run finds no rows, nothing is asked and it is the result. The returned document has been shown.
    """
    if consent is Consent.ASK:
        document = app.post(path, {**body, "dryRun": True})
        rehearsed = read(model, document)
        if not rehearsed.rows:
            emit(document, view(rehearsed), as_json=as_json)
            return rehearsed
        say(view(rehearsed))
        ask(f"{act} {counted(rehearsed.rows, 'row')}?")
    document = app.post(path, {**body, "dryRun": consent is Consent.ONLY_SHOW})
    done = read(model, document)
    emit(document, view(done), as_json=as_json)
    return done

"""`relay pause` and `relay resume`: work waits and is counted meanwhile, for the whole app or for one map."""

from typing import Annotated, Any

import typer

from relay_cli.connection import App, connect
from relay_cli.consent import Consent, ask, settle
from relay_cli.options import By, DryRun, Json, KeyFile, Url, Yes, name_operator
from relay_cli.problems import ExitCode
from relay_cli.reading import read
from relay_cli.screen import emit, say
from relay_cli.views.changes import pauses_view
from relay_contract.changes import Pauses

Map = Annotated[
    str | None,
    typer.Option("--map", metavar="MAP", help="Only this map, as `relay health` names it; without it the whole app."),
]


def pause(
    *,
    url: Url,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; shown to all operators while the pause lasts.")
    ],
    key_file: KeyFile = None,
    only: Map = None,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Pause the whole app, or one map: confirmations are still accepted, and wait.

    Examples:
      relay pause --reason "Finance update tonight"
      relay pause --map actuals --reason "category setup being corrected" --yes
    """
    body = {"map": only, "reason": reason, "by": name_operator(by)}
    consent = settle(yes=yes, dry_run=dry_run)
    return _change(connect(url, key_file), "pauses", body, f"pause {only or 'the whole app'}", consent, as_json=as_json)


def resume(
    *,
    url: Url,
    key_file: KeyFile = None,
    only: Map = None,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """End the pause of the whole app, or of one map. Waiting work goes on.

    Examples:
      relay resume
      relay resume --map actuals --yes
    """
    body = {"map": only, "by": name_operator(by)}
    consent = settle(yes=yes, dry_run=dry_run)
    return _change(
        connect(url, key_file), "resumes", body, f"resume {only or 'the whole app'}", consent, as_json=as_json
    )


def _change(app: App, path: str, body: dict[str, Any], act: str, consent: Consent, *, as_json: bool) -> int:
    # The endpoint has no dry run, so the present pauses are shown.
    if consent is not Consent.GIVEN:
        document = app.get("pauses")
        present = pauses_view(read(Pauses, document).paused)
        if consent is Consent.ONLY_SHOW:
            say(f"Would {act}. At present:")
            emit(document, present, as_json=as_json)
            return ExitCode.FINE
        say(present)
        ask(f"{act.capitalize()}?")
    document = app.post(path, body)
    emit(document, pauses_view(read(Pauses, document).paused), as_json=as_json)
    return ExitCode.FINE

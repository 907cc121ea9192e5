"""`relay doctor`: has the app check itself, its services and its set-up."""

from pathlib import Path
from typing import Annotated, Any

import typer

from relay_cli.connection import App, connect
from relay_cli.jobs import run_job
from relay_cli.options import By, Every, Json, KeyFile, Url, name_operator
from relay_cli.problems import ExitCode, Misused
from relay_cli.reading import read
from relay_cli.report import report
from relay_cli.screen import emit, say
from relay_cli.views.doctor import doctor_view
from relay_contract.doctor import Diagnosis


def doctor(
    *,
    url: Url,
    key_file: KeyFile = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="Only this check, or the checks of an area: dataverse, finance, webhook, maps, app. May be repeated, "
            "or name several with commas.",
        ),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Show the last run of all checks, such as that of last night.")
    ] = False,
    report_file: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="Also write the result as one HTML file, to hand it on."),
    ] = None,
    by: By = "",
    every: Every = 1.0,
    as_json: Json = False,
) -> int:
    """Check the app, its two services and its set-up, with the app's own identity. Nothing is changed anywhere.

    Each check is ok, warn, fail or unknown, with what was seen, what is expected and the next step. What the app's user
    is not allowed to see is unknown, never missing.
    Exits with 2 when a check fails. Warnings and unknowns alone do not count; they are shown.

    Examples:
      relay doctor
      relay doctor --only webhook --only user-time-zone
      relay doctor --last --report setup.html
      relay doctor --json | jq '.checks[] | select(.verdict != "ok")'
    """
    if last and only:
        raise Misused("--last shows the last run of all checks; --only starts one of some.", "Leave one of them out.")
    _check_folder(report_file)
    relay = connect(url, key_file)
    document = relay.get("doctor") if last else _run(relay, _names(only), name_operator(by), every)
    diagnosis = read(Diagnosis, document)
    emit(document, doctor_view(diagnosis), as_json=as_json)
    if report_file:
        _write(report_file, report(diagnosis))
    return _verdict(diagnosis)


def _names(only: list[str] | None) -> list[str]:
    return [name.strip() for each in only or [] for name in each.split(",") if name.strip()]


def _run(relay: App, only: list[str], by: str, every: float) -> Any:
    body = {"only": only, "by": by}
    return run_job(relay, "doctor", body, every=every, doing="Checking ...", progress_of=_progress, unit="checks")


def _progress(document: Any) -> tuple[int, int]:
    run = read(Diagnosis, document)
    return run.done, run.of


def _check_folder(file: Path | None) -> None:
    # Before the run: it takes minutes, and its result would be lost.
    if file and not file.resolve().parent.is_dir():
        raise Misused(f"There is no folder {file.resolve().parent}.", "Name a file in a folder that exists.")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise Misused(f"The report could not be written to {file}: {error.strerror}.", "Name another file.") from error
    say(f"The report is in {file}.")


def _verdict(diagnosis: Diagnosis) -> ExitCode:
    if diagnosis.state == "failed":
        say(f"The run failed: {diagnosis.detail or 'the app gives no reason'}")
        return ExitCode.FAILED
    return ExitCode.FAILED if diagnosis.counts.fail else ExitCode.FINE

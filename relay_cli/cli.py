"""`relay`: registers the commands and maps errors to exit codes."""

import re
import sys
from typing import Annotated, Any

import typer

from relay_cli import changes, errors, pauses, runs, timeline
from relay_cli.doctor import doctor
from relay_cli.health import health
from relay_cli.maps import commands as maps
from relay_cli.out_of_sync import out_of_sync
from relay_cli.problems import ExitCode, Problem
from relay_cli.reconcile import reconcile
from relay_cli.screen import say
from relay_cli.sweep import sweep
from relay_cli.webhook import commands as webhook
from relay_cli.write_back import write_back
from relay_contract.version import VERSION

HELP = """See and steer the app that carries confirmed invoices to Finance.

Set RELAY_URL to the app's address and RELAY_KEY to its operator key (or name a file with --key-file). The key is never
given on the command line: other users of the machine see command lines, and the shell keeps them.
An invoice is named by its id or its exact number. All times are UTC.

Exit codes:
  0    fine
  1    usage: wrong arguments, no such invoice, or a question answered with no
  2    the run shown or watched failed or was rejected; reconcile found a
       difference; a check fails; health is not good; the webhook is not
       registered as it should be, or no event has come under its new key
  3    the run shown or watched needs attention: rows were rejected, are
       missing or differ; out-of-sync found missing
  4    unreachable: no network, no app, or an app without its storage
  5    not allowed: the key was refused
  6    reconcile had nothing to compare: no all-clear
  130  interrupted with Ctrl-C

Examples:
  export RELAY_URL=https://contoso.azurewebsites.net
  export RELAY_KEY=$(pass show invoice-relay/operator)
  relay health
  relay runs list --since 2h
  relay errors list
  relay replay --group 4f1c22ab90 --dry-run
"""

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help=HELP)
app.add_typer(runs.app, name="runs")
runs.app.command("timeline")(timeline.timeline)
app.command("finance-page")(timeline.finance_page)
app.add_typer(errors.app, name="errors")
app.add_typer(webhook.app, name="webhook")
app.add_typer(maps.app, name="maps")
for command in (
    changes.replay,
    changes.dismiss,
    pauses.pause,
    pauses.resume,
    reconcile,
    out_of_sync,
    write_back,
    sweep,
    doctor,
    health,
):
    app.command()(command)


def _tell_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"relay {VERSION}\n")
        raise typer.Exit


@app.callback()
def _options(
    # Eager, so that it is answered before a missing command is complained about.
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version of the command."),
    ] = False,
) -> None:
    """The options of the command itself."""


def main() -> int:
    """Run the command; return its exit code."""
    # A terminal that cannot show a character gets a replacement character instead of an error.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        # In standalone mode typer ends the process itself, with exit codes of its own.
        code = _in_paragraphs(typer.main.get_command(app)).main(prog_name="relay", standalone_mode=False)
    except Problem as problem:
        return _end(problem.code, problem.cause, problem.next_step)
    except typer.Abort:
        return _end(ExitCode.USAGE, "Nothing was done.")
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f"`{context.command_path} --help` says how it is used." if context else ""
        # Without a message, the help was shown because the command was missing.
        return _end(ExitCode.USAGE, error.format_message(), hint) if error.format_message() else ExitCode.USAGE
    return int(code or ExitCode.FINE)


def _in_paragraphs(command: Any) -> Any:
    """The command with helps that flow: typer keeps the line breaks of a docstring, which fold badly on a terminal that
    is narrower than our sources. Indented lines, such as examples, are kept."""
    command.help = re.sub(r"(?<=[^\n:])\n(?=[^\s])", " ", command.help or "")
    for each in getattr(command, "commands", {}).values():
        _in_paragraphs(each)
    return command


def _end(code: ExitCode, cause: str, next_step: str = "") -> int:
    for line in [*f"Error: {cause}".splitlines(), *next_step.splitlines()]:
        say(line)
    return int(code)

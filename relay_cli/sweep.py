"""`relay sweep`: runs the app's sweep now."""

from relay_cli.connection import connect
from relay_cli.options import By, Json, KeyFile, Url, name_operator
from relay_cli.problems import ExitCode
from relay_cli.reading import read
from relay_cli.screen import emit, say
from relay_cli.views.changes import sweep_view
from relay_contract.changes import Sweep


def sweep(*, url: Url, key_file: KeyFile = None, by: By = "", as_json: Json = False) -> int:
    """Sweep now: start confirmed invoices that have no run, put stopped runs to work, delete blobs no run needs.

    The app does the same every ten minutes, so the command does not ask first. It ends with 2 when Dataverse could not
    be asked for confirmed invoices.

    Examples:
      relay sweep
      relay sweep --json
    """
    relay = connect(url, key_file)
    say("Sweeping ...")
    document = relay.post("sweeps", {"by": name_operator(by)})
    done = read(Sweep, document)
    emit(document, sweep_view(done), as_json=as_json)
    # What Dataverse could not be asked for may be missing: that is no all-clear.
    return ExitCode.FAILED if done.problem else ExitCode.FINE

"""`relay sweep`: the app's own search for what was lost, now instead of at its next time."""

from ops.answers import read
from ops.answers.changes import Sweep
from ops.connection import connect
from ops.options import By, Json, KeyFile, Url, name_operator
from ops.problems import ExitCode
from ops.screen import emit, say
from ops.views.changes import sweep_view


def sweep(*, url: Url, key_file: KeyFile = None, by: By = "", as_json: Json = False) -> int:
    """Sweep now: start confirmed invoices that have no run, put stopped runs to work, clear blobs nobody owns.

    The app does the same by itself from time to time, so nobody is asked.

    Examples:
      relay sweep
      relay sweep --json
    """
    relay = connect(url, key_file)
    say("Sweeping ...")
    document = relay.post("sweeps", {"by": name_operator(by)})
    emit(document, sweep_view(read(Sweep, document)), as_json=as_json)
    return ExitCode.FINE

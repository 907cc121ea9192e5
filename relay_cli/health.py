"""`relay health`: whether the app is well, and if not, what is wrong."""

from relay_cli.connection import connect
from relay_cli.options import Json, KeyFile, Url
from relay_cli.problems import ExitCode
from relay_cli.reading import read
from relay_cli.screen import emit
from relay_cli.views.health import health_view
from relay_contract.health import Health


def health(*, url: Url, key_file: KeyFile = None, as_json: Json = False) -> int:
    """Show the app's health: problems in words, queues, poison, closed gates, lanes, the last sweep, versions.

    Exits with 2 when the app does not call itself healthy.

    Examples:
      relay health
      relay health --json | jq .problems
    """
    document = connect(url, key_file).get("health")
    state = read(Health, document)
    emit(document, health_view(state), as_json=as_json)
    return ExitCode.FINE if state.healthy else ExitCode.FAILED

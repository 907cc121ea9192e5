"""`python -m simulators`: storage and the whole simulated tenant, without the app, until it is stopped."""

import argparse
import signal
import tempfile
from pathlib import Path

from simulators.stack import Stack


def main() -> None:
    """Run the command until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    parser.add_argument("--run-dir", type=Path, help="logs and data (default: a new temporary directory)")
    run_dir = parser.parse_args().run_dir or Path(tempfile.mkdtemp(prefix="simulators-"))
    # A shell that starts this in the background makes it ignore SIGINT. Setting both handlers explicitly makes both
    # work.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    try:
        with Stack(run_dir.resolve(), hosts=0) as stack:
            print(describe(stack), flush=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        print("stopped")


def describe(stack: Stack) -> str:
    """Addresses and sample credentials, for a person."""
    facts = {
        "Dataverse": f"{stack.url('dataverse')}/api/data/v9.2/",
        "Finance": f"{stack.url('finance')}/data/",
        "Sign-in authority": stack.authority,
        "Managed identity": f"{stack.identity_endpoint}  (IDENTITY_HEADER {stack.identity_header})",
        "CA certificate": f"{stack.ca}  (REQUESTS_CA_BUNDLE)",
        "Tenant": stack.tenant,
        "Client id": stack.client_id,
        "Client secret": stack.client_secret,
        "Control pages": ", ".join(
            f"{url}/sim/switches" for url in (stack.url("dataverse"), stack.url("finance"), stack.signin.url)
        ),
        "Storage": stack.azurite.connection_string(),
        "Logs": str(stack.run_dir),
    }
    width = max(map(len, facts))
    lines = [f"{name:{width}}  {value}" for name, value in facts.items()]
    return "\n".join([*lines, "", "A token for Dataverse:", f"  {_describe_token_request(stack)}", "", "Ctrl-C stops."])


def _describe_token_request(stack: Stack) -> str:
    form = f"grant_type=client_credentials&client_id={stack.client_id}&client_secret={stack.client_secret}"
    scope = f"scope={stack.url('dataverse')}/.default"
    return f"curl --cacert {stack.ca} -d '{form}&{scope}' {stack.authority}/oauth2/v2.0/token"


if __name__ == "__main__":
    main()

"""`python -m simulators.demo`: a project invoice of any size from Dataverse to Finance, on one machine.

Starts Azurite, the simulated tenant and the app's host, makes project invoices in Dataverse and confirms them there.
Dataverse sends its webhook; the app does the rest. Then Finance imports from its staging table and posts, the
accounting detail returns, and what arrived is compared with what Dataverse says. Exit code 0 only if every run
completed, the difference is 0, and the accounting detail is back.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulators.breakages import BREAKAGES
from simulators.progress import watcher
from simulators.stack import Stack
from simulators.summary import is_complete, is_written_back, summarize
from simulators.tenant import Tenant, app_settings

FINAL = {"completed", "needs attention", "failed", "rejected"}
LOOK_EVERY_SECONDS = 0.5
POSTING_ENDS = {"written back", "refused"}
POSTING_PATIENCE_SECONDS = 600.0
PATIENCE_WHEN_BROKEN_SECONDS = 45.0
COMPANY = "usmf"


def main() -> int:
    """Run the command."""
    arguments = _read_arguments()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    run_dir = Path(tempfile.mkdtemp(prefix="invoice-relay-demo-"))
    try:
        return _run(arguments, run_dir)
    except KeyboardInterrupt:
        _say("stopped")
        return 130


def _run(arguments: argparse.Namespace, run_dir: Path) -> int:
    _say(f"Starting Azurite, the simulated tenant and the Functions host (logs: {run_dir}) ...")
    own = ("--columns", str(arguments.columns.resolve())) if arguments.columns else ()
    with Stack(run_dir, app_settings=app_settings, flags={"dataverse": own, "finance": own}) as stack:
        tenant = Tenant(stack)
        tenant.register_webhook()
        tenant.let_app_write_back()
        if arguments.breakage:
            spoil(tenant, arguments.breakage)
        summary = carry(tenant, arguments.invoices, arguments.lines, patient=not arguments.breakage)
        print(table(summary))
        if arguments.json:
            arguments.json.write_text(json.dumps(summary, indent=2) + "\n")
        if arguments.keep:
            _keep(stack, arguments.breakage)
        return 0 if is_complete(summary) and is_written_back(summary) else 1


def spoil(tenant: Tenant, name: str) -> None:
    """Break something on purpose."""
    breakage = BREAKAGES[name]
    _say(f"Broken on purpose: {breakage.text}")
    for service, switches in breakage.broken.items():
        tenant.switch(service, **switches)


def carry(tenant: Tenant, count: int, lines: int, *, patient: bool = True) -> dict[str, Any]:
    """Make and confirm invoices, watch the app carry them over, have Finance import them, and count."""
    _say(f"Drafting {count} project invoice(s) of {lines} lines in Dataverse ...")
    invoices = [tenant.draft(lines, seed=number, company=COMPANY) for number in range(1, count + 1)]
    _say("Confirming; from here on Dataverse's webhook and the app are on their own.")
    began = time.monotonic()
    confirming = [threading.Thread(target=tenant.confirm, args=(invoice_id,)) for invoice_id in invoices]
    for each in confirming:
        each.start()
    runs = watch(tenant, invoices, patience=None if patient else PATIENCE_WHEN_BROKEN_SECONDS)
    for each in confirming:
        each.join()
    seconds = time.monotonic() - began
    _say("Finance: import from staging table, post the integration journal, import again ...")
    tenant.book(COMPANY)
    if all(run and run["state"] == "completed" for run in runs):
        post(tenant, invoices)
    return summarize(tenant, invoices, runs, seconds)


def post(tenant: Tenant, invoices: Sequence[str]) -> None:
    """Post the proposals, have Finance tell the app, and wait until the accounting detail is back in Dataverse."""
    _say("Finance: post the invoice proposals; its business event tells the app.")
    for invoice_id in invoices:
        tenant.post_proposal(COMPANY, tenant.invoice(invoice_id)["number"])
    tenant.ring()
    deadline = time.monotonic() + POSTING_PATIENCE_SECONDS
    waiting = list(invoices)
    while waiting and time.monotonic() < deadline:
        waiting = [each for each in waiting if (tenant.run(each) or {}).get("posting") not in POSTING_ENDS]
        if waiting:
            time.sleep(LOOK_EVERY_SECONDS)
    _say(f"  written back: {len(invoices) - len(waiting)} of {len(invoices)} invoices")


def watch(tenant: Tenant, invoices: Sequence[str], *, patience: float | None = None) -> list[dict[str, Any] | None]:
    """Show progress until every run is in a final state, or until `patience` seconds are over; return the runs."""
    runs: dict[str, dict[str, Any] | None] = dict.fromkeys(invoices)
    deadline = time.monotonic() + patience if patience else float("inf")
    with watcher() as progress:
        while time.monotonic() < deadline:
            for invoice_id, run in runs.items():
                if run is None or run["state"] not in FINAL:
                    runs[invoice_id] = tenant.run(invoice_id)
            progress.show(list(runs.values()))
            if all(run and run["state"] in FINAL for run in runs.values()):
                return list(runs.values())
            time.sleep(LOOK_EVERY_SECONDS)
        return list(runs.values())


def table(summary: dict[str, Any]) -> str:
    """The summary for a person."""
    states = ", ".join(f"{count} {state}" for state, count in summary["states"].items())
    facts = {
        "invoices": f"{summary['invoices']} ({states})",
        "lines": summary["lines"],
        "actuals in Finance": f"{summary['actuals_in_finance']} of {summary['actuals_expected']}",
        "connections in Finance": f"{summary['connections_in_finance']} of {summary['connections_expected']}",
        "duplicates": summary["duplicates"],
        "rejected rows": summary["rejected"],
        "written back": f"{summary['written_back']} of {summary['actuals_expected']}"
        f" ({summary['awaiting_posting']} await posting in Finance)",
        "requests": f"{summary['dataverse_requests']} to Dataverse, {summary['finance_requests']} to Finance",
        "imports": summary["imports"],
        "seconds": summary["seconds"],
        "proforma total": summary["proforma_total"],
        "proposal total": summary["proposal_total"],
        "difference": summary["difference"],
    }
    return "\n".join(f"  {name:<23} {value}" for name, value in facts.items())


def _keep(stack: Stack, breakage: str | None) -> None:
    host, key = stack.host_urls[0], stack.function_key
    print(
        f"\nRunning until Ctrl-C:\n  operator's page {host}/api/page\n  app             {host}\n"
        f"  operator's key  {key}\n  webhook's key   {stack.webhook_key}\n"
        f"  master key      {stack.master_key}\n"
        f"  Dataverse  {stack.url('dataverse')}\n  Finance    {stack.url('finance')}\n\nTry:\n"
        f'  curl -X POST {stack.url("dataverse")}/sim/invoices -d \'{{"lines": 10, "seed": 99}}\''
        "   # answers with an invoiceId\n"
        f"  curl {stack.url('dataverse')}/sim/invoices/INVOICE_ID/originals | curl --data-binary @- "
        f"{stack.url('finance')}/sim/seed   # what Finance has had before\n"
        f"  curl -X POST {stack.url('dataverse')}/sim/invoices/INVOICE_ID/confirm\n"
        f"  curl -H 'x-functions-key: {key}' {host}/api/runs/INVOICE_ID\n\n"
        f"The operator's command, in another terminal:\n"
        f"  export RELAY_URL={host} RELAY_KEY={key}\n  .venv/bin/relay runs list",
        flush=True,
    )
    if breakage:
        print("\nTo mend what was broken:")
        for service, switches in BREAKAGES[breakage].mended.items():
            print(f"  curl -X PUT {stack.url(service)}/sim/switches -d '{json.dumps(switches)}'", flush=True)
    signal.pause()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=_positive, default=2500, help="lines of each invoice (default 2500)")
    parser.add_argument("--invoices", type=_positive, default=1, help="invoices confirmed together (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary to FILE")
    parser.add_argument("--break", dest="breakage", choices=sorted(BREAKAGES), help="break something on purpose")
    parser.add_argument("--keep", action="store_true", help="leave everything running and print the addresses")
    parser.add_argument(
        "--columns",
        type=Path,
        metavar="FILE",
        help="columns of the tenant's own, in Dataverse and Finance (docs/maps.md)",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())

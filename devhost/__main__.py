"""`python -m devhost`: run a Functions app (Python v2 model) on a laptop, without Core Tools."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from devhost.bindings import Function, HttpTrigger, QueueTrigger
from devhost.host import Host, HostOptions
from devhost.host_json import HostJson, read_host_json
from devhost.keys import KeyFile, find_or_generate_keys
from devhost.queues import LEASE
from devhost.refusal import StartRefused
from devhost.settings import apply_settings, read_settings

ADDRESS = "127.0.0.1"
PORT = 7071


def main() -> int:
    """Run the command; 0 after a requested stop, 1 when the app could not be started."""
    arguments = _read_arguments()
    try:
        return asyncio.run(_run(arguments))
    except StartRefused as refusal:
        print(f"devhost: {refusal}", file=sys.stderr)
        return 1


async def _run(arguments: argparse.Namespace) -> int:
    options = _read_options(arguments)
    stopping, host = _watch_signals(), Host(options)
    try:
        await host.start()
    except StartRefused:
        await host.abandon()
        raise
    print(describe(host.functions, host.url, options.host_json.route_prefix), flush=True)
    if arguments.ready_file:
        _write_ready_file(arguments.ready_file, {"url": host.url, "pid": os.getpid()})
    # A listener task ends only when it is stopped or by an error. The error must stop the host, so it is awaited here.
    await asyncio.wait({asyncio.create_task(stopping.wait()), *host.listening}, return_when=asyncio.FIRST_COMPLETED)
    await host.stop()
    return 0


def describe(functions: list[Function], url: str, prefix: str) -> str:
    """The list of functions that is printed at start-up, as Core Tools prints it."""
    lines = ["", "Functions:", ""]
    for function in sorted(functions, key=lambda function: function.name):
        lines += [f"        {function.name}: {_describe_trigger(function, url, prefix)}", ""]
    return "\n".join(lines)


def _describe_trigger(function: Function, url: str, prefix: str) -> str:
    trigger = function.trigger
    if isinstance(trigger, HttpTrigger):
        route = "/".join(part for part in (prefix, trigger.route) if part)
        methods = f"[{','.join(trigger.methods)}] " if trigger.methods else ""
        return f"{methods}{url}/{route}"
    if isinstance(trigger, QueueTrigger):
        return f"queueTrigger {trigger.queue}"
    return f"timerTrigger {trigger.schedule}"


def _read_options(arguments: argparse.Namespace) -> HostOptions:
    root: Path = arguments.root
    settings = read_settings(arguments.settings or root / "local.settings.json")
    apply_settings(settings.values)
    host_json: HostJson = read_host_json(root / "host.json")
    if arguments.lease_seconds is not None:
        print(f"WARNING: queue messages are leased for {arguments.lease_seconds} s, for tests only", file=sys.stderr)
    if not arguments.keys:
        print(f"Keys: {find_or_generate_keys(root)}", flush=True)
    lease = LEASE if arguments.lease_seconds is None else timedelta(seconds=arguments.lease_seconds)
    port = arguments.port if arguments.port is not None else settings.port or PORT
    keys = KeyFile(arguments.keys or find_or_generate_keys(root))
    return HostOptions(root, host_json, keys, ADDRESS, port, lease, arguments.exchanges)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devhost", description=__doc__)
    parser.add_argument("--root", type=_path, default=Path.cwd(), help="directory of function_app.py and host.json")
    parser.add_argument("--settings", type=_path, help="settings file (default: local.settings.json of the root)")
    parser.add_argument("--port", type=int, help=f"0 takes a free one (default: Host.LocalHttpPort, else {PORT})")
    parser.add_argument("--keys", type=_path, help="keys file (default: .local/devhost.keys.json, generated)")
    parser.add_argument("--ready-file", type=_path, help="written as JSON once the host serves")
    parser.add_argument("--exchanges", type=_path, help="every HTTP request and its answer are added to this file")
    parser.add_argument(
        "--lease-seconds", type=_seconds, help="shorten the 10 minute lease of messages; for tests only"
    )
    return parser.parse_args()


def _path(text: str) -> Path:
    return Path(text).resolve()


def _seconds(text: str) -> int:
    if not 1 <= int(text) <= LEASE.total_seconds():
        raise argparse.ArgumentTypeError(f"must be from 1 to {LEASE.total_seconds():.0f}")
    return int(text)


def _watch_signals() -> asyncio.Event:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupt() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    return stopping


def _write_ready_file(path: Path, facts: dict[str, object]) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(facts))
    draft.replace(path)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    # os._exit, not sys.exit: sys.exit waits for pool threads, and a `def` function that never returns would block it.
    os._exit(code)

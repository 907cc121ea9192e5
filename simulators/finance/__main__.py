"""Start a simulated Finance environment: `python -m simulators.finance --port 0 --ready-file P …`."""

import argparse
import asyncio
import logging
import signal
import socket
from pathlib import Path

from aiohttp import web

from simulators.finance.own_columns import extend
from simulators.finance.server import Settings, build
from simulators.own_columns import read_columns
from simulators.processes import write_ready_file


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s finance %(levelname)s %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    extend(read_columns(arguments.columns))
    asyncio.run(_serve(arguments))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.finance", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help="written once connections are accepted")
    parser.add_argument("--token-secret", required=True, help="shared with the sign-in simulator")
    parser.add_argument("--storage", required=True, help="connection string of Finance's own storage account")
    parser.add_argument("--data", type=Path, help="directory of the database; without it nothing is kept")
    parser.add_argument("--clients", help="registered client ids, separated by commas; without it everyone is")
    parser.add_argument("--columns", type=Path, help="columns of the tenant's own (simulators/own_columns.py)")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listener = socket.create_server(("127.0.0.1", arguments.port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    clients = frozenset(arguments.clients.split(",")) if arguments.clients else None
    settings = Settings(arguments.token_secret, arguments.storage, arguments.data, clients)
    runner = web.AppRunner(build(settings, url), shutdown_timeout=2)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    if arguments.ready_file:
        write_ready_file(arguments.ready_file, {"url": url})
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    main()

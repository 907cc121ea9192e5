"""`python -m simulators.arm`: Azure Resource Manager for one function app, on loopback."""

import argparse
import asyncio
import signal
from pathlib import Path

from aiohttp import web

from simulators.arm.keys import KeyFile
from simulators.arm.service import Arm, Site
from simulators.losses import Losses
from simulators.processes import write_ready_file

ADDRESS = "127.0.0.1"


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    site = Site(arguments.site, arguments.host_name, frozenset(arguments.functions.split(",")))
    owners = frozenset(filter(None, arguments.administrators.split(",")))
    arm = Arm(site, KeyFile(arguments.keys), arguments.tenant, arguments.token_secret, owners)
    losses = Losses(lambda request: f"{request.method} {request.path.rpartition('/')[0].rpartition('/')[2]}")
    application = web.Application(middlewares=[losses.pass_through])
    losses.add_routes(application.router)
    application.add_routes(arm.routes())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=2)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, arguments.port).start()
    write_ready_file(arguments.ready_file, {"url": f"http://{ADDRESS}:{runner.addresses[0][1]}"})
    await stopping.wait()
    await runner.cleanup()


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.arm", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-file", type=Path, required=True)
    parser.add_argument("--token-secret", required=True, help="what the sign-in simulator signs tokens with")
    parser.add_argument("--tenant", required=True, help="of the subscription")
    parser.add_argument("--site", required=True, help="resource id of the function app")
    parser.add_argument("--host-name", required=True, help="host name of the function app")
    parser.add_argument("--functions", default="confirm_invoice,accept_posting", help="its functions")
    parser.add_argument("--keys", type=Path, required=True, help="the keys file of its host")
    parser.add_argument("--administrators", default="", help="object ids of people who may read and change the app")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(serve(_read_arguments()))

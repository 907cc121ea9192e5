"""`python -m simulators.signin`: the sign-in service of the simulated tenant, on loopback."""

import argparse
import asyncio
import secrets
import signal
import ssl
import sys
import tempfile
from pathlib import Path

import trustme
from aiohttp import web

from simulators.processes import write_ready_file
from simulators.signin.clients import read_clients
from simulators.signin.service import SignIn, Switches

ADDRESS = "127.0.0.1"


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    service = SignIn(
        origin="",
        tenant=arguments.tenant,
        token_secret=arguments.token_secret,
        identity_header=arguments.identity_header or secrets.token_hex(16),
        clients=read_clients(arguments.clients),
        switches=Switches(tokenLifetimeSeconds=arguments.token_lifetime),
    )
    directory = arguments.ready_file.parent if arguments.ready_file else Path(tempfile.mkdtemp(prefix="signin-"))
    context, ca = _make_certificate(directory)
    secure, secure_port = await _start(service.authority_pages(), arguments.port, context)
    plain, plain_port = await _start(service.local_pages(), 0, None)
    # The service's own address contains the port, which is known only now.
    service.origin = f"https://localhost:{secure_port}"
    _announce(service, f"http://{ADDRESS}:{plain_port}", ca, arguments.ready_file)
    await stopping.wait()
    await asyncio.gather(secure.cleanup(), plain.cleanup())


def _make_certificate(directory: Path) -> tuple[ssl.SSLContext, Path]:
    authority = trustme.CA(organization_name="Simulated tenant")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", ADDRESS).configure_cert(context)
    path = directory / "signin-ca.pem"
    authority.cert_pem.write_to_path(path)
    return context, path


async def _start(pages: web.Application, port: int, context: ssl.SSLContext | None) -> tuple[web.AppRunner, int]:
    runner = web.AppRunner(pages, access_log=None, shutdown_timeout=2)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, port, ssl_context=context).start()
    return runner, runner.addresses[0][1]


def _announce(service: SignIn, url: str, ca: Path, ready_file: Path | None) -> None:
    authority, identity = f"{service.origin}/{service.tenant}", f"{url}/msi/token"
    if ready_file is None:
        print(f"authority {authority}, certificate authority {ca}, managed identity {identity}", file=sys.stderr)
        return
    header = service.identity_header
    write_ready_file(
        ready_file, {"url": url, "authority": authority, "ca": str(ca), "msi": identity, "identityHeader": header}
    )


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.signin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the https side; 0 takes a free one")
    parser.add_argument("--ready-file", type=lambda text: Path(text).resolve())
    parser.add_argument("--token-secret", required=True, help="shared with the services that check the tokens")
    parser.add_argument("--tenant", required=True)
    parser.add_argument(
        "--clients", required=True, help="JSON {client id: {secret, certificates, managedIdentity}}, or a file of it"
    )
    parser.add_argument("--token-lifetime", type=float, default=3600, help="seconds")
    parser.add_argument("--identity-header", help="IDENTITY_HEADER of the managed identity endpoint (default: random)")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(serve(_read_arguments()))

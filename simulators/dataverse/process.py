"""The process: builds the organization, listens, writes the ready file, and stops on a signal."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import ssl
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import orjson
from aiohttp import web

from simulators.asked import Asked
from simulators.dataverse import dual_write
from simulators.dataverse.actuals import ActualRules
from simulators.dataverse.bulk import Bulk
from simulators.dataverse.control import Control
from simulators.dataverse.dispatch import Dispatcher
from simulators.dataverse.organization import found_organization, welcome_users
from simulators.dataverse.paging import Cookies
from simulators.dataverse.reads import Reader
from simulators.dataverse.schema import load_schema
from simulators.dataverse.service import Service, route_name
from simulators.dataverse.store import Store, new_id
from simulators.dataverse.switches import Switches
from simulators.dataverse.tenant import settle
from simulators.dataverse.webhooks.registration import enabled_steps
from simulators.dataverse.webhooks.rules import RegistrationRules
from simulators.dataverse.webhooks.sender import Sender
from simulators.dataverse.writes import Rows
from simulators.losses import Losses
from simulators.own_columns import read_columns
from simulators.tokens import TokenCheck

# Longer than any URL that the service accepts, so that the simulator can read a too long URL and refuse it as the
# service does.
LONGEST_LINE = 262_144
LARGEST_BODY = 128 * 1024 * 1024


def parse_arguments(arguments: Sequence[str] | None = None) -> Namespace:
    parser = ArgumentParser(prog="python -m simulators.dataverse", description="A simulated Dataverse organization.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-file", type=Path, required=True, help="written once connections are accepted")
    parser.add_argument("--token-secret", required=True, help="what the sign-in simulator signs tokens with")
    parser.add_argument("--data", type=Path, help="folder of the database; without it nothing is kept")
    parser.add_argument("--certificate", type=Path, help="PEM file with certificate and key; serves https with it")
    parser.add_argument("--clients", default="", help="client ids of application users, comma-separated; default: all")
    parser.add_argument("--administrators", default="", help="object ids of people who may register webhooks")
    parser.add_argument("--people", default="", help="object ids of other people")
    parser.add_argument("--columns", type=Path, help="columns of the tenant's own (simulators/own_columns.py)")
    return parser.parse_args(arguments)


async def serve(options: Namespace, folder: Path) -> None:
    """Run until SIGTERM or SIGINT."""
    listener = socket.create_server(("127.0.0.1", options.port), backlog=512)
    tls = _tls(options.certificate)
    origin = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    schema = load_schema(read_columns(options.columns))
    store = Store(schema, folder)
    organization_id = store.setting("organizationId", new_id)
    cookies = Cookies(store.setting("cookieSecret", lambda: secrets.token_hex(16)).encode())
    store.prepare(lambda writer: found_organization(writer, organization_id, "contoso"))
    switches = Switches()
    clients, administrators, people = (
        frozenset(filter(None, listed.split(",")))
        for listed in (options.clients, options.administrators, options.people)
    )
    members = clients | administrators | people if clients else None
    store.prepare(lambda writer: welcome_users(writer, clients, administrators | people))
    store.prepare(lambda writer: settle(writer, switches))
    store.prepare(lambda writer: dual_write.settle(writer, switches))
    reader = Reader(schema, cookies, switches)
    rows = Rows(schema, reader, ActualRules(switches), RegistrationRules(administrators))
    dispatcher = Dispatcher(schema, reader, rows, Bulk(schema, rows, switches), organization_id)
    sender = Sender(store, schema, switches, organization_id)
    sender.steps = store.prepare(lambda writer: enabled_steps(writer.connection, schema))
    store.tell, store.committed = sender.tell, sender.look
    service = Service(store, dispatcher, TokenCheck(options.token_secret, origin, members), switches)
    runner = web.AppRunner(
        _application(service, Control(store, service, switches, sender)),
        access_log=None,
        shutdown_timeout=2,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
    )
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=tls).start()
    _write_ready(options.ready_file, {"url": origin, "pid": os.getpid(), "organizationId": organization_id})
    logging.getLogger("simulators.dataverse").info("listening on %s, data in %s", origin, folder)
    await _signalled()
    await runner.cleanup()
    await sender.close()
    store.close()


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    if options.data:
        options.data.mkdir(parents=True, exist_ok=True)
        asyncio.run(serve(options, options.data))
        return
    with tempfile.TemporaryDirectory(prefix="dataverse-") as folder:
        asyncio.run(serve(options, Path(folder)))


def _tls(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _application(service: Service, control: Control) -> web.Application:
    losses, asked = Losses(route_name), Asked()
    application = web.Application(client_max_size=LARGEST_BODY, middlewares=[losses.pass_through, asked.pass_through])
    losses.add_routes(application.router)
    asked.add_routes(application.router)
    application.add_routes(control.routes())
    application.router.add_route("*", "/{path:.*}", service.handle)
    return application


def _write_ready(path: Path, content: dict[str, object]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_bytes(orjson.dumps(content))
    temporary.replace(path)


async def _signalled() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()

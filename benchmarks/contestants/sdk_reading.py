"""(d) The reading half by Microsoft's own SDK for Python: all pages of billed sales, with the lookups expanded.

The SDK refuses plain http when it is made, so it gets TLS: a forwarder on loopback with a certificate of its own stands
before the simulator. The next links name the simulator itself, and the SDK follows them there.
"""

import asyncio
import os
import ssl
import threading
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import trustme

from benchmarks.contestants.starting import Job, Work, compete
from benchmarks.reading import billed_options, issue_token
from shared.jobs.job import load_maps
from shared.project_operations.codes import ACTUALS


async def get_ready(job: Job) -> Work:
    """Start the forwarder and make the client."""
    folder = TemporaryDirectory()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{folder.name}/ca.pem")
    os.environ["REQUESTS_CA_BUNDLE"] = f"{folder.name}/ca.pem"
    address = _start_forwarder(authority, urlsplit(job["dataverse"]).port or 0)
    from PowerPlatform.Dataverse.client import DataverseClient  # noqa: PLC0415 - reads its settings when imported

    token = SimpleNamespace(token=issue_token(job, job["dataverse"]), expires_on=2**31)
    client = DataverseClient(address, SimpleNamespace(get_token=lambda *_, **__: token))
    table_map = load_maps()[ACTUALS]

    async def work() -> None:
        with folder:
            for invoice_id in job["invoices"]:
                await asyncio.to_thread(_read, client, billed_options(table_map, invoice_id))

    return work


def _read(client: Any, options: dict[str, str]) -> None:
    with client:
        pages = client.records.list_pages(
            "msdyn_actual",
            filter=options["$filter"],
            select=options["$select"].split(","),
            expand=list(_split(options["$expand"])),
            page_size=5000,
        )
        rows = sum(len(list(page)) for page in pages)
    if not rows:
        raise RuntimeError("the SDK read nothing")


def _split(expand: str) -> Iterator[str]:
    """The parts of an `$expand`; commas inside brackets belong to a part."""
    depth, part = 0, ""
    for letter in expand:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            yield part
            part = ""
        else:
            part += letter
    yield part


def _start_forwarder(authority: trustme.CA, port: int) -> str:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    started: list[int] = []
    ready = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(lambda r, w: _forward(r, w, port), "127.0.0.1", 0, ssl=context)
        started.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    ready.wait()
    return f"https://localhost:{started[0]}"


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    onward, answers = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pipe(reader, answers), _pipe(onward, writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(65536):
        writer.write(content)
        await writer.drain()
    writer.close()


if __name__ == "__main__":
    compete(get_ready)

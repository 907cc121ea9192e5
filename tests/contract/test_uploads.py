"""A package goes to the place that Finance named, into real storage, and nowhere else."""

import asyncio
import io
import os
import random
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from shared.errors import Unavailable
from shared.services.finance import Upload
from simulators.azurite import ACCOUNT_KEYS, FINANCE_ACCOUNT, Azurite
from tests.contract.server import Reply, Server
from tests.contract.wiring import App

CONTAINER = "contract"


@pytest.fixture
async def storage(azurite: Azurite) -> AsyncIterator[BlobServiceClient]:
    """Finance's own account, where the app has no key."""
    async with BlobServiceClient.from_connection_string(azurite.connection_string(FINANCE_ACCOUNT)) as service:
        if not await service.get_container_client(CONTAINER).exists():
            await service.create_container(CONTAINER)
        yield service


def place(
    storage: BlobServiceClient, *, good_for: timedelta, permissions: str = "rw", now: datetime | None = None
) -> Upload:
    now = now or datetime.now(UTC)
    name = f"{uuid4()}.zip"
    expires = now + good_for
    signature = generate_blob_sas(
        FINANCE_ACCOUNT,
        CONTAINER,
        name,
        account_key=ACCOUNT_KEYS[FINANCE_ACCOUNT],
        permission=BlobSasPermissions.from_string(permissions),
        start=now - timedelta(hours=2),
        expiry=expires,
    )
    return Upload(f"{storage.url.rstrip('/')}/{CONTAINER}/{name}?{signature}", expires)


async def read(storage: BlobServiceClient, upload: Upload) -> bytes:
    name = upload.url.partition("?")[0].rpartition("/")[2]
    stream = await storage.get_blob_client(CONTAINER, name).download_blob()
    return await stream.readall()


async def test_a_package_arrives_byte_for_byte(app: App, storage: BlobServiceClient) -> None:
    content = random.randbytes(3_000_000)  # noqa: S311 - bytes that do not repeat, no secret
    upload = place(storage, good_for=timedelta(minutes=30))
    await app.finance.upload(upload, io.BytesIO(content))
    assert await read(storage, upload) == content


@pytest.mark.parametrize("rolled", [False, True], ids=["in memory", "on disk"])
async def test_a_spooled_package_arrives_whole(app: App, storage: BlobServiceClient, rolled: bool) -> None:
    with tempfile.SpooledTemporaryFile(max_size=1000) as package:
        package.write(b"x" * (5000 if rolled else 500))
        package.seek(0)
        upload = place(storage, good_for=timedelta(minutes=30))
        await app.finance.upload(upload, package)
    assert await read(storage, upload) == b"x" * (5000 if rolled else 500)


async def test_a_package_may_be_written_again_to_the_same_place(app: App, storage: BlobServiceClient) -> None:
    upload = place(storage, good_for=timedelta(minutes=30))
    await app.finance.upload(upload, io.BytesIO(b"first"))
    await app.finance.upload(upload, io.BytesIO(b"second"))
    assert await read(storage, upload) == b"second"


@pytest.mark.parametrize(
    ("good_for", "permissions"),
    [(timedelta(minutes=-1), "rw"), (timedelta(minutes=30), "r")],
    ids=["expired", "to read"],
)
async def test_a_place_that_may_not_be_written_to_is_unavailable(
    app: App, storage: BlobServiceClient, good_for: timedelta, permissions: str
) -> None:
    upload = place(storage, good_for=good_for, permissions=permissions)
    with pytest.raises(Unavailable, match="HTTP 403") as caught:
        await app.finance.upload(upload, io.BytesIO(b"x"))
    assert "sig=" not in str(caught.value)


async def test_an_upload_is_one_put_of_a_block_blob_without_our_token(app: App, server: Server) -> None:
    server.script(Reply(201, b"", {"ETag": '"1"', "Last-Modified": "Fri, 20 Nov 2026 14:02:10 GMT"}))
    target = "/financedmf/dmf/relay-actuals-1.zip?sv=2014-02-14&sr=b&sig=a%2Bb%3D&se=2026-11-20T14%3A32%3A10Z&sp=rw"
    await app.finance.upload(Upload(server.url + target, datetime.now(UTC)), io.BytesIO(b"package"))
    [request] = server.received
    assert (request.method, request.body) == ("PUT", b"package")
    assert request.target.partition("?")[0] == target.partition("?")[0]
    assert parse_qsl(urlsplit(request.target).query) == parse_qsl(urlsplit(target).query)
    assert request.header("x-ms-blob-type") == "BlockBlob"
    assert request.header("Content-Length") == "7"
    assert request.header("Authorization") is None
    assert request.header("If-None-Match") is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_takes_no_package_elsewhere(app: App, server: Server, elsewhere: Server, status: int) -> None:
    server.script(Reply(status, b"", {"Location": f"{elsewhere.url}/dmf/x.zip"}))
    with pytest.raises(Unavailable):
        await app.finance.upload(
            Upload(f"{server.url}/financedmf/dmf/x.zip?sig=a", datetime.now(UTC)), io.BytesIO(b"figures")
        )
    assert len(server.received) == 1


async def test_storage_that_is_away_is_unavailable_soon(app: App) -> None:
    # A worker that waits minutes for storage holds its message and its lease; the queue is where waiting is done.
    upload = Upload("http://127.0.0.1:9/financedmf/dmf/x.zip?sig=a", datetime.now(UTC))
    async with asyncio.timeout(20):
        with pytest.raises(Unavailable):
            await app.finance.upload(upload, io.BytesIO(b"x"))


async def test_a_large_package_goes_in_blocks_and_memory_does_not_grow_with_it(
    app: App, storage: BlobServiceClient
) -> None:
    size = 70 * 1024 * 1024
    with tempfile.TemporaryFile() as package:
        os.truncate(package.fileno(), size)
        upload = place(storage, good_for=timedelta(minutes=30))
        await app.finance.upload(upload, package)
    name = upload.url.partition("?")[0].rpartition("/")[2]
    blob = storage.get_blob_client(CONTAINER, name)
    assert (await blob.get_blob_properties()).size == size
    committed, _ = await blob.get_block_list("committed")
    assert len(committed) > 1

"""(b) `$batch` of 100 rows with 16 in flight. Header and connections, which OData does not take, go in packages."""

import asyncio
from collections.abc import Sequence
from itertools import batched

from benchmarks.contestants.entities import PATH, bodies
from benchmarks.contestants.packages import ImportWentWrong
from benchmarks.contestants.rows import Sender, actuals_of, connections_of, open_sender
from benchmarks.contestants.starting import Job, Work, compete
from shared.project_operations.codes import CONNECTIONS, INVOICES

_ROWS, _IN_FLIGHT = 100, 16
_BOUNDARY = "batch_relay"


async def get_ready(job: Job) -> Work:
    """Open the session."""
    sender = open_sender(job)

    async def work() -> None:
        for copy in await sender.read():
            await sender.send(INVOICES, [copy.header])
            await _send_all(sender, actuals_of(copy))
            await sender.send(CONNECTIONS, connections_of(copy))
        await sender.session.close()

    return work


async def _send_all(sender: Sender, rows: list[list[str]]) -> None:
    slots = asyncio.Semaphore(_IN_FLIGHT)

    async def send(some: Sequence[bytes]) -> None:
        async with slots:
            await _post(sender, some)

    await asyncio.gather(*(send(some) for some in batched(await bodies(sender, rows), _ROWS, strict=False)))


async def _post(sender: Sender, some: Sequence[bytes]) -> None:
    url = f"{sender.client.origin}{PATH}"
    head = (
        f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"POST {url} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"
    ).encode()
    content = b"".join(head + body + b"\r\n" for body in some) + f"--{_BOUNDARY}--\r\n".encode()
    headers = {
        "Authorization": f"Bearer {sender.client.token}",
        "Content-Type": f"multipart/mixed; boundary={_BOUNDARY}",
    }
    async with sender.session.post(f"{sender.client.origin}/data/$batch", data=content, headers=headers) as answer:
        answer.raise_for_status()
        taken = (await answer.read()).count(b"HTTP/1.1 201")
    if taken != len(some):
        raise ImportWentWrong(f"{len(some) - taken} of {len(some)} rows of a batch were refused")


if __name__ == "__main__":
    compete(get_ready)

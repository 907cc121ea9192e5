"""What readers were answered before they had to leave off, in a blob each, so that any process can go on from there.

They hold customers' figures as landed parts do, lie in the same container beside the parts of the same invoice, and are
deleted with them.
"""

import json
from datetime import datetime, timedelta

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient

from shared.services.answers import Reply

KEPT_FOR = timedelta(minutes=20)
"""Older answers are asked for again."""


class KeptAnswers:
    """The answers of readers by name; a name begins with the id of an invoice or a job."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def save(self, name: str, answers: list[tuple[str, Reply]]) -> None:
        """Keep answers in place of those kept before."""
        pieces = []
        for request, reply in answers:
            head = {
                "request": request,
                "status": reply.status,
                "type": reply.headers.get("Content-Type", ""),
                "size": len(reply.body),
            }
            pieces += [json.dumps(head).encode(), b"\n", reply.body]
        await self._container.upload_blob(name, b"".join(pieces), overwrite=True)

    async def load(self, name: str, now: datetime) -> list[tuple[str, Reply]]:
        """The answers that were kept lately, none where there are none."""
        try:
            stream = await self._container.download_blob(name)
        except ResourceNotFoundError:
            return []
        if now - stream.properties.last_modified > KEPT_FOR:
            return []
        return _read(await stream.readall())

    async def delete(self, name: str) -> None:
        """Forget what was kept."""
        try:
            await self._container.delete_blob(name)
        except ResourceNotFoundError:
            return


def _read(content: bytes) -> list[tuple[str, Reply]]:
    answers, start = [], 0
    while start < len(content):
        end = content.index(b"\n", start)
        head = json.loads(content[start:end])
        start = end + 1 + head["size"]
        headers = {"Content-Type": head["type"]} if head["type"] else {}
        answers.append((head["request"], Reply(head["status"], headers, content[end + 1 : start])))
    return answers

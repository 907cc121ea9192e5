"""Answers that a reader got before it was throttled, one blob per reader, so that any process can continue from there.

They contain customers' figures, like landed parts. They are in the same container under the id of the same subject and
are deleted together with its parts.
"""

import json
from datetime import datetime, timedelta

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient

from shared.services.answers import Reply

KEPT_FOR = timedelta(minutes=20)
"""Older answers are requested again."""


class KeptAnswers:
    """The answers of readers by name. A name begins with the id of a subject or of a job."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def save(self, name: str, answers: list[tuple[str, Reply]]) -> None:
        """Store the answers, replacing those stored before."""
        pieces = []
        for request, reply in answers:
            head = {
                "request": request,
                "status": reply.status,
                "type": reply.headers.get("Content-Type", ""),
                "size": len(reply.body),
            }
            # Bodies are stored as bytes between the heads: as JSON text they would need escaping.
            pieces += [json.dumps(head).encode(), b"\n", reply.body]
        await self._container.upload_blob(name, b"".join(pieces), overwrite=True)

    async def load(self, name: str, now: datetime) -> list[tuple[str, Reply]]:
        """The stored answers, or none if they are too old."""
        try:
            stream = await self._container.download_blob(name)
        except ResourceNotFoundError:
            return []
        if now - stream.properties.last_modified > KEPT_FOR:
            return []
        return _read(await stream.readall())

    async def delete(self, name: str) -> None:
        """Delete the stored answers. Idempotent."""
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

"""What was asked over HTTP and what the app answered, kept in a file, so that it can be held against the app's API."""

import json
import os
from pathlib import Path

from aiohttp import web


class Exchanges:
    """Adds one JSON object a line for each request; several hosts may share the file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def keep(self, request: web.Request, body: bytes, response: web.StreamResponse) -> None:
        """Note a request and its answer; of an answer only JSON."""
        answer = response.body if isinstance(response, web.Response) else b""
        is_json = response.content_type == "application/json" and isinstance(answer, bytes)
        line = {
            "method": request.method,
            "path": request.rel_url.raw_path,
            "status": response.status,
            "body": body.decode("utf-8", "replace"),
            "answer": bytes(answer).decode("utf-8", "replace") if is_json and isinstance(answer, bytes) else "",
        }
        # One write: the lines of several hosts do not mix.
        os.write(self._file, json.dumps(line).encode() + b"\n")

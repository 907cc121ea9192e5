"""A small real HTTP server with the app's operator endpoints. A test tells it what to answer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.openapi import Exchange, path_of, status_of

KEY = "operators-key-0123456789"


class FakeApp:
    """Answers by "METHOD /path"; a list of answers is given out one by one, its last one for ever after.

    An answer is a JSON document, or (status, headers, bytes). Requests with the wrong key get an empty 401.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[tuple[str, dict[str, list[str]], Any]] = []
        self.exchanges: list[Exchange] = []
        self.is_another = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def asked(self, route: str) -> list[Any]:
        """What was sent to a route: the query of each GET, the body of each POST."""
        return [body if route.startswith("POST") else query for path, query, body in self.requests if path == route]

    def answer(self, route: str) -> tuple[int, dict[str, str], bytes]:
        """The next answer of a route."""
        given = self.answers.get(route)
        if isinstance(given, list):
            given = given.pop(0) if len(given) > 1 else given[0]
        if given is None:
            return 404, {}, b""
        if isinstance(given, tuple):
            return given
        return status_of(route), {"Content-Type": "application/json"}, json.dumps(given).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                route = f"{self.command} {parts.path}"
                app.requests.append((route, parse_qs(parts.query), json.loads(content) if content else None))
                allowed = self.headers.get("x-functions-key") == KEY
                status, headers, body = app.answer(route) if allowed else (401, {}, b"")
                app.exchanges.append(Exchange(self.command, path_of(self.path), status, body, body=content))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = _serve  # noqa: N815 - the name that http.server calls
            do_POST = _serve  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server has
                """Say nothing."""

        return Handler


def error(status: int, code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    """An error as the app words it."""
    return status, {}, json.dumps({"error": {"code": code, "message": message}}).encode()

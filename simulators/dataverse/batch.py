"""`$batch`: many requests in one body."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from simulators.dataverse.calls import Call, Reply
from simulators.dataverse.errors import ServiceError
from simulators.dataverse.store import Writer, new_id

MAX_REQUESTS = 1_000
MAX_URL = 65_536
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_REFERENCE = re.compile(rb"\$(\d+)(?=[/\"?)]|$)")
_ROOT = re.compile(r"^(?:https?://[^/]+)?(?:/api/data/v[\d.]+/)?/?")

type Answer = Callable[[Writer, Call], Reply]


@dataclass(frozen=True)
class _Part:
    headers: dict[str, str]
    content: bytes


@dataclass
class Batch:
    """Runs the parts in order. `answer` answers one of them and raises ServiceError for what is refused."""

    answer: Answer
    count: int = 0
    created: dict[bytes, str] = field(default_factory=dict)

    def run(self, writer: Writer, call: Call) -> Reply:
        """Answer the batch; it stops at the first error unless the caller prefers to continue."""
        boundary = f"batchresponse_{new_id()}"
        goes_on = "odata.continue-on-error" in call.preferences
        status, chunks = 200, list[bytes]()
        for part in _parts(call.body, _boundary(call.headers.get("content-type", ""))):
            failed, chunk = self._part(writer, call, part)
            chunks.append(f"--{boundary}\r\n".encode() + chunk)
            if failed and not goes_on:
                status = failed
                break
        body = b"".join(chunks) + f"--{boundary}--\r\n".encode()
        return Reply(status, body, {"OData-Version": "4.0"}, f"multipart/mixed; boundary={boundary}")

    def _part(self, writer: Writer, call: Call, part: _Part) -> tuple[int, bytes]:
        """Return the status of a failure (0: none) and the answer's part."""
        kind = part.headers.get("content-type", "")
        if kind.lower().startswith("multipart/mixed"):
            return self._change_set(writer, call, part)
        try:
            with writer.savepoint():
                reply = self.answer(writer, self._inner(call, part))
        except ServiceError as error:
            reply = _refusal(error)
        return reply.status if reply.status >= 400 else 0, _http_part(reply, "")

    def _change_set(self, writer: Writer, call: Call, part: _Part) -> tuple[int, bytes]:
        """Atomic: if one part fails, only that failure is answered, without the other parts."""
        boundary, chunks = f"changesetresponse_{new_id()}", list[bytes]()
        try:
            with writer.savepoint():
                for inner in _parts(part.content, _boundary(part.headers["content-type"])):
                    content_id = inner.headers.get("content-id", "")
                    request = self._inner(call, inner)
                    _check_change(request)
                    reply = self.answer(writer, request)
                    if content_id and "OData-EntityId" in reply.headers:
                        self.created[content_id.encode()] = reply.headers["OData-EntityId"]
                    chunks.append(f"--{boundary}\r\n".encode() + _http_part(reply, content_id))
        except ServiceError as error:
            self.created.clear()
            return error.status, _http_part(_refusal(error), "")
        body = b"".join(chunks) + f"--{boundary}--\r\n".encode()
        return 0, f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + body

    def _inner(self, call: Call, part: _Part) -> Call:
        self.count += 1
        if self.count > MAX_REQUESTS:
            raise ServiceError(400, "0x80060888", f"The batch holds more than the maximum of {MAX_REQUESTS} requests.")
        head, _, body = _split(part.content)
        line, *lines = head.decode("utf-8").splitlines() or [""]
        # The service takes addresses with spaces in a part; Microsoft's own SDK for Python sends them so.
        method, _, rest = line.partition(" ")
        address, _, version = rest.rpartition(" ")
        if not address or not version.startswith("HTTP/"):
            raise ServiceError(400, "0x80060888", f"The request line '{line}' of a batch part is not valid.")
        if len(address) > MAX_URL:
            raise ServiceError(414, "0x80060888", f"The request URI is longer than {MAX_URL} characters.")
        url = self._resolved(address.encode()).decode()
        path, _, query = _ROOT.sub("", url, count=1).partition("?")
        if path.strip("/") == "$batch":
            raise ServiceError(400, "0x80060888", "A batch cannot hold another batch.")
        return Call(method, path, query, _headers(lines), self._resolved(body.strip()), call.user, call.prefix)

    def _resolved(self, text: bytes) -> bytes:
        """Replace `$1` and the like by the rows that earlier parts created."""

        def row(match: re.Match[bytes]) -> bytes:
            if match[1] not in self.created:
                number = match[1].decode()
                raise ServiceError(
                    400, "0x80060888", f"Content-ID Reference: '${number}' does not exist in the batch context."
                )
            return self.created[match[1]].encode()

        return _REFERENCE.sub(row, text)


def _boundary(content_type: str) -> bytes:
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise ServiceError(400, "0x80060888", "The content type of a batch needs a boundary.")
    return (match[1] or match[2]).encode()


def _parts(body: bytes, boundary: bytes) -> Iterator[_Part]:
    pieces = re.split(rb"(?:^|\r?\n)--" + re.escape(boundary), body)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        head, _, content = _split(piece.lstrip(b" \t").removeprefix(b"\r").removeprefix(b"\n"))
        yield _Part(_headers(head.decode("utf-8").splitlines()), content)


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Return head and body around the first empty line; CRLF and LF both end lines."""
    match = re.search(rb"\r?\n\r?\n", text)
    return (text[: match.start()], match[0], text[match.end() :]) if match else (text, b"", b"")


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _check_change(request: Call) -> None:
    if request.method == "GET":
        raise ServiceError(400, "0x80060888", "A change set cannot hold a GET request.")


def _refusal(error: ServiceError) -> Reply:
    return Reply(error.status, error.body(), {"REQ_ID": new_id(), **error.headers})


def _http_part(reply: Reply, content_id: str) -> bytes:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id:
        lines.append(f"Content-ID: {content_id}")
    lines += ["", f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    if reply.body:
        lines.append(f"Content-Type: {reply.content_type}")
    lines += [f"{name}: {value}" for name, value in ({"OData-Version": "4.0"} | reply.headers).items()]
    return "\r\n".join([*lines, "", ""]).encode() + reply.body + b"\r\n"

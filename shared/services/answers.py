"""Classifies the answers of both services, for every verb.

ok                an answer with success, in the expected form
refused           an error in the service's own form: the request was understood, and a retry gets the same answer
throttled         the service asks to wait
not let in        a 401, or a 403 that concerns the caller
not permitted     a 403 that concerns one table, entity set or action
no usable answer  anything else: a page instead of JSON, a redirect to the sign-in page, an empty, cut-off or mixed
                  body, a server error. It did not come from a working service: wait and retry

Codes and forms decide. The text of a message is for people only, because it is in the language of the app's user.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

from shared.errors import Unavailable
from shared.services.json_rows import cut

_LONGEST_TEXT = 2000
_LONGEST_QUOTE = 80
_PLACE = re.compile(r"/(?P<last>[^/(]+)(\([^/]*\))?$")
_NAMESPACES = ("Microsoft.Dynamics.CRM.", "Microsoft.Dynamics.DataEntities.")


class Expected(Enum):
    """The form of a good answer."""

    JSON = auto()
    NUMBER = auto()
    PARTS = auto()
    """The answers to the requests of a batch."""
    NOTHING = auto()


@dataclass(frozen=True)
class Asked:
    """The request: the verb, the path without its query, and the form of a good answer."""

    verb: str
    path: str
    expected: Expected = Expected.JSON

    @property
    def place(self) -> str:
        """The table, entity set or action that the request addresses."""
        found = _PLACE.search(self.path.removesuffix("/$count"))
        last = found["last"] if found else self.path
        if found and last.startswith(_NAMESPACES[0]):
            return Asked(self.verb, self.path[: found.start("last")].rstrip("/")).place
        return last.removeprefix(_NAMESPACES[1])


@dataclass(frozen=True)
class Reply:
    """The answer: a whole HTTP response, or the part of a batch response for one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class About(Enum):
    """Whether a 403 concerns the caller or what was requested."""

    CALLER = auto()
    PLACE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Form:
    """One form of error body: where its text and its code are in the JSON, and what a 403 in this form concerns."""

    text: tuple[str, ...]
    code: tuple[str, ...] = ()
    about: About = About.UNKNOWN


@dataclass(frozen=True)
class Forms:
    """The error responses of a service: their forms, the most specific first, and codes that decide more than the
    status.

    `passing` codes are transient, whatever the status. `throttling` codes ask to wait. A 403 with one of the `caller`
    codes concerns the caller, with one of the `place` codes what was requested. `whoami` is a path that every admitted
    caller may read.
    """

    forms: tuple[Form, ...]
    whoami: str
    passing: frozenset[str] = frozenset()
    throttling: frozenset[str] = frozenset()
    caller: frozenset[str] = frozenset()
    place: frozenset[str] = frozenset()


DATAVERSE = Forms(
    forms=(Form(("error", "message"), ("error", "code")), Form(("Message",), ("ErrorCode",))),
    whoami="/api/data/v9.2/WhoAmI",
    # SQL deadlock, SQL timeout.
    passing=frozenset({"0x80044150", "0x80044151"}),
    # Over the service protection limits: requests, execution time, concurrency.
    throttling=frozenset({"0x80072322", "0x80072321", "0x80072326"}),
    # The user is not a member of the organization, is disabled, has no role, or has no license.
    caller=frozenset({"0x80072560", "0x80040225", "0x80042f09", "0x80042f0a"}),
    # PrivilegeDenied.
    place=frozenset({"0x80040220"}),
)
"""Source: Microsoft, "Web API: handle errors", "Web service error codes", "Service protection API limits"."""

FINANCE = Forms(
    forms=(
        # X++ has run, so the caller was admitted. `code` is always empty.
        Form(("error", "innererror", "message"), ("error", "code"), About.PLACE),
        Form(("error", "message"), ("error", "code"), About.PLACE),
        Form(("odata.error", "message", "value"), ("odata.error", "code"), About.PLACE),
        # From ASP.NET Web API, which runs before X++: routing and authorization.
        Form(("Message",)),
    ),
    whoami="/data/DataManagementDefinitionGroups?$top=1&$select=Name",
)
"""Measured on live environments. Microsoft does not document these forms."""


@dataclass(frozen=True)
class Complaint:
    """The error that a service reports: its code (may be empty), its text, and what a 403 in this form concerns."""

    code: str
    text: str
    about: About = About.UNKNOWN


@dataclass(frozen=True)
class Throttling:
    """Wait as long as the Retry-After header says."""

    retry_after: str | None
    text: str


@dataclass(frozen=True)
class CallerRefused:
    """The caller is refused as such. With `doubtful`, it may concern this one request only."""

    text: str
    doubtful: bool = False


@dataclass(frozen=True)
class Forbidden:
    """The caller may not use this table, entity set or action."""

    code: str
    text: str


@dataclass(frozen=True)
class Refusal:
    """The request was understood and refused."""

    code: str
    text: str


@dataclass(frozen=True)
class Unusable:
    """An answer that says nothing about the request. `text` describes it."""

    text: str


@dataclass(frozen=True)
class Answer:
    """A good answer, judged by its headers and size. Reading its body raises Unavailable if the body turns out to be
    unusable."""

    service: str
    asked: Asked
    reply: Reply

    @property
    def body(self) -> bytes:
        """The raw body."""
        return self.reply.body

    def json(self) -> dict[str, Any]:
        """The body as an object, with exact decimals. Raises Unavailable."""
        value = self._parse(self.body)
        if not isinstance(value, dict):
            raise self.unusable("JSON that is not an object")
        if isinstance(value.get("error"), dict):
            raise self.unusable("an error object")
        return value

    def value(self) -> Any:
        """The return value of an action. Raises Unavailable."""
        body = self.json()
        if "value" not in body:
            raise self.unusable("an object without a value")
        return body["value"]

    def page(self) -> tuple[list[dict[str, Any]], str | None]:
        """The rows of an OData collection and the next link. Raises Unavailable."""
        rows, link = self.stream()
        return list(rows), link

    def stream(self) -> tuple[Iterator[dict[str, Any]], str | None]:
        """Like `page`, but each row is parsed only when it is requested. Raises Unavailable, also while iterating."""
        found = cut(self.body, self._parse)
        rows, body = found or (None, self.json())
        link, value = body.get("@odata.nextLink"), body.get("value")
        if not isinstance(value, list) or "error" in body or not (link is None or isinstance(link, str)):
            raise self.unusable("JSON that is not a page of rows")
        return self._checked(rows or iter(value)), link or None

    def number(self) -> int:
        """A count. Raises Unavailable."""
        try:
            return int(self.body.decode("utf-8-sig"))
        except ValueError:
            raise self.unusable("a count that is not a number") from None

    def unusable(self, what: str) -> Unavailable:
        """The error for an answer that cannot be used."""
        return Unavailable(self.service, came(self.service, self.asked, self.reply.status, what))

    def _parse(self, content: bytes) -> Any:
        try:
            return _EXACT.decode(content.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            what = describe(self.reply) if content is self.body else "cut-off or mixed JSON"
            raise self.unusable(what) from None

    def _checked(self, rows: Iterator[Any]) -> Iterator[dict[str, Any]]:
        for row in rows:
            if not isinstance(row, dict) or row.keys() == {"error"}:
                raise self.unusable("a page in which not every row is one")
            yield row


type Meaning = Answer | Throttling | CallerRefused | Forbidden | Refusal | Unusable


def judge(service: str, forms: Forms, asked: Asked, reply: Reply) -> Meaning:
    """Classify an answer."""
    if 200 <= reply.status < 300:
        is_good = _fits(asked.expected, reply)
        return (
            Answer(service, asked, reply) if is_good else Unusable(came(service, asked, reply.status, describe(reply)))
        )
    complaint = read(forms, reply.body)
    code, text = (complaint.code.lower(), complaint.text) if complaint else ("", "")
    if _asks_for_time(forms, reply, code):
        return Throttling(reply.headers.get("Retry-After"), text or f"HTTP {reply.status}")
    if reply.status == 401:
        return CallerRefused(f"HTTP 401: {text or reply.headers.get('WWW-Authenticate', 'no reason given')}")
    known = complaint if complaint and code not in forms.passing else None
    return _failure(forms, asked, reply.status, known) or _unusable(service, asked, reply, complaint)


def _failure(forms: Forms, asked: Asked, status: int, complaint: Complaint | None) -> Meaning | None:
    """The meaning of an error in one of the service's own forms."""
    if complaint is None:
        return None
    if status == 403:
        return _forbidden(forms, complaint)
    return Refusal(complaint.code, complaint.text) if _is_understood(asked, status) else None


def _unusable(service: str, asked: Asked, reply: Reply, complaint: Complaint | None) -> CallerRefused | Unusable:
    what = f"{complaint.code} {complaint.text[:200]}".strip() if complaint else describe(reply)
    text = came(service, asked, reply.status, what)
    return CallerRefused(text, doubtful=True) if reply.status == 403 else Unusable(text)


def read(forms: Forms, body: bytes) -> Complaint | None:
    """The error that a body reports, if it has one of the service's forms."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for form in forms.forms:
        code, text = _dig(value, form.code), _dig(value, form.text)
        if text or (code and isinstance(code, str)):
            return Complaint(str(code or ""), str(text or "")[:_LONGEST_TEXT], form.about)
    return None


def came(service: str, asked: Asked, status: int, what: str) -> str:
    """Which service answered what to which request, for an operator."""
    return f"{service} answered {status} with {what} to {asked.verb} {asked.path}"


def describe(reply: Reply) -> str:
    """Describe an unexpected answer, for an operator."""
    if location := reply.headers.get("Location"):
        # Host only: the rest of the link may contain a request to the sign-in service.
        return f"a redirect to {urlsplit(location).hostname or 'another page'}"
    start = reply.body.lstrip(b"\xef\xbb\xbf \r\n\t")
    if not start:
        return "an empty body"
    if "html" in _kind(reply) or start.startswith(b"<"):
        return "an HTML page"
    if start[:1] in {b"{", b"["}:
        return "JSON in another form, or cut off"
    return f"text that is not JSON: {start[:_LONGEST_QUOTE]!r}"


def _fits(expected: Expected, reply: Reply) -> bool:
    kind, is_empty = _kind(reply), not reply.body.strip()
    if expected is Expected.NOTHING:
        return is_empty or _is_plain_object(kind, reply.body)
    if expected is Expected.PARTS:
        return kind.startswith("multipart/")
    if expected is Expected.NUMBER:
        return not is_empty and "html" not in kind
    return not is_empty and (not kind or "json" in kind)


def _kind(reply: Reply) -> str:
    return reply.headers.get("Content-Type", "").lower()


def _is_plain_object(kind: str, body: bytes) -> bool:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return "html" not in kind and isinstance(value, dict) and "error" not in value


def _asks_for_time(forms: Forms, reply: Reply, code: str) -> bool:
    return reply.status == 429 or (reply.status == 503 and "Retry-After" in reply.headers) or code in forms.throttling


def _forbidden(forms: Forms, complaint: Complaint) -> CallerRefused | Forbidden:
    code = complaint.code.lower()
    text = f"HTTP 403{f' {complaint.code}' if code else ''}: {complaint.text}"
    if code in forms.caller:
        return CallerRefused(text)
    if code in forms.place or complaint.about is About.PLACE:
        return Forbidden(complaint.code, complaint.text)
    return CallerRefused(text, doubtful=True)


def _is_understood(asked: Asked, status: int) -> bool:
    """Whether an error form with this status means that the request was understood and refused.

    X++ and plug-ins refuse a write with a 500 too. A read that ends in a 500 is retried, because its answer is unknown.
    """
    if status == 500:
        return asked.verb != "GET"
    return (400 <= status < 500 and status != 408) or status == 501


def _dig(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if path and isinstance(value, str | int) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


# Amounts must not become binary floats: 1234567890.1234 has no exact binary form.
_EXACT = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)

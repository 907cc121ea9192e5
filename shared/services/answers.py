"""What an answer means: decided here alone, for every verb and both services.

ok                an answer with success, in the form that was asked for
refused           the service's own error form, to a request that it understood: asking again gets the same answer
throttled         the service asks for time
not let in        a 401, or a 403 about the caller as such
not permitted     a 403 about one table, entity set or action
no usable answer  anything else: a page instead of JSON, a redirect to the sign-in page, an empty, cut-off or mixed
                  body, a server error. Whatever answered, it was not the service in its senses: wait, and ask again

Codes and forms decide. The words of a message are for people only: they come in the language of the app's user.
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
    """What was asked: the verb, the path without its query, and the form of a good answer."""

    verb: str
    path: str
    expected: Expected = Expected.JSON

    @property
    def place(self) -> str:
        """The table, entity set or action that it is about."""
        found = _PLACE.search(self.path.removesuffix("/$count"))
        last = found["last"] if found else self.path
        if last.startswith(_NAMESPACES[0]):
            return Asked(self.verb, self.path.removesuffix(f"/{last}")).place
        return last.removeprefix(_NAMESPACES[1])


@dataclass(frozen=True)
class Reply:
    """What came: the whole of an answer, or the part of a batch that stands for one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class About(Enum):
    """Whom a 403 is about."""

    CALLER = auto()
    PLACE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Form:
    """One form in which a service says no: where its text and its code stand in the JSON, and whom a 403 is about."""

    text: tuple[str, ...]
    code: tuple[str, ...] = ()
    about: About = About.UNKNOWN


@dataclass(frozen=True)
class Forms:
    """How a service says no: its forms, the most telling first, and the codes that say more than their status.

    `passing` codes are of the moment, whatever the status. `throttling` codes ask for time. A 403 with one of `caller`
    is about the caller as such, with one of `place` about what was asked for. `whoami` is a path that everybody may
    read whom the service lets in.
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
    # SQL deadlock, SQL time-out.
    passing=frozenset({"0x80044150", "0x80044151"}),
    # Requests, execution time and concurrency beyond the service protection limits.
    throttling=frozenset({"0x80072322", "0x80072321", "0x80072326"}),
    # No member of the organization, disabled, without any role, without a license.
    caller=frozenset({"0x80072560", "0x80040225", "0x80042f09", "0x80042f0a"}),
    # PrivilegeDenied.
    place=frozenset({"0x80040220"}),
)
"""Microsoft's "Web API: handle errors", "Web service error codes", "Service protection API limits"."""

FINANCE = Forms(
    forms=(
        # X++ has run, so the caller as such was let in. `code` is always empty.
        Form(("error", "innererror", "message"), ("error", "code"), About.PLACE),
        Form(("error", "message"), ("error", "code"), About.PLACE),
        Form(("odata.error", "message", "value"), ("odata.error", "code"), About.PLACE),
        # Web API's own, of what stands before X++: routing and authorization.
        Form(("Message",)),
    ),
    whoami="/data/DataManagementDefinitionGroups?$top=1",
)
"""As measured on live environments; Microsoft documents none of it."""


@dataclass(frozen=True)
class Complaint:
    """What a service says is wrong: its code (may be empty), its text, and whom a 403 in this form is about."""

    code: str
    text: str
    about: About = About.UNKNOWN


@dataclass(frozen=True)
class Throttling:
    """Wait as long as the Retry-After header says."""

    retry_after: str | None
    text: str


@dataclass(frozen=True)
class Shut:
    """The caller as such is not let in; with `doubtful`, it may be about this one request only."""

    text: str
    doubtful: bool = False


@dataclass(frozen=True)
class Forbidden:
    """This table, entity set or action is not for the caller."""

    code: str
    text: str


@dataclass(frozen=True)
class Refusal:
    """A plain no."""

    code: str
    text: str


@dataclass(frozen=True)
class Unusable:
    """No answer that says anything; `text` tells what came."""

    text: str


@dataclass(frozen=True)
class Answer:
    """A good answer, as far as its head and size tell. Reading it raises Unavailable where its body tells otherwise."""

    service: str
    asked: Asked
    reply: Reply

    @property
    def body(self) -> bytes:
        """The bytes of it."""
        return self.reply.body

    def json(self) -> dict[str, Any]:
        """The body as an object, decimals exact. Raises Unavailable."""
        value = self._parse(self.body)
        if not isinstance(value, dict):
            raise self.unusable("JSON that is no object")
        if isinstance(value.get("error"), dict):
            raise self.unusable("an error object")
        return value

    def value(self) -> Any:
        """What an action returns. Raises Unavailable."""
        body = self.json()
        if "value" not in body:
            raise self.unusable("an object without a value")
        return body["value"]

    def page(self) -> tuple[list[dict[str, Any]], str | None]:
        """The rows of an OData collection, and the link to the next ones. Raises Unavailable."""
        rows, link = self.stream()
        return list(rows), link

    def stream(self) -> tuple[Iterator[dict[str, Any]], str | None]:
        """As `page`, but each row is made only when it is asked for. Raises Unavailable, also while iterating."""
        found = cut(self.body, self._parse)
        rows, body = found or (None, self.json())
        link, value = body.get("@odata.nextLink"), body.get("value")
        if not isinstance(value, list) or "error" in body or not (link is None or isinstance(link, str)):
            raise self.unusable("JSON that is no page of rows")
        return self._checked(rows or iter(value)), link or None

    def number(self) -> int:
        """A count. Raises Unavailable."""
        try:
            return int(self.body.decode("utf-8-sig"))
        except ValueError:
            raise self.unusable("a count that is no number") from None

    def unusable(self, what: str) -> Unavailable:
        """The error that stands for an answer of which nothing is taken."""
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


type Meaning = Answer | Throttling | Shut | Forbidden | Refusal | Unusable


def judge(service: str, forms: Forms, asked: Asked, reply: Reply) -> Meaning:
    """What an answer means."""
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
        return Shut(f"HTTP 401: {text or reply.headers.get('WWW-Authenticate', 'no reason given')}")
    known = complaint if complaint and code not in forms.passing else None
    return _failure(forms, asked, reply.status, known) or _unusable(service, asked, reply, complaint)


def _failure(forms: Forms, asked: Asked, status: int, complaint: Complaint | None) -> Meaning | None:
    """What a service says in a form of its own."""
    if complaint is None:
        return None
    if status == 403:
        return _forbidden(forms, complaint)
    return Refusal(complaint.code, complaint.text) if _is_understood(asked, status) else None


def _unusable(service: str, asked: Asked, reply: Reply, complaint: Complaint | None) -> Shut | Unusable:
    what = f"{complaint.code} {complaint.text[:200]}".strip() if complaint else describe(reply)
    text = came(service, asked, reply.status, what)
    return Shut(text, doubtful=True) if reply.status == 403 else Unusable(text)


def read(forms: Forms, body: bytes) -> Complaint | None:
    """What a body says is wrong, if it does so in one of the service's forms."""
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
    """What came, and from where, as a person reads it."""
    return f"{service} answered {status} with {what} to {asked.verb} {asked.path}"


def describe(reply: Reply) -> str:
    """What came where something else was expected."""
    if location := reply.headers.get("Location"):
        # The rest of it may carry a request of the sign-in service.
        return f"a redirect to {urlsplit(location).hostname or 'another page'}"
    start = reply.body.lstrip(b"\xef\xbb\xbf \r\n\t")
    if not start:
        return "an empty body"
    if "html" in _kind(reply) or start.startswith(b"<"):
        return "an HTML page"
    if start[:1] in {b"{", b"["}:
        return "JSON in another form, or cut off"
    return f"text that is no JSON: {start[:_LONGEST_QUOTE]!r}"


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


def _forbidden(forms: Forms, complaint: Complaint) -> Shut | Forbidden:
    code = complaint.code.lower()
    text = f"HTTP 403{f' {complaint.code}' if code else ''}: {complaint.text}"
    if code in forms.caller:
        return Shut(text)
    if code in forms.place or complaint.about is About.PLACE:
        return Forbidden(complaint.code, complaint.text)
    return Shut(text, doubtful=True)


def _is_understood(asked: Asked, status: int) -> bool:
    """Whether an error form with this status is a plain no. A server error is one where something was to be done, since
    X++ and plug-ins say no that way; a question that ends so is asked again, for nothing about its answer is known."""
    if status == 500:
        return asked.verb != "GET"
    return (400 <= status < 500 and status != 408) or status == 501


def _dig(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if path and isinstance(value, str | int) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


_EXACT = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)

"""Unusable answers, from a gateway in front of a service or from a service that fails while answering.

page      a page of HTML with any status, as a gateway or a restarting server sends it; the work was not done
redirect  302 to the sign-in page; the work was not done
empty     the status without a body; the work was not done
cut       half of the body, with a matching length; the work was done
mixed     half of the body and then an error object, with a matching length; the work was done
error     an error object with the status; the work was done
shape     JSON of another shape; the work was done
"""

from dataclasses import dataclass, field

BEFORE = ("page", "redirect", "empty")
AFTER = ("cut", "mixed", "error", "shape")
FORMS = ("", *BEFORE, *AFTER)
_ERROR = b'{"error":{"code":"","message":"An error has occurred."}}'
_LOGIN = "https://login.microsoftonline.com/common/oauth2/authorize?client_id=00000015&state=AbCd"
_PAGE = b"<!DOCTYPE html>\r\n<html><head><title>Sign in or wait</title></head><body><h1>Please wait</h1></body></html>"


@dataclass(frozen=True)
class Told:
    """An answer as it is sent."""

    status: int
    body: bytes
    kind: str
    headers: dict[str, str] = field(default_factory=dict)


def instead(form: str, status: int) -> Told:
    """The replacement of an answer for a request whose work is not done."""
    if form == "redirect":
        return Told(302, _PAGE, "text/html", {"Location": _LOGIN})
    return Told(status, b"" if form == "empty" else _PAGE, "text/html" if form == "page" else "application/json")


def spoilt(form: str, status: int, body: bytes) -> Told:
    """The corrupted form of an answer."""
    kind = "application/json"
    if form in {"cut", "mixed"}:
        half = body[: max(1, len(body) // 2)]
        return Told(status, half + (_ERROR if form == "mixed" else b""), kind)
    return Told(status, _ERROR if form == "error" else b'{"status":"ok","items":[]}', kind)

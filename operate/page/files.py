"""The files of the page, read once, and their security headers."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# No exception for inline code or other hosts: the page shows texts of Finance and Dataverse, which may hold markup.
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "require-trusted-types-for": "'script'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    # Cached, but validated at each use, so that a deployment takes effect at once.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class File:
    """One file with its type and content."""

    content: bytes
    mimetype: str
    etag: str


def find(name: str) -> File | None:
    """The file of this name in the page's folder, or None."""
    return _files().get(name)


@cache
def _files() -> dict[str, File]:
    return {path.name: _read(path) for path in FOLDER.iterdir() if path.suffix in _TYPES}


def _read(path: Path) -> File:
    content = path.read_bytes()
    etag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    return File(content, _TYPES[path.suffix], etag)

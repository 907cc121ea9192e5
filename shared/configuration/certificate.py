"""The certificate that the app signs in with: PEM text, or a base64 PFX, the default form in Key Vault."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_CERTIFICATES = {"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"}
# A new certificate may be a few minutes ahead of this machine's clock.
_CLOCKS_DIFFER = timedelta(minutes=5)
_BAD = "must hold a certificate and its private key, as one PEM text or a base64 PFX without a password: "


@dataclass(frozen=True)
class Certificate:
    """A private key and its certificate, as PEM, and the time (UTC) during which it is valid."""

    private_key: str
    public_certificate: str
    begins: datetime
    ends: datetime

    def untimely(self, now: datetime) -> str | None:
        """The reason why Entra would refuse it now, or None."""
        if self.ends <= now:
            return f"expired on {self.ends:%Y-%m-%d %H:%M} UTC: put in the new one, and register it with the app"
        if self.begins - _CLOCKS_DIFFER > now:
            return f"is not valid before {self.begins:%Y-%m-%d %H:%M} UTC"
        return None


def read_certificate(text: str, now: datetime) -> Certificate:
    """Find the RSA key and its certificate, in any order and with any chain. If several certificates fit, the one
    that is valid at `now` for the longest time is taken. Raises ValueError. Its text never quotes a key."""
    keys, certificates = _from_pem(text) if "-----BEGIN" in text else _from_base64(text)
    if not keys:
        raise ValueError(_BAD + "there is no private key in it; the certificate alone proves nothing")
    if not certificates:
        raise ValueError(_BAD + "there is no certificate in it")
    key = _only_rsa(keys)
    fitting = [each for each in certificates if _fits(each, key)]
    if not fitting:
        raise ValueError(_BAD + "no certificate in it belongs to its private key")
    return _paired(key, max(fitting, key=lambda each: _worth(each, now)))


def _from_pem(text: str) -> tuple[list[PrivateKeyTypes], list[x509.Certificate]]:
    # A line break in an environment variable often arrives as the two characters \n.
    blocks = [(match[1], match[2]) for match in _BLOCK.finditer(text.replace("\\r", "").replace("\\n", "\n"))]
    keys = [_key(label, body) for label, body in blocks if label.endswith("PRIVATE KEY")]
    return keys, [_certificate(body) for label, body in blocks if label in _CERTIFICATES]


def _key(label: str, body: str) -> PrivateKeyTypes:
    if label.startswith("ENCRYPTED") or "ENCRYPTED" in body:
        raise ValueError(_BAD + "its private key is encrypted; export it without a password")
    try:
        return load_pem_private_key(_wrapped(label, body), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(_BAD + "its private key is damaged or cut off") from error


def _certificate(body: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_wrapped("CERTIFICATE", body))
    except ValueError as error:
        raise ValueError(_BAD + "a certificate in it is damaged or cut off") from error


def _wrapped(label: str, body: str) -> bytes:
    """A PEM block in lines of 64 characters. A single-line input field replaces the line breaks by blanks or removes
    them."""
    bare = "".join(body.split())
    lines = [bare[start : start + 64] for start in range(0, len(bare), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _from_base64(text: str) -> tuple[Sequence[PrivateKeyTypes], Sequence[x509.Certificate]]:
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(_BAD + "this is neither") from error
    if raw.lstrip().startswith(b"-----BEGIN") or b"-----BEGIN CERT" in raw:
        return _from_pem(raw.decode("utf-8", "replace"))
    try:
        found = pkcs12.load_pkcs12(raw, None)
    except UnsupportedAlgorithm as error:
        raise ValueError(_BAD + "this PFX is encrypted in an outdated way; export it again") from error
    except ValueError as error:
        reason = "this PFX has a password; export it without one" if "password" in str(error) else "this is neither"
        raise ValueError(_BAD + reason) from error
    own = [found.cert.certificate] if found.cert else []
    return [found.key] if found.key else [], [*own, *(each.certificate for each in found.additional_certs)]


def _only_rsa(keys: Iterable[PrivateKeyTypes]) -> RSAPrivateKey:
    found = [key for key in keys if isinstance(key, RSAPrivateKey)]
    if not found:
        raise ValueError(_BAD + "its private key is not an RSA key, and Entra and MSAL sign in with RSA only")
    if len(found) > 1:
        raise ValueError(_BAD + f"there are {len(found)} private keys in it; leave the one that is registered")
    return found[0]


def _fits(certificate: x509.Certificate, key: RSAPrivateKey) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        # A certificate of the chain has a key type that is not supported here.
        return False


def _worth(certificate: x509.Certificate, now: datetime) -> tuple[bool, datetime]:
    has_begun = certificate.not_valid_before_utc - _CLOCKS_DIFFER <= now
    return has_begun, certificate.not_valid_after_utc


def _paired(key: RSAPrivateKey, certificate: x509.Certificate) -> Certificate:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = certificate.public_bytes(Encoding.PEM).decode()
    return Certificate(private, public, certificate.not_valid_before_utc, certificate.not_valid_after_utc)

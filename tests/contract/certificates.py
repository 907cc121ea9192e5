"""Keys and certificates as a tenant's administrator makes them, in PEM."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes


def make_rsa(name: str = "relay", *, days: int = 1) -> tuple[str, str]:
    """An RSA key and its self-signed certificate, which is valid for some days from now."""
    return _make(rsa.generate_private_key(public_exponent=65537, key_size=2048), name, days)


def make_elliptic() -> tuple[str, str]:
    """An elliptic-curve key and its certificate, which Entra takes but MSAL cannot sign with."""
    return _make(ec.generate_private_key(ec.SECP256R1()), "relay", 1)


def _make(key: CertificateIssuerPrivateKeyTypes, common_name: str, days: int) -> tuple[str, str]:
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()

"""The storage account, given as a connection string, a name, or three addresses."""

import base64
import binascii
from urllib.parse import urlsplit

from shared.configuration.addresses import is_loopback, root, split_url

EMULATOR = "UseDevelopmentStorage=true"
_SERVICES = {"blob", "queue", "table", "dfs", "file", "web"}
_EMULATORS_ACCOUNT = "devstoreaccount1"
_ENDPOINTS = ("BlobEndpoint", "QueueEndpoint", "TableEndpoint")
# In lower case: the host accepts these names in any spelling.
_KNOWN = {
    name.lower(): name
    for name in (
        "AccountName", "AccountKey", "DefaultEndpointsProtocol", "EndpointSuffix", "SharedAccessSignature",
        *_ENDPOINTS, "FileEndpoint", "UseDevelopmentStorage", "DevelopmentStorageProxyUri",
        "BlobSecondaryEndpoint", "QueueSecondaryEndpoint", "TableSecondaryEndpoint", "FileSecondaryEndpoint",
    )
}  # fmt: skip
_FORM = "it must be the connection string from the account's page Access keys, or " + EMULATOR


def connection_string(text: str) -> str:
    """A connection string with blobs, queues and tables. Raises ValueError. Its text never quotes a key."""
    parts = _parts(text)
    if "UseDevelopmentStorage" in parts:
        return _emulator(parts)
    # With a SAS there is no account key to check.
    if "SharedAccessSignature" not in parts:
        _check_key(parts)
    _check_endpoints(parts)
    return ";".join(f"{name}={value}" for name, value in parts.items())


def account_of(text: str) -> str:
    """The account name in a valid connection string, or "" if it names none."""
    parts = _parts(text)
    if "UseDevelopmentStorage" in parts:
        return _EMULATORS_ACCOUNT
    return parts.get("AccountName") or account_at(parts.get("BlobEndpoint", ""))


def account_at(address: str) -> str:
    """The account name in an address, or "" if it contains none, for example with a custom domain."""
    parts = urlsplit(address)
    labels = (parts.hostname or "").split(".")
    # Azurite has the account in the path, Azure in the host name.
    if is_loopback(parts.hostname or ""):
        return parts.path.strip("/")
    return labels[0] if _SERVICES & set(labels[1:]) else ""


def blob_address(value: str) -> str:
    """The address of an account's blob service. Raises ValueError."""
    return _address(value, "blob")


def queue_address(value: str) -> str:
    """The address of an account's queue service. Raises ValueError."""
    return _address(value, "queue")


def table_address(value: str) -> str:
    """The address of an account's table service. Raises ValueError."""
    return _address(value, "table")


def managed_identity(value: str) -> str:
    """The only supported credential for storage without a connection string. Raises ValueError."""
    if value.lower() != "managedidentity":
        raise ValueError("must be managedidentity: the app enters its storage by no other identity")
    return "managedidentity"


def _address(value: str, service: str) -> str:
    parts = split_url(value, f"https://contoso.{service}.core.windows.net")
    if parts.username or parts.query or parts.fragment or (parts.path.strip("/") and not _is_here(parts.hostname)):
        raise ValueError("must be the address of the service alone: no container, signature or query")
    named = next((label for label in (parts.hostname or "").split(".")[1:] if label in _SERVICES), service)
    if named != service:
        raise ValueError(f"is the address of the account's {named} service, not of its {service} service")
    return root(parts) + parts.path.rstrip("/")


def _is_here(host: str | None) -> bool:
    return is_loopback(host or "")


def _parts(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    found: dict[str, str] = {}
    for name, equals, value in pairs:
        known = _KNOWN.get(name.strip().lower())
        if not equals or known is None:
            raise ValueError(f"is not a connection string: its part {_quoted(name)} is not known; {_FORM}")
        found[known] = value.strip()
    return found


def _quoted(name: str) -> str:
    """The name of a part. Text that is not a name may be a piece of a key and is not shown."""
    return repr(name.strip()) if name.strip().isalpha() and len(name) <= 40 else "before the first '=' or ';'"


def _emulator(parts: dict[str, str]) -> str:
    if parts["UseDevelopmentStorage"].lower() != "true" or parts.keys() - {"UseDevelopmentStorage"}:
        raise ValueError(f"the storage emulator of this machine is named {EMULATOR}, and nothing else")
    return EMULATOR


def _check_key(parts: dict[str, str]) -> None:
    missing = [name for name in ("AccountName", "AccountKey") if not parts.get(name)]
    if missing:
        raise ValueError(f"lacks {' and '.join(missing)}; {_FORM}")
    try:
        base64.b64decode(parts["AccountKey"], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"has an AccountKey that is cut off or changed (it is not base64); {_FORM}") from None


def _check_endpoints(parts: dict[str, str]) -> None:
    given = [name for name in _ENDPOINTS if parts.get(name)]
    if not parts.get("AccountName") and len(given) < len(_ENDPOINTS):
        missing = [name for name in _ENDPOINTS if name not in given]
        raise ValueError(f"lacks {' and '.join(missing)}: the app uses blobs, queues and tables")
    protocol = parts.get("DefaultEndpointsProtocol", "https").lower()
    if protocol not in {"https", "http"}:
        raise ValueError("has a DefaultEndpointsProtocol that is not https")
    if protocol == "http" and len(given) < len(_ENDPOINTS):
        raise ValueError("has DefaultEndpointsProtocol=http: an account in Azure is reached by https only")
    for name in given:
        _check_endpoint(name, parts[name], parts.get("AccountName", ""))


def _check_endpoint(name: str, address: str, account: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError(f"has a {name} that is not a URL")
    if parts.scheme == "http" and not is_loopback(parts.hostname) and account != _EMULATORS_ACCOUNT:
        raise ValueError(f"has a {name} that is not https")

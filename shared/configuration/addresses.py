"""Addresses of the services and of the sign-in service, normalized for use and comparison."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

_DATAVERSE = re.compile(r"\.crm\d*\.(dynamics\.(com|cn)|microsoftdynamics\.(us|de)|appsplatform\.us)$")
_FINANCE = re.compile(
    r"\.(operations(365)?|cloudax|axcloud|ax|fno)\.([a-z0-9-]+\.)*"
    r"(dynamics\.(com|cn|us)|microsoftdynamics\.us|appsplatform\.us)$"
)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_SIGN_IN_HOST = re.compile(
    r"login\.(microsoftonline\.(com|us|de)|microsoft\.com|windows\.net|partner\.microsoftonline\.cn|chinacloudapi\.cn)"
)
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.IGNORECASE)
# Client credentials need a tenant; these endpoints serve any tenant (the last one is the tenant of personal accounts).
_FOR_EVERYBODY = {"common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"}
_AUTHORITY = "must be https://login.microsoftonline.com/<tenant id>"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine. Only then may a URL be plain http."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def origin(value: str) -> str:
    """The origin of a service, in lower case and without its default port. Raises ValueError."""
    parts = split_url(value, "https://contoso.crm.dynamics.com")
    if parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be the service root alone: no user, path or query")
    return root(parts)


def split_url(value: str, example: str) -> SplitResult:
    """Split an https URL (http for this machine only). Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"must be a URL such as {example}")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https (plain http is accepted for this machine only)")
    if not _HOST.fullmatch(parts.hostname) and not is_loopback(parts.hostname):
        raise ValueError(f"{parts.hostname!r} is not a host name; it must be a URL such as {example}")
    return parts


def root(parts: SplitResult) -> str:
    """Scheme, host and port; the scheme's default port is omitted. Raises ValueError for a bad port."""
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    is_default = parts.port in {None, _DEFAULT_PORTS[parts.scheme]}
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{parts.port}"


def dataverse_origin(value: str) -> str:
    """The origin of a Dataverse environment. Raises ValueError, also for an address of Finance."""
    found = origin(value)
    if _FINANCE.search(urlsplit(found).hostname or ""):
        raise ValueError("names an environment of Finance; DATAVERSE_URL and FINANCE_URL may have changed places")
    return found


def finance_origin(value: str) -> str:
    """The origin of a Finance environment. Raises ValueError, also for an address of Dataverse."""
    found = origin(value)
    if _DATAVERSE.search(urlsplit(found).hostname or ""):
        raise ValueError("names an environment of Dataverse; DATAVERSE_URL and FINANCE_URL may have changed places")
    return found


def authority(value: str) -> str:
    """The authority of one tenant, from any of its endpoint addresses: `/v2.0`, `/oauth2/v2.0/token` and the like
    are removed, because MSAL adds them itself. Raises ValueError."""
    parts = urlsplit(value)
    tenant = next((step for step in parts.path.split("/") if step), "")
    if parts.scheme != "https" or not parts.hostname or not tenant or parts.username:
        raise ValueError(_AUTHORITY)
    if tenant.lower() in _FOR_EVERYBODY:
        raise ValueError(
            f"names {tenant!r} for a tenant; the app signs in as itself, which needs its own: {_AUTHORITY}"
        )
    if _SIGN_IN_HOST.fullmatch(parts.hostname) and not _is_tenant(tenant):
        raise ValueError(f"{tenant!r} is neither a tenant id (a GUID) nor a domain; {_AUTHORITY}")
    if _is_guid(tenant):
        real_id(UUID(tenant))
    return f"{root(parts)}/{tenant}"


def real_id(value: UUID) -> UUID:
    """An id other than the placeholder of the sample settings. Raises ValueError."""
    if not value.int:
        raise ValueError("is the placeholder of the sample, all zeros; put in the real id")
    return value


def former_owners(value: str) -> str:
    """Organization ids and service addresses of former owners, separated by commas. Raises ValueError."""
    return ",".join(_former_owner(each.strip()) for each in value.split(",") if each.strip())


def _former_owner(text: str) -> str:
    if _is_guid(text):
        return str(UUID(text))
    try:
        return origin(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is neither an organization's id nor the address of a service") from error


def upload_hosts(value: str) -> str:
    """Host names and patterns such as *.blob.core.windows.net, separated by commas. Raises ValueError."""
    for host in (each.strip().lower() for each in value.split(",")):
        bare = host.removeprefix("*.")
        if not _HOST.fullmatch(bare) or (bare != host and "." not in bare):
            raise ValueError(f"{host!r} is not a host; name hosts by commas, such as *.blob.core.windows.net")
    return value


def _is_tenant(text: str) -> bool:
    return _is_guid(text) or bool(_DOMAIN.fullmatch(text))


def _is_guid(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text, re.IGNORECASE))

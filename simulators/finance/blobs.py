"""The blob container of Data Management: write URLs for packages, and files that Finance offers for download."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas

from simulators.finance.switches import Switches

CONTAINER = "dmf"
CLOCK_SKEW = timedelta(minutes=5)


class BlobRefused(Exception):
    """A package URL that is not ours, has expired, or leads nowhere."""


class Blobs:
    """The container `dmf` of Finance's own storage account. All calls block: call them from a thread."""

    def __init__(self, connection_string: str, switches: Switches, origin: str) -> None:
        self._service = BlobServiceClient.from_connection_string(connection_string)
        self._root = f"{str(self._service.url).rstrip('/')}/{CONTAINER}/"
        self._switches = switches
        self._front = f"{origin}/{self._service.account_name}/{CONTAINER}/"

    def prepare(self) -> None:
        """Create the container unless it exists."""
        try:
            self._service.create_container(CONTAINER)
        except ResourceExistsError:
            return

    def url(self, name: str, seconds: float, *, write: bool) -> str:
        """Return a blob URL whose signature started five minutes ago and lasts for `seconds` from now."""
        now = datetime.now(UTC)
        signature = generate_blob_sas(
            account_name=str(self._service.account_name),
            container_name=CONTAINER,
            blob_name=name,
            account_key=self._service.credential.account_key,
            permission=BlobSasPermissions(read=True, write=write),
            start=now - CLOCK_SKEW,
            expiry=now + timedelta(seconds=seconds),
        )
        root = self._front if write and self._switches.uploads_through_front else self._root
        return f"{root}{quote(name)}?{signature}"

    def behind(self, url: str) -> str:
        """Return the address in the storage itself for a URL of its proxy."""
        return self._root + url.removeprefix(self._front) if url.startswith(self._front) else url

    def fetch(self, url: str, target: Path) -> None:
        """Download a package with the URL given; only URLs of this container are followed."""
        url = self.behind(url)
        if not url.startswith(self._root):
            raise BlobRefused("The package URL is not a URL of the data management blob storage.")
        try:
            with target.open("wb") as file:
                BlobClient.from_blob_url(url, retry_total=1).download_blob().readinto(file)
        except AzureError as error:
            status = getattr(error, "status_code", None) or 500
            raise BlobRefused(f"The remote server returned an error: ({status}).") from error

    def offer(self, name: str, data: bytes, seconds: float) -> str:
        """Upload a file and return a URL to read it."""
        self._service.get_blob_client(CONTAINER, name).upload_blob(data, overwrite=True)
        return self.url(name, seconds, write=False)

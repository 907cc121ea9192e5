"""The whole system under test, and how a test waits for it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy, TextBase64EncodePolicy

from simulators.demo import FINAL
from simulators.stack import Stack
from simulators.tenant import Tenant, app_settings
from tests.openapi import check_exchanges

PATIENCE_SECONDS = 240.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.4
"""Asking is no less work for the app than what it is asked about; a slow answer is asked for less often."""

# Once a day its requests would come in between those that a test counts.
_NO_DOCTOR = {"AzureWebJobs.doctor.Disabled": "true"}
_IMPATIENT = {"FINANCE_POLL_LONGEST_SECONDS": "1"}


@dataclass(frozen=True)
class Relay:
    """The running system: the stack of processes and the people who use the tenant."""

    stack: Stack
    tenant: Tenant

    @property
    def organization(self) -> str:
        """The organization that the app serves."""
        return str(self.stack.services["dataverse"].facts["organizationId"])

    def post(self, body: bytes | None = None, **request: Any) -> requests.Response:
        """POST to the webhook's address, with the right key unless another is given."""
        request.setdefault("headers", {"x-functions-key": self.stack.webhook_key})
        return requests.post(self.address("invoices/confirmations"), data=body, timeout=60, **request)

    @property
    def operator(self) -> dict[str, str]:
        """The headers of an operator's request."""
        return {"x-functions-key": self.stack.function_key}

    def address(self, path: str) -> str:
        """A URL of the app."""
        return f"{self.stack.host_urls[0]}/api/{path}"

    def event(self, invoice_id: str, **members: Any) -> dict[str, Any]:
        """The stripped form of a confirmation."""
        return {
            "MessageName": "Update",
            "PrimaryEntityName": "invoice",
            "PrimaryEntityId": invoice_id,
            "OrganizationId": self.organization,
            **members,
        }

    def carry(self, lines: int, **options: Any) -> str:
        """Draft and confirm an invoice and wait until its run is over."""
        invoice_id = self.tenant.draft(lines, **options)
        self.tenant.confirm(invoice_id)
        self.finish([invoice_id])
        return invoice_id

    def finish(self, invoices: Sequence[str], patience: float = PATIENCE_SECONDS) -> list[dict[str, Any]]:
        """Wait until the runs of these invoices are in a final state, so long for each; return the runs."""
        waited = [
            await_that(lambda i=each: self.final(i), f"run of {each}", patience)  # type: ignore[misc]
            for each in invoices
        ]
        return [run for run in waited if run]

    def final(self, invoice_id: str) -> dict[str, Any] | None:
        """The run of an invoice if it is in a final state."""
        run = self.tenant.run(invoice_id)
        return run if run and run["state"] in FINAL else None

    def queues(self) -> QueueServiceClient:
        """The app's queues."""
        return QueueServiceClient.from_connection_string(self.stack.azurite.connection_string())

    def peek(self, queue: str) -> list[str]:
        """The messages on a queue."""
        client = self.queues().get_queue_client(queue, message_decode_policy=TextBase64DecodePolicy())
        return [message.content for message in client.peek_messages(32)] if _exists(client) else []

    def send(self, queue: str, text: str) -> None:
        """Put a message on a queue."""
        client = self.queues().get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        # The app may create it at the same moment.
        with suppress(ResourceExistsError):
            client.create_queue()
        client.send_message(text)


def _exists(client: Any) -> bool:
    try:
        client.get_queue_properties()
    except Exception as error:
        if getattr(error, "status_code", None) == 404:
            return False
        raise
    return True


def await_that[T](condition: Callable[[], T | None], what: str, patience: float = PATIENCE_SECONDS) -> T:
    """Ask again and again until the condition gives something; fail loudly when patience is over."""
    deadline, pause = time.monotonic() + patience, _FIRST_PAUSE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
    raise AssertionError(f"{what}: nothing after {patience:.0f} s")


@contextmanager
def relay(run_dir: Path, *, webhook: bool = True, **options: Any) -> Iterator[Relay]:
    """Start everything; `settings` are app settings on top of the tenant's. Imports take no time, so they are looked at
    each second. In the end every answer that the app gave is held against its OpenAPI document."""
    extra, flags, kept = options.pop("settings", {}), options.pop("flags", {}), run_dir / "exchanges.jsonl"
    flags = {**flags, "host": [*flags.get("host", ()), "--exchanges", str(kept)]}
    stack = Stack(
        run_dir,
        app_settings=lambda stack: app_settings(stack) | _IMPATIENT | _NO_DOCTOR | extra,
        flags=flags,
        **options,
    )
    with stack:
        tenant = Tenant(stack)
        if webhook:
            tenant.register_webhook()
        # Imports that take no time show every mistake just as well.
        tenant.switch("finance", importFixedSeconds=0.05, importSecondsPerRow=0.0, notFoundPolls=1)
        yield Relay(stack, tenant)
    check_exchanges(kept)

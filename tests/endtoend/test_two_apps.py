"""Two apps with different settings on one storage account: only the owner works."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import requests
from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy

from shared.engine.messages import LookUp
from shared.storage.names import OPERATIONS
from simulators.processes import Server
from simulators.stack import HOST_GRACE_SECONDS
from tests.endtoend.relay import Relay, await_that

OTHER_FINANCE = "http://127.0.0.1:9"


@contextmanager
def another_app(system: Relay, **changes: str) -> Iterator[Server]:
    """A second function app on the same account, with settings that differ in `changes`."""
    stack, files = system.stack, system.stack.run_dir / "another"
    files.mkdir(exist_ok=True)
    settings = {"IsEncrypted": False, "Values": stack.settings | changes}
    (files / "settings.json").write_text(json.dumps(settings))
    arguments = ["--root", str(stack.root), "--settings", str(files / "settings.json")]
    arguments += ["--keys", str(stack.run_dir / "keys.json"), "--port", "0"]
    host = Server("another", "devhost", arguments, run_dir=files, env={"REQUESTS_CA_BUNDLE": str(stack.ca)})
    host.start()
    try:
        host.await_ready()
        yield host
    finally:
        host.stop(HOST_GRACE_SECONDS)


@contextmanager
def without_the_owner(system: Relay) -> Iterator[None]:
    """The owner of the account does not run meanwhile."""
    system.stack.hosts[0].stop(HOST_GRACE_SECONDS)
    try:
        yield
    finally:
        system.stack.start_host()


def put(system: Relay, queue: str, text: str) -> str:
    """Put a message on a queue; return its id."""
    client = system.queues().get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
    return str(client.send_message(text).id)


def put_back(system: Relay, queue: str, text: str, sent: str) -> bool:
    """Whether the message that was sent has been taken from its queue and lies there again, word for word."""
    client = system.queues().get_queue_client(queue, message_decode_policy=TextBase64DecodePolicy())
    return any(found.content == text and found.id != sent for found in client.peek_messages(32))


def test_another_app_works_on_nothing_and_says_so_and_nothing_is_lost(system: Relay) -> None:
    system.carry(1)
    invoice_id = system.tenant.draft(2)
    system.tenant.switch("dataverse", webhookOff=True)
    system.tenant.confirm(invoice_id)
    system.tenant.switch("dataverse", webhookOff=False)
    body = LookUp(invoices=(UUID(invoice_id),)).model_dump_json().replace(",", " , ")
    with another_app(system, FINANCE_URL=OTHER_FINANCE) as other, without_the_owner(system):
        headers = system.operator
        health = requests.get(f"{other.url}/api/health", headers=headers, timeout=60)
        assert health.status_code == 200
        assert not health.json()["healthy"]
        assert (
            f"FINANCE_URL is {OTHER_FINANCE} here and {system.stack.url('finance')} there"
            in health.json()["problems"][0]
        )
        webhook = requests.post(
            f"{other.url}/api/invoices/confirmations",
            json=system.event(invoice_id),
            headers={"x-functions-key": system.stack.webhook_key},
            timeout=60,
        )
        for refused in (webhook, requests.get(f"{other.url}/api/runs", headers=headers, timeout=60)):
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "otherStorage"
        sent = put(system, OPERATIONS, body)
        await_that(lambda: put_back(system, OPERATIONS, body, sent), "message put back")
        assert system.peek(f"{OPERATIONS}-poison") == []
    [run] = system.finish([invoice_id])
    assert run["state"] == "completed"

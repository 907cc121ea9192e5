"""Many invoices confirmed at the same time, several hosts on one storage, and every webhook three times in random
order.
"""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from tests.endtoend.relay import Relay, await_that
from tests.proof.ordeal import QUEUES

UNAVAILABLE = 503
COPIES = 3
COMPANIES = ("usmf", "demf")
MOST_LINES = 40
SENDERS = 16
PATIENCE_SECONDS = 600.0
"""The first one asked for may be the last to be carried."""


@dataclass
class Competition:
    """The invoices confirmed so far, and the number of webhooks for them. The seed decides sizes, companies and
    order."""

    system: Relay
    choice: random.Random
    invoices: list[str] = field(default_factory=list)
    lines: int = 0
    webhooks: int = 0

    def draft(self, count: int) -> list[str]:
        """Drafts of 1 to 40 lines for both companies."""
        tenant, drafts = self.system.tenant, []
        for number in range(count):
            lines = self.choice.randint(1, MOST_LINES)
            company = COMPANIES[number % len(COMPANIES)]
            seed, edited = self.choice.randrange(10**6), self.choice.random()
            drafts.append(tenant.draft(lines, seed=seed, company=company, edited=edited))
        return drafts

    def correct(self, count: int) -> list[str]:
        """Corrective drafts of invoices that were confirmed before."""
        chosen = self.choice.sample(self.invoices, count)
        return [self.system.tenant.correct(each, partial=self.choice.random()) for each in chosen]

    def confirm(self, drafts: Sequence[str]) -> None:
        """Confirm them all, then send all their webhooks concurrently, three of each, shuffled, to any host."""
        for invoice_id in drafts:
            self.system.tenant.confirm(invoice_id)
            self.lines += self.system.tenant.invoice(invoice_id)["lines"]
        calls = [(self.choice.choice(self.system.stack.host_urls), each) for each in drafts for _ in range(COPIES)]
        self.choice.shuffle(calls)
        with ThreadPoolExecutor(SENDERS) as pool:
            answers = list(pool.map(lambda call: self._send(*call), calls))
        assert set(answers) == {202}, answers
        self.invoices += drafts
        self.webhooks += len(calls)

    def _send(self, host: str, invoice_id: str) -> int:
        """Send a webhook as Dataverse does: again when the host says that its storage cannot be reached just now."""
        headers = {"x-functions-key": self.system.stack.webhook_key}
        url, body = f"{host}/api/invoices/confirmations", self.system.event(invoice_id)

        def status() -> int:
            return requests.post(url, json=body, headers=headers, timeout=120).status_code

        return await_that(
            lambda: code if (code := status()) != UNAVAILABLE else None, "an answer of a host with storage"
        )

    def finish(self) -> list[dict[str, object]]:
        """Wait until every run is over and the queues are empty; return the runs."""
        runs = self.system.finish(self.invoices, PATIENCE_SECONDS)
        queues = self.system.queues()
        for name in QUEUES:
            queue = queues.get_queue_client(name)
            await_that(lambda q=queue: q.get_queue_properties().approximate_message_count == 0, f"an empty {name}")  # type: ignore[misc]
        return runs

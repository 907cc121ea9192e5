"""The sender of webhooks: a process of its own that posts the confirmations of many invoices at once.

Started by `benchmarks.relaying`: reads its job from the first line of its input, says `ready`, starts at the second.
"""

import asyncio
import json
import sys
from collections.abc import Sequence

import aiohttp

_AT_ONCE = 32


async def post_all(
    urls: Sequence[str], key: str, organization: str, invoices: Sequence[str], at_once: int = _AT_ONCE
) -> list[int]:
    """Post one confirmation for each invoice, to the hosts in turn, and return the statuses of the answers."""
    slots = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post(number: int, invoice_id: str) -> int:
            event = {
                "MessageName": "Update",
                "PrimaryEntityName": "invoice",
                "PrimaryEntityId": invoice_id,
                "OrganizationId": organization,
            }
            async with (
                slots,
                session.post(urls[number % len(urls)], json=event, headers={"x-functions-key": key}) as answer,
            ):
                await answer.read()
                return answer.status

        return await asyncio.gather(*(post(number, each) for number, each in enumerate(invoices)))


def main() -> None:
    """Run the process."""
    job = json.loads(sys.stdin.readline())
    print("ready", flush=True)
    sys.stdin.readline()
    statuses = asyncio.run(post_all(job["urls"], job["key"], job["organization"], job["invoices"]))
    print(json.dumps(sorted(set(statuses))), flush=True)


if __name__ == "__main__":
    main()

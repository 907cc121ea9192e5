"""(a) One OData request for each row, in a loop. Header and connections, which OData does not take, go in packages."""

from benchmarks.contestants.entities import PATH, bodies
from benchmarks.contestants.rows import Sender, actuals_of, connections_of, open_sender
from benchmarks.contestants.starting import Job, Work, compete
from shared.project_operations.codes import CONNECTIONS, INVOICES


async def get_ready(job: Job) -> Work:
    """Open the session."""
    sender = open_sender(job)

    async def work() -> None:
        for copy in await sender.read():
            await sender.send(INVOICES, [copy.header])
            for body in await bodies(sender, actuals_of(copy)):
                await _post(sender, body)
            await sender.send(CONNECTIONS, connections_of(copy))
        await sender.session.close()

    return work


async def _post(sender: Sender, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {sender.client.token}", "Content-Type": "application/json"}
    async with sender.session.post(f"{sender.client.origin}{PATH}", data=body, headers=headers) as answer:
        answer.raise_for_status()
        await answer.read()


if __name__ == "__main__":
    compete(get_ready)

"""(c) A straightforward script: read all, build one package, import it; invoice after invoice, map after map."""

from benchmarks.contestants.rows import actuals_of, connections_of, open_sender
from benchmarks.contestants.starting import Job, Work, compete
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES


async def get_ready(job: Job) -> Work:
    """Open the session."""
    sender = open_sender(job)

    async def work() -> None:
        for invoice_id in job["invoices"]:
            sender.job["invoices"] = [invoice_id]
            [copy] = await sender.read()
            await sender.send(INVOICES, [copy.header])
            await sender.send(ACTUALS, actuals_of(copy))
            await sender.send(CONNECTIONS, connections_of(copy))
        await sender.session.close()

    return work


if __name__ == "__main__":
    compete(get_ready)

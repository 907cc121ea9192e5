"""(d′) The same pages by the relay's own reading code: pages followed, rows made, nothing mapped."""

from benchmarks.contestants.starting import Job, Work, compete
from benchmarks.reading import billed_options, reader
from shared.project_operations.codes import ACTUALS


async def get_ready(job: Job) -> Work:
    """Nothing to get ready."""

    async def work() -> None:
        async with reader(job) as (ports, _):
            table_map = ports.maps[ACTUALS]
            for invoice_id in job["invoices"]:
                options = billed_options(table_map, invoice_id)
                async for _rows in ports.dataverse.pages(table_map.source.set, options, size=5000):
                    pass

    return work


if __name__ == "__main__":
    compete(get_ready)

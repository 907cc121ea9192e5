"""Finds the completed runs that Finance has posted. A count decides whether the write-back is started."""

from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.engine import troubles
from shared.engine.account import account_of
from shared.engine.messages import Look
from shared.engine.newer import tell
from shared.engine.ports import Ports
from shared.errors import ContractBroken, NewerVersion, NotPermitted, Refused
from shared.ledger.run import Run
from shared.ledger.waiting import What
from shared.project_operations.accounting_detail import start
from shared.project_operations.codes import ACTUALS, SOLD
from shared.project_operations.held_actuals import any_actual
from shared.services.odata import all_of
from shared.storage.names import WRITE_BACK
from write_back.pages import posted_condition
from write_back.passes import Pass

# The time until the timer searches again.
_A_WHILE = timedelta(minutes=15)


_SEARCH = "look"


async def ring(ports: Ports) -> None:
    """Queue a search, unless one waits already. It will find what this event is about."""
    if not await ports.pending.mark(_SEARCH):
        return
    try:
        await ports.queues.send(Look())
    except AzureError:
        # Otherwise the sender's retry would be taken for a copy.
        await ports.pending.clear(_SEARCH)
        raise


async def look(ports: Ports, message: Look) -> None:
    """Start the write-back of every completed run whose billed sales are all posted by now."""
    # Before the search: what is posted while it runs may be missed by it.
    await ports.pending.clear(_SEARCH)
    async for listed in ports.run_list.waiting(What.UNPOSTED):
        try:
            run = await ports.ledger.run(listed.subject)
            if run is not None and await _is_posted(ports, run):
                await start(ports, run.subject)
        except NewerVersion as error:
            await tell(ports, WRITE_BACK, error)
        except (Refused, ContractBroken, NotPermitted) as error:
            # An invoice that cannot be queried must not block the others. The next search tries it again.
            await troubles.note(ports, error, _A_WHILE, queue=message.queue)


async def _is_posted(ports: Ports, run: Run) -> bool:
    standing = Pass.read(run.write_back)
    if standing and standing.awaited and not standing.page:
        # Everything else is written back. The next pass is only worth its cost when these rows are posted too.
        condition = all_of(any_actual(standing.awaited), "VoucherNumber ne ''")
        return await ports.finance.count(_actuals(ports), condition) >= len(standing.awaited)
    if standing and ports.now() - run.updated_at < _A_WHILE:
        # A pass is running. Another one would supersede it, and an invoice with many pages would never finish.
        return False
    account = await account_of(ports, run, ACTUALS)
    companies = {part.company for part in account.parts}
    if not companies or (run.posting == "posted" and not ports.maps[ACTUALS].written_back):
        return False
    return (
        await ports.finance.count(_actuals(ports), posted_condition(run, companies)) >= account.measure(SOLD).rows > 0
    )


def _actuals(ports: Ports) -> str:
    return str(ports.maps[ACTUALS].target.set)

"""When actuals may be sent, and when the connections may follow: the confirmation is complete, two readings agree."""

from datetime import timedelta

from shared.engine.account import Account
from shared.engine.lifecycle import read_again
from shared.engine.messages import Load, Verify
from shared.engine.ports import Ports
from shared.errors import NotYet
from shared.ledger.run import BEFORE_ACTUALS, Page, Run, State
from shared.project_operations.completeness import completeness
from shared.project_operations.confirmation import find_beside
from shared.stages import Stage
from shared.totals import Totals
from sync_actuals.beside import has_waited, settle_beside

_UNTIL_CONNECTIONS_ARE_SENT = timedelta(seconds=2)


async def may_be_sent(ports: Ports, page: Page) -> bool:
    """Reading begins while the header is still being imported. Actuals go when it is in and the confirmation was found
    complete, which the first page says by being closed. Both are looked at after a page was closed, and whoever makes
    one of them true looks for parts after that: so none is forgotten between two that happen at once."""
    run = await ports.ledger.run(page.invoice_id)
    if run is None or run.state in BEFORE_ACTUALS:
        return False
    first = await ports.ledger.page(page.invoice_id, Stage.ACTUALS, page.generation, 0)
    return first is not None and first.read


async def promised_totals(ports: Ports, run: Run) -> Totals:
    """What Dataverse holds now. Raises NotYet while that cannot be all."""
    found = await completeness(ports, run.invoice_id)
    if not found.billed.totals.rows or found.missing:
        raise NotYet(f"incomplete: {found.describe()}")
    if found.doubtful and not has_waited(ports, run):
        # A line made non-chargeable may get no billed sale but an unbilled one: where these are there, all is there.
        beside = await find_beside(ports, run.invoice_id, ())
        if beside.unbilled < found.doubtful:
            raise NotYet(f"{found.doubtful} more billed sales may come, of lines that are not chargeable or corrected")
    return found.billed.totals


async def note_promised(ports: Ports, run: Run, promised: Totals, projects: str) -> None:
    """Keep what the first reading of the billed sales promised, which the last has to equal."""
    current = await ports.ledger.run(run.invoice_id)
    if current is not None and (current.wait or not current.expected.same_money(promised)):
        await ports.ledger.save(current, expected=promised, project=projects, wait="", wait_since=None)


async def have_looked_after(ports: Ports, run: Run, account: Account) -> None:
    """All actuals are in Finance, says whoever settles imports, and must not wait until Dataverse has said what comes
    next: a reader asks, who keeps what it is answered while the service limits us."""
    del account
    await ports.queues.send(Load(stage=Stage.ACTUALS, invoiceId=run.invoice_id, generation=run.generation))


async def after_actuals(ports: Ports, run: Run, account: Account) -> None:
    """All actuals are in Finance. Two readings of the billed sales must agree before the connections may follow."""
    read = account.accounted
    if not read.same_money(run.expected):
        await read_again(ports, run, f"two readings differ: {run.expected.describe()}, then {read.describe()}")
        return
    if run.state == State.SYNCING_ACTUALS:
        beside = await settle_beside(ports, run, account)
        if beside is None:
            return
        await ports.ledger.save(run, state=State.LINKING, wait="", wait_since=None, verified=0, beside=beside.seen)
    await ports.queues.send(Load(stage=Stage.CONNECTIONS, invoiceId=run.invoice_id, generation=run.generation))
    # The actuals are compared while Finance imports the connections; if this gets lost, it is done after them.
    comparison = Verify(stage=Stage.CONNECTIONS, invoiceId=run.invoice_id, generation=run.generation)
    await ports.queues.send(comparison, delay=_UNTIL_CONNECTIONS_ARE_SENT)

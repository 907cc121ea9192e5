"""Decides when actuals may be sent (the header is in Finance, and the confirmation is complete in Dataverse) and when
connections may follow (two readings of the billed sales agree).
"""

from shared.engine.account import Account
from shared.engine.lifecycle import advance, read_again
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.errors import NotYet
from shared.ledger.book import Book
from shared.ledger.run import BEFORE_ACTUALS, Facts, Page, Run, State
from shared.project_operations.codes import ACTUALS, CONNECTIONS, SOLD
from shared.project_operations.completeness import completeness
from shared.project_operations.confirmation import find_beside
from shared.totals import Totals
from sync_actuals.beside import has_waited, settle_beside


def may_be_sent(book: Book, page: Page) -> bool:
    """Whether actuals may be sent: the header is in Finance, and the first page is closed, which means that the
    confirmation is complete.

    Reading starts earlier, so parts may be landed before both conditions hold. No race leaves a part behind: they are
    checked after each page is closed, and the worker that fulfils the later one looks for landed parts afterwards.
    """
    run, first = book.run, page if page.number == 0 else book.page(ACTUALS, page.generation, 0)
    return run is not None and run.state not in BEFORE_ACTUALS and first is not None and first.read


async def promised_totals(ports: Ports, run: Run) -> Totals:
    """The billed sales that Dataverse holds now. Raises NotYet while some must be missing."""
    found = await completeness(ports, run.subject)
    if not found.billed.totals.rows or found.missing:
        raise NotYet(f"incomplete: {found.describe()}")
    if found.doubtful and not has_waited(ports, run):
        # A line made non-chargeable may get a new unbilled sale instead of a billed one. If there are as many of
        # those, nothing is missing.
        beside = await find_beside(ports, run.subject, ())
        if beside.unbilled < found.doubtful:
            sales = "sale" if found.doubtful == 1 else "sales"
            raise NotYet(f"{found.doubtful} more billed {sales} may come, of corrected or non-chargeable lines")
    return found.billed.totals


def promise(run: Run, promised: Totals, projects: str) -> Facts:
    """What a run learns from the first reading of its billed sales. The last reading must equal it."""
    is_new = bool(run.wait) or not run.expected.same_money(promised)
    return Facts(expected=promised, project=projects, wait="", wait_since=None) if is_new else Facts()


async def have_looked_after(ports: Ports, run: Run, account: Account) -> None:
    """Queue the check that follows when all actuals are in Finance (`after_actuals`)."""
    del account
    # The check reads Dataverse. A reader keeps its answers while Dataverse throttles; the worker that settles would ask
    # for everything anew at each look (139 requests instead of 54 in tests/operations/test_gates.py).
    await ports.queues.send(Load(stage=ACTUALS, subject=run.subject, generation=run.generation))


async def after_actuals(ports: Ports, run: Run, account: Account) -> None:
    """All actuals are in Finance. Two readings of the billed sales must agree before the connections are sent."""
    read = account.accounted(SOLD)
    if not read.same_money(run.expected):
        await read_again(ports, run, f"two readings differ: {run.expected.describe()}, then {read.describe()}")
        return
    if run.state == State.SYNCING_ACTUALS:
        beside = await settle_beside(ports, run, account)
        if beside is None:
            return
        await advance(ports, run, State.LINKING, wait="", wait_since=None, verified=0, beside=beside.seen)
    await ports.queues.send(Load(stage=CONNECTIONS, subject=run.subject, generation=run.generation))

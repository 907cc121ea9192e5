"""Recently rejected runs. A few are normal. If all runs were rejected, the app may be serving the wrong tenant."""

from datetime import timedelta

from shared.engine.ports import Ports
from shared.ledger.run import State

_LATELY = timedelta(days=1)
_NAMED = 5
_ALL = (
    "no run of that day was anything else, which looks like another organization's invoices: compare "
    "DATAVERSE_URL with the environment that sends the webhooks, and see that no other app uses this storage account"
)


async def rejected_lately(ports: Ports) -> list[str]:
    """The text for an operator about the rejected runs of the last day, or nothing."""
    since = ports.now() - _LATELY
    rejected = [entry async for entry in ports.run_list.entries(since=since, states=[State.REJECTED])]
    if not rejected:
        return []
    last = rejected[0]
    what = "1 run was rejected" if len(rejected) == 1 else f"{len(rejected)} runs were rejected"
    names = ", ".join(entry.number or str(entry.subject) for entry in rejected[:_NAMED])
    more = ", ..." if len(rejected) > _NAMED else ""
    text = f"{what} in the last day: {names}{more} ({last.detail.rstrip('.')})"
    return [text if await _has_others(ports) else f"{text}; {_ALL}"]


async def _has_others(ports: Ports) -> bool:
    states = frozenset(State) - {State.REJECTED}
    # One entry is enough, so no more are read.
    others = ports.run_list.entries(since=ports.now() - _LATELY, states=states, page_size=1)
    return await anext(others, None) is not None

"""What the services' work costs: the same for every contestant, set as switches of the simulators.

Seconds include the simulator's own work: a simulator that is quicker waits, so its speed does not count as long as it
is quick enough.
"""

from simulators.tenant import Tenant

PAGE_SECONDS = 0.3
READ_SECONDS = 0.03
IMPORT_SECONDS = 3.0
IMPORT_SECONDS_PER_ROW = 0.0001
ODATA_SECONDS = 0.03
ODATA_SECONDS_PER_ROW = 0.002
ODATA_SECONDS_PER_ROW_READ = PAGE_SECONDS / 5000
ODATA_AT_ONCE = 52

_DELAYS: dict[str, dict[str, object]] = {
    "dataverse": {"pageSeconds": PAGE_SECONDS, "readSeconds": READ_SECONDS, "limitsOn": True},
    "finance": {
        # Not found until it is taken up, which is a matter of time; a count of polls would be one of pace.
        "notFoundPolls": 0,
        "importFixedSeconds": IMPORT_SECONDS,
        "importSecondsPerRow": IMPORT_SECONDS_PER_ROW,
        "importSecondsInAll": True,
        "odataSeconds": ODATA_SECONDS,
        "odataSecondsPerRow": ODATA_SECONDS_PER_ROW,
        "odataSecondsPerRowRead": ODATA_SECONDS_PER_ROW_READ,
        "odataAtOnce": ODATA_AT_ONCE,
    },
}
_NO_DELAYS: dict[str, dict[str, object]] = {
    "dataverse": {},
    "finance": {"importFixedSeconds": 0.0, "importSecondsPerRow": 0.0, "takeUpSeconds": 0.0, "notFoundPolls": 0},
}


def charge(tenant: Tenant, *, delays: bool) -> None:
    """Have both services take as long as the cost model says, or no longer than they must."""
    for service, switches in (_DELAYS if delays else _NO_DELAYS).items():
        tenant.switch(service, **switches)

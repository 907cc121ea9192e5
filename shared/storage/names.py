"""The names of the tables, queues and containers in the storage account."""

TABLES = ("runs", "register", "dock", "gates", "audit")
LANDED = "landed"
"""The container of landed rows and kept answers."""
MAPS = "maps"
"""The container of the table maps that wrote parts."""
WRITE_BACK = "write-back"
"""The queue of write-backs from Finance after posting."""
OPERATIONS = "operations"
"""The queue of long-running operator requests."""
JOBS = "jobs"
"""The queue of the steps that are pure data."""
SHARED_QUEUES = (JOBS, WRITE_BACK, OPERATIONS)
"""The queues of the app that do not belong to one step of a job."""


def poison_of(queue: str) -> str:
    """The queue to which the host moves messages that failed too often."""
    return f"{queue}-poison"

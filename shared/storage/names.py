"""The names of all that the app keeps in its storage account."""

from shared.stages import Stage

TABLES = ("runs", "register", "dock", "gates", "audit")
LANDED = "landed"
"""The container of landed rows and of kept answers."""
MAPS = "maps"
"""The container of the table maps that parts were written with."""
WRITE_BACK = "write-back"
"""The queue of what comes back from Finance after posting."""
OPERATIONS = "operations"
"""The queue of what an operator asks for and takes its time."""
QUEUES = (*map(str, Stage), WRITE_BACK, OPERATIONS)


def poison_of(queue: str) -> str:
    """The queue to which the host moves what it gives up."""
    return f"{queue}-poison"

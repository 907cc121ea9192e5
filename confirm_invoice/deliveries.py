"""Under which keys the webhook's events come. `relay webhook` registers each key together with its name, in a header of
its own. So an event proves that Dataverse uses that key, and a rotation can delete the one before.
"""

import re

from azure.core.exceptions import AzureError

from shared.errors import NotOurStorage
from shared.storage.notes import delivery
from shared.wiring import ports

KEY_NAME = "x-relay-key"
"""The header with the name of the key; the key itself is in x-functions-key."""

_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_MOST_NAMES = 20
# Each process notes a name once, so an event costs no request to storage.
_noted: set[str] = set()


async def note_delivery(name: str) -> None:
    """Note that an event came under this name. Without storage the next event does it: a confirmation that was taken is
    never refused for this."""
    if name in _noted or len(_noted) >= _MOST_NAMES or not _NAME.fullmatch(name):
        return
    try:
        works = await ports()
        await works.notes.write(delivery(name), {"key": name, "at": works.now().isoformat()})
    except (AzureError, NotOurStorage):
        return
    _noted.add(name)

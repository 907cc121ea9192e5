"""What can go wrong, named after the situation. What is done about each is decided in `shared/engine/worker.py`."""

from datetime import datetime

from relay_contract.version import VERSION

_LONGEST_QUOTE = 400


class Throttled(Exception):
    """A service asks us to wait. `until` is the instant (UTC) before which nothing may be sent to it."""

    def __init__(self, service: str, until: datetime, reason: str) -> None:
        super().__init__(f"{service} asks to wait until {until:%H:%M:%S}: {reason}")
        self.service = service
        self.until = until
        self.reason = reason


class Unavailable(Exception):
    """A service gave no usable answer (connection lost, time-out, 5xx, a page instead of JSON). It may or may not have
    done what was asked."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} is unavailable: {reason}")
        self.service = service
        self.reason = reason


class UploadRefused(Unavailable):
    """The place that Finance gave for a package does not take it. Another one may, a little later."""


class Refused(Exception):
    """A service understood the request and said no. Sending it again would get the same answer."""

    def __init__(self, service: str, status: int, code: str, text: str) -> None:
        super().__init__(f"{service} answered {status}{f' {code}' if code else ''}: {text}")
        self.service = service
        self.status = status
        self.code = code
        self.text = text


class NotPermitted(Exception):
    """A service lets us in, but not to one table, entity set or action. Only what needs it has to wait, until it is
    mended there."""

    def __init__(self, service: str, place: str, *, privilege: str, code: str, text: str) -> None:
        super().__init__(
            f"{service} does not permit {privilege} on {place}{f' ({code})' if code else ''}: {text.rstrip('.')}. "
            f"Give the app's user in {service} this privilege; what waits then goes on by itself"
        )
        self.service = service
        self.place = place
        self.privilege = privilege
        self.code = code
        self.text = text


class ColumnsLocked(Exception):
    """Dataverse lets nobody but dual-write write the columns that go back: no row will ever go. The text says so, and
    what to do about it."""


class SignInFailed(Exception):
    """No token to be had, or the service does not accept it although it is fresh. `passing`: the sign-in service gave
    no usable answer, which says nothing against us."""

    def __init__(self, service: str, reason: str, *, passing: bool = False) -> None:
        super().__init__(f"{service} does not let us in: {reason}")
        self.service = service
        self.reason = reason
        self.passing = passing


class ContractBroken(Exception):
    """A service asked us to go somewhere we must not, or around in a circle."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} broke its contract: {reason}")
        self.service = service
        self.reason = reason


class NotYet(Exception):
    """The confirmation is not complete in Dataverse; it is looked at again later, and in the end by a person."""


class InvoiceRejected(Exception):
    """The read-back shows that this is no confirmed project invoice: nothing of it may be written."""


class NeedsAttention(Exception):
    """The run cannot go on by itself. The text says what is wrong and what to do next."""


class LeaseLost(Exception):
    """Somebody else has moved this piece of work on since we read it; ours is the copy to drop."""


class NotOurMessage(Exception):
    """A queue message that this version of the app cannot have written. The text names the field and the reason."""

    def __init__(self, reason: str, invoice_id: str | None = None) -> None:
        # The reason quotes a stranger: storage takes neither 64 KiB of it nor half a character.
        super().__init__(reason[:_LONGEST_QUOTE].encode("utf-8", "backslashreplace").decode())
        self.invoice_id = invoice_id


class NewerVersion(Exception):
    """A later version of the app wrote this, and this one does not know what it means: it is left as it is until that
    version, or one after it, runs again. `what` names it, `writer` is the version that wrote it, if it says so."""

    def __init__(self, what: str, writer: str) -> None:
        by = f"version {writer}" if writer else "a later version"
        super().__init__(f"{what} was written by {by} of this app; this is {VERSION}")
        self.what = what
        self.writer = writer


class NotOurStorage(Exception):
    """The storage account is stamped with another organization or another pair of services: nothing in it may be worked
    on. The text says what is different and what to do."""

"""The errors, named after the situation. `shared/engine/worker.py` decides how each is handled."""

from datetime import datetime

from relay_contract.version import VERSION

# Long enough for a field and a reason.
_LONGEST_QUOTE = 400


class Throttled(Exception):
    """A service asks us to wait. `until` is the instant (UTC) before which nothing may be sent to it."""

    def __init__(self, service: str, until: datetime, reason: str) -> None:
        super().__init__(f"{service} asks to wait until {until:%H:%M:%S}: {reason}")
        self.service = service
        self.until = until
        self.reason = reason


class Unavailable(Exception):
    """A service gave no usable answer (connection lost, timeout, 5xx, a page instead of JSON). The request may have
    been carried out."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} is unavailable: {reason}")
        self.service = service
        self.reason = reason


class UploadRefused(Unavailable):
    """The URL that Finance gave for a package refuses the upload. A new URL may work later."""


class Refused(Exception):
    """A service understood the request and refused it. A retry gets the same answer."""

    def __init__(self, service: str, status: int, code: str, text: str) -> None:
        super().__init__(f"{service} answered {status}{f' {code}' if code else ''}: {text}")
        self.service = service
        self.status = status
        self.code = code
        self.text = text


class NotPermitted(Exception):
    """A service admits us but denies one table, entity set or action. Only the work that needs it waits, until the
    privilege is granted."""

    def __init__(self, service: str, place: str, *, privilege: str, code: str, text: str) -> None:
        super().__init__(
            f"{service} does not permit {privilege} on {place}{f' ({code})' if code else ''}: {text.rstrip('.')}. "
            f"Give the app's user in {service} this privilege; waiting work then continues by itself"
        )
        self.service = service
        self.place = place
        self.privilege = privilege
        self.code = code
        self.text = text


class WrongState(Exception):
    """A run stands in a state from which what is asked of it does not lead on: a fault of the app."""


class ColumnsLocked(Exception):
    """Dataverse lets only dual-write write the write-back columns, so no row can ever be written. The text says what
    to do."""


class SignInFailed(Exception):
    """No token could be acquired, or the service refuses a new one. With `passing`, the sign-in service gave no
    usable answer, which is transient."""

    def __init__(self, service: str, reason: str, *, passing: bool = False) -> None:
        super().__init__(f"{service} does not let us in: {reason}")
        self.service = service
        self.reason = reason
        self.passing = passing


class ContractBroken(Exception):
    """A service sent a link that we must not follow, or that leads in a circle."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} broke its contract: {reason}")
        self.service = service
        self.reason = reason


class NotYet(Exception):
    """The confirmation is not complete in Dataverse yet. It is read again later; after the patience of the settings
    the run needs attention."""


class SubjectRejected(Exception):
    """Reading the invoice back shows that it is not a confirmed project invoice. Nothing of it may be written."""


class NeedsAttention(Exception):
    """The run cannot continue without a person. The text says what is wrong and what to do next."""


class LeaseLost(Exception):
    """A concurrent writer has changed this work since we read it (ETag conflict), or holds its lease. Our copy is
    stale."""


class NotOurMessage(Exception):
    """A queue message that this version of the app cannot have written. The text names the field and the reason."""

    def __init__(self, reason: str, subject: str | None = None) -> None:
        # The reason quotes foreign text. Table storage limits a value to 64 KiB and accepts no lone surrogate.
        super().__init__(reason[:_LONGEST_QUOTE].encode("utf-8", "backslashreplace").decode())
        self.subject = subject


class NewerVersion(Exception):
    """A later version of the app wrote this row, message or map, and this version does not understand it. It is not
    touched until that version or a later one runs again. `what` names it; `writer` is the version that wrote it, if
    known."""

    def __init__(self, what: str, writer: str) -> None:
        by = f"version {writer}" if writer else "a later version"
        super().__init__(f"{what} was written by {by} of this app; this is {VERSION}")
        self.what = what
        self.writer = writer


class NotOurStorage(Exception):
    """The storage account is stamped with another organization or other services, so nothing in it may be processed.
    The text names the differences and says what to do."""

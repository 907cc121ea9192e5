"""The exit codes, and the errors that end a command, each with a cause and a next step."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes. `relay --help` lists them too."""

    FINE = 0
    USAGE = 1
    FAILED = 2
    REJECTED_ROWS = 3
    UNREACHABLE = 4
    NOT_ALLOWED = 5
    NOTHING = 6
    INTERRUPTED = 130


class Problem(Exception):
    """A command cannot continue. `cause` is the reason, `next_step` what the operator can do."""

    code = ExitCode.USAGE

    def __init__(self, cause: str, next_step: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step


class Misused(Problem):
    """The command was called incorrectly."""


class Unreachable(Problem):
    """The app does not answer, or another server answers."""

    code = ExitCode.UNREACHABLE


class NotAllowed(Problem):
    """The app refuses this key."""

    code = ExitCode.NOT_ALLOWED

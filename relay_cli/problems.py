"""How a command ends: its exit codes, and the problems that end it early, each with a cause and a next step."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script learns; `relay --help` lists the same."""

    FINE = 0
    USAGE = 1
    FAILED = 2
    REJECTED_ROWS = 3
    UNREACHABLE = 4
    NOT_ALLOWED = 5
    NOTHING = 6
    INTERRUPTED = 130


class Problem(Exception):
    """A command cannot go on; `cause` says why and `next_step` what the operator can do."""

    code = ExitCode.USAGE

    def __init__(self, cause: str, next_step: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step


class Misused(Problem):
    """The command was called in a way, or for a thing, that cannot work."""


class Unreachable(Problem):
    """The app does not answer, or something else answers in its place."""

    code = ExitCode.UNREACHABLE


class NotAllowed(Problem):
    """The app answers, but not with this key."""

    code = ExitCode.NOT_ALLOWED

"""The state transitions of a run, by occasion. The ledger refuses every other change of state.

Only `shared/engine/lifecycle.py` may import this module (.importlinter), and a state cannot be changed without it.
docs/architecture.md shows these tables; `python -m tests.states` writes them there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from shared.ledger.run import Facts, Posting, Run, State


class Occasion(StrEnum):
    """An event of a run, or a request to it, that changes its state."""

    CONFIRMED = "confirmed"
    HEADER_READ = "header read"
    HEADER_SENT = "header sent"
    ACTUALS_SENT = "actuals sent"
    CONNECTIONS_SENT = "connections sent"
    BOTH_ENDS_AGREE = "both ends agree"
    NOT_CONFIRMED = "not confirmed"
    HELD_UP = "held up"
    GIVEN_UP = "given up"
    ROWS_LOST = "rows lost"
    READ_AGAIN = "read again"
    CLAIMED = "claimed"
    PUT_TO_WORK = "put to work"
    POSTING_SEEN = "posting seen"
    WRITE_BACK_STOPPED = "write-back stopped"


class Move(Facts, total=False):
    """The fields of a run that may change together with its state."""

    state: State
    posting: Posting
    detail: str
    posting_detail: str


@dataclass(frozen=True)
class Transition[S]:
    """One row of a transition table: on an occasion, a state in `before` becomes one in `after`. A new run has no
    state before. `cause` describes the cause for people."""

    occasion: Occasion
    before: frozenset[S]
    after: frozenset[S]
    cause: str


ALL = frozenset(State)
OVER = frozenset(state for state in State if state.is_final)
UNDER_WAY = ALL - OVER
WORKING = frozenset({State.ACCEPTED, State.SYNCING_ACTUALS, State.LINKING})
"""The states of a run that has just been restarted, depending on what has to be sent."""
BEFORE_HEADER = WORKING | {State.SYNCING_HEADER}
"""The states in which the header may not have been read yet. A run that is claimed may have stopped before that."""
POSTINGS: frozenset[Posting] = frozenset(get_args(Posting.__value__))


def _row(occasion: Occasion, before: Collection[State], after: Collection[State], cause: str) -> Transition[State]:
    return Transition(occasion, frozenset(before), frozenset(after), cause)


RUN_TRANSITIONS = (
    _row(Occasion.CONFIRMED, (), {State.ACCEPTED}, "the webhook, the sweep, or a reconciliation with fix"),
    _row(Occasion.CONFIRMED, {State.REJECTED}, {State.ACCEPTED}, "the same, when the invoice is confirmed after all"),
    _row(
        Occasion.HEADER_READ,
        BEFORE_HEADER,
        {State.SYNCING_HEADER},
        "the invoice was read back; again when its landed part was lost",
    ),
    _row(
        Occasion.HEADER_SENT,
        {State.ACCEPTED, State.SYNCING_HEADER},
        {State.SYNCING_ACTUALS},
        "Finance has the header",
    ),
    _row(
        Occasion.ACTUALS_SENT,
        {State.SYNCING_ACTUALS},
        {State.LINKING},
        "Finance has all actuals, and two readings agree",
    ),
    _row(Occasion.CONNECTIONS_SENT, {State.LINKING}, {State.VERIFYING}, "Finance has all connections"),
    _row(
        Occasion.BOTH_ENDS_AGREE,
        {State.VERIFYING},
        {State.COMPLETED},
        "Dataverse and Finance agree in count, money, keys and columns",
    ),
    _row(
        Occasion.NOT_CONFIRMED,
        BEFORE_HEADER,
        {State.REJECTED},
        "Dataverse does not show a confirmed project invoice",
    ),
    _row(
        Occasion.HELD_UP,
        UNDER_WAY,
        {State.NEEDS_ATTENTION},
        "rows were rejected, or the invoice is incomplete, cannot be mapped, or differs at both ends",
    ),
    _row(
        Occasion.GIVEN_UP,
        UNDER_WAY,
        {State.FAILED},
        "a service refused a reading, or a message was given up after its last try",
    ),
    _row(
        Occasion.ROWS_LOST,
        {State.COMPLETED},
        {State.NEEDS_ATTENTION},
        "a later look: Dataverse has fewer billed sales than were carried, or changes too often",
    ),
    _row(
        Occasion.READ_AGAIN,
        ALL - {State.ACCEPTED, State.SYNCING_HEADER, State.REJECTED},
        {State.SYNCING_ACTUALS},
        "Dataverse has changed, a landed part was lost, a next link expired; also a later look, a replay, or a "
        "reconciliation with fix",
    ),
    _row(
        Occasion.CLAIMED,
        OVER,
        WORKING,
        "a replay or a reconciliation with fix is about to send rows again",
    ),
    _row(
        Occasion.PUT_TO_WORK,
        ALL,
        WORKING | {State.VERIFYING},
        "a replay, a dismissal or a reconciliation with fix: the run goes on where something is left to do",
    ),
    _row(Occasion.POSTING_SEEN, {State.COMPLETED}, {State.COMPLETED}, "the write-back: see the posting"),
    _row(Occasion.WRITE_BACK_STOPPED, {State.COMPLETED}, {State.COMPLETED}, "the write-back: see the posting"),
)

POSTING_TRANSITIONS = (
    Transition(
        Occasion.BOTH_ENDS_AGREE,
        POSTINGS,
        frozenset[Posting]({"not posted"}),
        "the run is completed, perhaps again with more rows",
    ),
    Transition(
        Occasion.POSTING_SEEN,
        POSTINGS,
        POSTINGS - {"failed"},
        "a pass of the write-back has finished, or Dataverse has locked the columns",
    ),
    Transition(
        Occasion.WRITE_BACK_STOPPED,
        POSTINGS,
        frozenset[Posting]({"failed"}),
        "an error, or a message given up after its last try",
    ),
)


def leads(occasion: Occasion, before: State | None, after: State) -> bool:
    """Whether a run in state `before` (None for a new run) may get state `after` on this occasion."""
    return any(
        row.occasion == occasion and after in row.after and (before in row.before if before else not row.before)
        for row in RUN_TRANSITIONS
    )


def is_allowed(occasion: Occasion, run: Run, changed: Run) -> bool:
    """Whether both tables allow a change of a run on this occasion."""
    rows = [row for row in POSTING_TRANSITIONS if row.occasion == occasion]
    is_posting_allowed = run.posting == changed.posting or any(
        run.posting in row.before and changed.posting in row.after for row in rows
    )
    return leads(occasion, run.state, changed.state) and is_posting_allowed

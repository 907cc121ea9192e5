"""When and with what a part goes to Finance again: the decisions, apart from the acts.

start refused      nothing is known of its rows: again a little later, without end. Parts that were refused together
                   are tried apart in the end, so that one odd part does not hold up the others
failed as a whole  again as it is, as passing faults pass; a file that goes on failing is halved until the bad rows
                   stand alone, and a half is halved again at once when Finance takes in other files of its map
                   meanwhile. While it takes in none, there are at most a few such files, which wait
a row alone        is the fault itself when it fails again and again while Finance takes in others
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared.ledger.shipments import Cargo

_LONGEST_WAIT = timedelta(minutes=5)
_STAY_TOGETHER_FROM = 2
"""Starts refused. A first refusal is mostly of the moment: what has come meanwhile may go along."""
_APART_FROM = 3
_HALVED_FROM = 2
"""Failures of a file, where Finance takes in other files since the first; where it takes in none, one more."""
_MOST_FAILING = 16
"""Files that failed, above which none is halved while Finance takes in no other."""
_ROW_TRIES = 3
_LONE_ROW_TRIES = 4
_LONE_ROW_PATIENCE = timedelta(days=1)


def turned_away(cargo: Sequence[Cargo], ticket: str, why: str, now: datetime) -> list[Cargo]:
    """The parts of an import that was not started, as they wait."""
    refusals = max(item.refusals for item in cargo) + 1
    group = ticket if refusals >= _STAY_TOGETHER_FROM else ""
    return [
        replace(
            item,
            refusals=refusals,
            group=item.group or group,
            not_before=now + _wait(refusals),
            failed_at=item.failed_at or now,
            why=why,
        )
        for item in cargo
    ]


def failed(cargo: Sequence[Cargo], ticket: str, why: str, now: datetime, *, partly: bool = False) -> list[Cargo]:
    """The parts of a file that failed as a whole, as they wait. `partly` says that it only hides which rows it
    refused, so that the same file would tell no more."""
    tries = max(item.tries for item in cargo) + 1
    return [
        replace(
            item,
            tries=max(tries, _HALVED_FROM + 1) if partly else tries,
            group=item.group or ticket,
            not_before=now if partly else now + _wait(tries),
            failed_at=item.failed_at or now,
            why=why,
        )
        for item in cargo
    ]


def _wait(times: int) -> timedelta:
    return min(timedelta(seconds=2.0 ** min(times, 10)), _LONGEST_WAIT)


def evidence_since(cargo: Sequence[Cargo]) -> datetime | None:
    """The instant since which an import that took rows shows that these parts are the fault; None for parts that have
    not failed."""
    first = cargo[0]
    return (first.formed_at or first.failed_at) if any(item.tries for item in cargo) else None


def is_to_divide(cargo: Sequence[Cargo], *, works: bool, failing: int) -> bool:
    """Whether parts that are about to go together had better go apart, or in halves. `works`: Finance has taken in
    other rows of this map since; `failing` counts the files that failed and did not go through since."""
    if len(cargo) > 1 and max(item.refusals for item in cargo) >= _APART_FROM:
        return True
    if sum(item.rows for item in cargo) == 1:
        return False
    tries = max(item.tries for item in cargo)
    if works:
        return tries >= (1 if cargo[0].formed_at else _HALVED_FROM)
    return tries > _HALVED_FROM and failing < _MOST_FAILING


def halves(cargo: Sequence[Cargo], ticket: str, now: datetime) -> list[Cargo]:
    """Some parts as two groups of about as many rows, which begin anew."""
    total, before, groups = sum(item.rows for item in cargo), 0, []
    for number, item in enumerate(cargo):
        is_first = number == 0 or (before + item.rows / 2 < total / 2 and number < len(cargo) - 1)
        before += item.rows
        groups.append(replace(item, group=f"{ticket}.{0 if is_first else 1}", **_anew(now)))
    return groups


def _anew(now: datetime) -> dict[str, Any]:
    return {"tries": 0, "refusals": 0, "not_before": None, "formed_at": now, "failed_at": None}


def is_the_fault(item: Cargo, now: datetime, *, works: bool, worked_before: bool) -> bool:
    """Whether a row that stands alone, and has failed once more, is the fault itself. `works`: Finance has taken in
    other rows of this map since this one failed alone the first time; `worked_before`: since it was set apart from
    others that had failed with it."""
    tries = item.tries + 1
    if item.failed_at is None:
        return False
    waited_long = now - item.failed_at > _LONE_ROW_PATIENCE
    return (
        (works and tries >= _ROW_TRIES)
        or (worked_before and item.formed_at is not None and tries >= _LONE_ROW_TRIES)
        or (waited_long and tries >= _LONE_ROW_TRIES)
    )

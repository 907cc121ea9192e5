"""Decides when and how a part is sent to Finance again. These functions only decide; other modules act.

start refused      nothing is known about its rows: retry with backoff, without limit. Parts that were refused together
                   are separated in the end, so that one bad part does not block the others
failed as a whole  retry the same file, since the fault may be transient. If it keeps failing it is halved until the bad
                   rows are alone. A half is halved again at once if Finance accepts other files of the map
                   meanwhile. While it accepts none, the number of such files is limited, and they wait
a single row       is itself the fault if it keeps failing while Finance accepts others
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared.ledger.shipments import Cargo

_LONGEST_WAIT = timedelta(minutes=5)
# Refused starts. A first refusal is mostly transient, and parts that have arrived since may join.
_STAY_TOGETHER_FROM = 2
# Refused starts from which the parts of a group are sent separately.
_APART_FROM = 3
# A file is halved after this number of failures if Finance has accepted other files since the first one, and after
# one more failure if it has not.
_HALVED_FROM = 2
# While Finance accepts no other file, no file is halved above this number of failed files.
_MOST_FAILING = 16
# A single row is rejected after this number of failures if Finance has accepted others since its first failure alone.
_ROW_TRIES = 3
# The same if Finance has accepted others only since the row was separated, or after the patience below.
_LONE_ROW_TRIES = 4
_LONE_ROW_PATIENCE = timedelta(days=1)


def turned_away(cargo: Sequence[Cargo], ticket: str, why: str, now: datetime) -> list[Cargo]:
    """The parts of an import that was not started, with their next try."""
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
    """The parts of a file that failed as a whole, with their next try. `partly`: Finance took some of the rows and
    does not say which it refused. The same file would tell nothing new, so it is halved at once."""
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
    """The instant from which another accepted import proves that these parts are the fault. None if they have not
    failed."""
    first = cargo[0]
    return (first.formed_at or first.failed_at) if any(item.tries for item in cargo) else None


def is_to_divide(cargo: Sequence[Cargo], *, works: bool, failing: int) -> bool:
    """Whether parts that are about to be sent together should be separated or halved. `works`: Finance has accepted
    other rows of this map since. `failing` counts the files that have failed and not succeeded since."""
    if len(cargo) > 1 and max(item.refusals for item in cargo) >= _APART_FROM:
        return True
    if sum(item.rows for item in cargo) == 1:
        return False
    tries = max(item.tries for item in cargo)
    if works:
        return tries >= (1 if cargo[0].formed_at else _HALVED_FROM)
    return tries > _HALVED_FROM and failing < _MOST_FAILING


def halves(cargo: Sequence[Cargo], ticket: str, now: datetime) -> list[Cargo]:
    """The parts as two groups with about equal rows. Their counters restart."""
    total, before, groups = sum(item.rows for item in cargo), 0, []
    for number, item in enumerate(cargo):
        is_first = number == 0 or (before + item.rows / 2 < total / 2 and number < len(cargo) - 1)
        before += item.rows
        groups.append(replace(item, group=f"{ticket}.{0 if is_first else 1}", **_restarted(now)))
    return groups


def _restarted(now: datetime) -> dict[str, Any]:
    return {"tries": 0, "refusals": 0, "not_before": None, "formed_at": now, "failed_at": None}


def is_the_fault(item: Cargo, now: datetime, *, works: bool, worked_before: bool) -> bool:
    """Whether a single row that has failed again is itself the fault. `works`: Finance has accepted other rows of
    this map since this row first failed alone. `worked_before`: since it was separated from others."""
    tries = item.tries + 1
    if item.failed_at is None:
        return False
    waited_long = now - item.failed_at > _LONE_ROW_PATIENCE
    return (
        (works and tries >= _ROW_TRIES)
        or (worked_before and item.formed_at is not None and tries >= _LONE_ROW_TRIES)
        or (waited_long and tries >= _LONE_ROW_TRIES)
    )

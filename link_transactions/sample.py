"""Chooses the rows of a large invoice that are compared column by column.

The sample depends on the run's id. Every check of the same run gets the same sample, and since the id is random, the
sample is not predictable when the rows are written.
"""

import hashlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from heapq import heappush, heappushpop


@dataclass(frozen=True)
class Candidate:
    """An actual that may be compared: its key in Finance, its id in Dataverse, its company."""

    key: str
    source_id: str
    company: str


class Sample:
    """`most` of the offered rows, and at least one of each group."""

    def __init__(self, run_id: str, most: int) -> None:
        self._seed = hashlib.blake2b(run_id.encode(), digest_size=16).digest()
        self._most = most
        self._lowest: list[tuple[int, str, Candidate]] = []
        self._of_group: dict[Hashable, tuple[int, Candidate]] = {}

    def offer(self, row: Candidate, group: Hashable) -> None:
        """Offer a row. Its group is, for example, a page, a company and a currency."""
        rank = int.from_bytes(hashlib.blake2b(row.key.encode(), digest_size=8, key=self._seed).digest())
        if len(self._lowest) < self._most:
            heappush(self._lowest, (-rank, row.key, row))
        elif self._most:
            heappushpop(self._lowest, (-rank, row.key, row))
        known = self._of_group.get(group)
        if known is None or rank < known[0]:
            self._of_group[group] = (rank, row)

    def __iter__(self) -> Iterator[Candidate]:
        """The chosen rows, each once."""
        chosen = [row for _, _, row in self._lowest] + [row for _, row in self._of_group.values()]
        return iter({row.key: row for row in chosen}.values())

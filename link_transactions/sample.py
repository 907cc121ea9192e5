"""Which rows of a large invoice are compared column by column: a sample that everybody gets who looks at the same run,
and that nobody could foresee when the rows were written, since a run's id is random."""

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
    """`most` of the rows that are offered, and besides one of each group, so that none is left out wholly."""

    def __init__(self, run_id: str, most: int) -> None:
        self._seed = hashlib.blake2b(run_id.encode(), digest_size=16).digest()
        self._most = most
        self._lowest: list[tuple[int, str, Candidate]] = []
        self._of_group: dict[Hashable, tuple[int, Candidate]] = {}

    def offer(self, row: Candidate, group: Hashable) -> None:
        """Consider a row of a group (a page, a company, a currency)."""
        rank = int.from_bytes(hashlib.blake2b(row.key.encode(), digest_size=8, key=self._seed).digest())
        if len(self._lowest) < self._most:
            heappush(self._lowest, (-rank, row.key, row))
        elif self._most:
            heappushpop(self._lowest, (-rank, row.key, row))
        known = self._of_group.get(group)
        if known is None or rank < known[0]:
            self._of_group[group] = (rank, row)

    def __iter__(self) -> Iterator[Candidate]:
        """The rows that were chosen, each once."""
        chosen = [row for _, _, row in self._lowest] + [row for _, row in self._of_group.values()]
        return iter({row.key: row for row in chosen}.values())

"""All rows of one subject in the ledger, read with one query: its run, pages, parts and rejected rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.ledger.progress import Progress, progress_of
from shared.ledger.rejected_rows import RejectedRow, rejected_of
from shared.ledger.rows import RUN, page_of, part_of, run_of
from shared.ledger.run import Page, Part, Run


@dataclass(frozen=True)
class Book:
    """A snapshot of a subject's rows. A row that only a later version of the app understands raises NewerVersion
    when it is accessed, not before."""

    rows: Sequence[Mapping[str, Any]]
    changed: Mapping[str, Part] = field(default_factory=dict)
    """Parts that the reader has changed since, by their names."""

    def with_part(self, part: Part) -> "Book":
        """The book with a part as it was just saved."""
        return replace(self, changed={**self.changed, part.row_key: part})

    @property
    def run(self) -> Run | None:
        """The run. Rows that were sent without a subject have none."""
        return next((run_of(row) for row in self.rows if row["RowKey"] == RUN), None)

    def pages(self, stage: str, generation: int) -> list[Page]:
        """The pages of one stage in one reading."""
        return [page_of(row) for row in self._beginning(f"page|{stage}|{generation:04}|")]

    def pages_of_all_readings(self, stage: str) -> list[Page]:
        """The pages of one stage in all readings."""
        return [page_of(row) for row in self._beginning(f"page|{stage}|")]

    def page(self, stage: str, generation: int, number: int) -> Page | None:
        """One page of a reading."""
        return next((page for page in self.pages(stage, generation) if page.number == number), None)

    def parts(self, stage: str, generation: int) -> list[Part]:
        """The parts of one stage in one reading."""
        return [self._part(row) for row in self._beginning(f"part|{stage}|{generation:04}|")]

    def part(self, row_key: str) -> Part | None:
        """One part by its name."""
        return next((self._part(row) for row in self.rows if row["RowKey"] == row_key), None)

    @property
    def blobs(self) -> list[str]:
        """The landed parts of all stages and readings."""
        return [self._part(row).blob for row in self._beginning("part|")]

    @property
    def is_of_one_pass(self) -> bool:
        """Whether every row was read and sent once, so that no landed part was replaced."""
        parts = [self._part(row) for row in self._beginning("part|")]
        is_whole = all(part.generation == 1 and not part.path and not part.left_out for part in parts)
        return is_whole and not any(self._beginning("row|"))

    def _part(self, row: Mapping[str, Any]) -> Part:
        return self.changed.get(str(row["RowKey"])) or part_of(row)

    def rejected(self, stage: str) -> list[RejectedRow]:
        """The rejected rows of one stage, in any status."""
        return [rejected_of(row) for row in self._beginning(f"row|{stage}|")]

    def progress(self, readings: Mapping[str, int]) -> dict[str, Progress]:
        """How far each map is of which there are parts or rejected rows in its reading."""
        found = {stage: (self.parts(stage, reading), self.rejected(stage)) for stage, reading in readings.items()}
        return {stage: progress_of(parts, rows) for stage, (parts, rows) in found.items() if parts or rows}

    def _beginning(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        return (row for row in self.rows if str(row["RowKey"]).startswith(prefix))

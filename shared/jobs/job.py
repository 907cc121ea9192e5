"""An integration job: the table maps for one kind of subject, in order. Jobs are data, not code.

The files in shared/jobs have the form of a dual-write integration job: table maps in sequence, lower number first.
`load_job` refuses an invalid file with its name, the field and the reason.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.configuration.data_files import FileRefused, read_file
from shared.maps.map_parts import FieldPair
from shared.maps.table_map import MAPS, MapRefused, TableMap, check_needs, load_map
from shared.maps.transforms import Constant, ValueMap

APP = Path(__file__).parents[2]
SUBJECT = "{subject}"
INVOICES_JOB = Path(__file__).parent / "invoices.json"


class JobRefused(FileRefused):
    """A job file is invalid. The text names the file, the field and the reason."""


class _JobPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measures(_JobPart):
    """How the rows of a step are measured. The value of column `by` selects the measure; `amount` and `currency` are
    the columns with the money. Values that are not in `values` belong to the measure `others`."""

    by: str
    amount: str
    currency: str
    values: dict[str, str]
    others: str

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all measures."""
        return frozenset({*self.values.values(), self.others})

    def name_of(self, value: str) -> str:
        """The measure of a row whose column `by` holds `value`."""
        return self.values.get(value, self.others)


class Step(_JobPart):
    """One table map of a job. The name of the map identifies the step: on its queue, in the ledger, in its data
    projects.

    `rules` is the folder of the app that reads and checks its rows. `state` is the state of a run during this step.
    A step without `rules` is pure data. Then `rows` is the OData filter that chooses the rows from the table of the
    map, with `{subject}` in place of the subject's id, and the run keeps the state of the step before.
    `needs` are target columns that verification needs. `lanes` is how many imports may run at once, unless the setting
    FINANCE_LANES_<MAP> is set.

    The rows of a step are read again whenever the subject has changed in Dataverse, unless `readOnce` is set. With
    `readWith` they are read with the pages of that step, and alone only when single rows are sent again. With
    `heldUntil`, rows that were read so are not sent before that step is finished.
    """

    # It names a queue, too, and queue names have no capital letters and no underscore.
    map: str = Field(pattern=r"^[a-z][a-z0-9]{0,39}$")
    title: str = ""
    sequence: int = Field(ge=1)
    direction: Literal["toFinance"]
    rules: str = Field("", pattern=r"^([a-z][a-z_]*)?$")
    state: str = ""
    rows: str = ""
    readOnce: bool = False  # noqa: N815 - named as in map files
    readWith: str = ""  # noqa: N815
    heldUntil: str = ""  # noqa: N815
    measures: Measures | None = None
    needs: tuple[str, ...] = ()
    lanes: int = Field(1, ge=1, le=16)

    @property
    def shown(self) -> str:
        """The name for display."""
        return self.title or self.map

    @property
    def columns_needed(self) -> tuple[str, ...]:
        """The target columns that verification and the measures need."""
        measured = (self.measures.by, self.measures.amount, self.measures.currency) if self.measures else ()
        return (*self.needs, *(column for column in measured if column not in self.needs))

    @model_validator(mode="after")
    def _has_its_folder(self) -> Self:
        if not self.rules:
            self._check_plain()
        # Without functions in such a folder, nothing would take the messages of this step off their queue.
        elif not (APP / self.rules / "functions.py").is_file():
            raise ValueError(f"rules: there is no folder {self.rules} with the functions of this step")
        elif not self.state or self.rows:
            raise ValueError("a step with rules has a state, and no rows: its rules choose them")
        return self

    def _check_plain(self) -> None:
        if SUBJECT not in self.rows:
            raise ValueError(f"rows: a step without rules needs a filter with {SUBJECT} in it")
        if self.state or self.readOnce or self.readWith or self.heldUntil:
            raise ValueError("a step without rules has no state, readOnce, readWith or heldUntil")

    def rows_of(self, subject: str) -> str:
        """The filter that chooses the rows of a subject."""
        return self.rows.replace(SUBJECT, subject)


class Job(_JobPart):
    """An integration job, validated. `subject` is what a run is about. `verify` names the step whose rules compare
    both sides and complete the run."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]{0,39}$")
    title: str
    start: Literal["confirmation"]
    subject: Literal["invoice"]
    steps: tuple[Step, ...] = Field(min_length=1)
    verify: str

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names, numbers = self.maps, [step.sequence for step in self.steps]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"steps: map {', '.join(sorted(doubled))} is given twice")
        if numbers != sorted(set(numbers)):
            raise ValueError(f"steps: sequence must rise from step to step, and is {', '.join(map(str, numbers))}")
        ruled = [step.map for step in self.steps if step.rules]
        if not self.steps[0].rules:
            raise ValueError("steps: the first one needs rules")
        # A run is completed by the comparison, so every step with rules has to be over before it.
        if self.verify != ruled[-1]:
            raise ValueError(f"verify: must be the last step with rules, {ruled[-1]}")
        if sum(step.measures is not None for step in self.steps) != 1:
            raise ValueError("steps: one of them has measures, runs are verified by it")
        for number, step in enumerate(self.steps):
            self._check_order(number, step)
        if all(step.readOnce for step in self.steps):
            raise ValueError("steps: at least one must be read again when its subject has changed, without readOnce")
        return self

    def _check_order(self, number: int, step: Step) -> None:
        if number and step.rules and not self.steps[number - 1].rules:
            raise ValueError(f"steps[{number}]: a step with rules comes before all steps that have none")
        for word, other in (("readWith", step.readWith), ("heldUntil", step.heldUntil)):
            if other and other not in self.maps[:number]:
                raise ValueError(f"steps[{number}].{word}: {other} is not the map of an earlier step")

    @cached_property
    def maps(self) -> tuple[str, ...]:
        """The maps of its steps, in sequence."""
        return tuple(step.map for step in self.steps)

    @property
    def first(self) -> str:
        """The step with which a run begins."""
        return self.maps[0]

    @cached_property
    def counted(self) -> Step:
        """The step whose rows are measured, and compared when a run is verified."""
        return next(step for step in self.steps if step.measures)

    @cached_property
    def reread(self) -> tuple[str, ...]:
        """The steps that are read again when the subject has changed, in sequence."""
        return tuple(step.map for step in self.steps if not step.readOnce)

    def step(self, name: str) -> Step:
        """The step of a map. Raises KeyError if the job has no such map."""
        return self._by_map[name]

    @cached_property
    def _by_map(self) -> dict[str, Step]:
        return {step.map: step for step in self.steps}

    @cached_property
    def queues(self) -> tuple[str, ...]:
        """The queues of the steps that have rules; all others share one."""
        return tuple(step.map for step in self.steps if step.rules)

    @cached_property
    def plain(self) -> tuple[Step, ...]:
        """The steps that are pure data."""
        return tuple(step for step in self.steps if not step.rules)

    def state_of(self, name: str) -> str:
        """What a run is called while a step is under way."""
        before = [step.state for step in self.steps[: self.maps.index(name) + 1] if step.state]
        return before[-1]


def load_job(file: Path = INVOICES_JOB) -> Job:
    """Read a job. Raises JobRefused."""
    try:
        return read_file(file, Job, "job")
    except FileRefused as refused:
        raise JobRefused(str(refused)) from refused.__cause__


def refuse_unserved(job: Job, served: Mapping[str, str]) -> None:
    """Refuse a step whose rules have no trigger on its queue: its messages would wait for ever. `served` names the
    folder of each queue's trigger. Raises JobRefused."""
    for number, step in enumerate(job.steps):
        if step.rules and served.get(step.map) != step.rules:
            reason = f"{step.rules} has no trigger on queue {step.map}"
            raise JobRefused(f"{job.name}.json refused:\n  steps[{number}].rules: {reason}")


def load_maps(job: Job | None = None, folder: Path = MAPS) -> dict[str, TableMap]:
    """Read the maps of a job (default: the shipped job). Raises MapRefused and JobRefused."""
    job = job or load_job()
    steps = job.steps
    for number, step in enumerate(steps):
        if not (folder / f"{step.map}.json").is_file():
            raise JobRefused(
                f"{job.name}.json refused:\n  steps[{number}].map: there is no {step.map}.json in {folder}"
            )
    maps = {step.map: load_map(step.map, folder, needs=step.columns_needed) for step in steps}
    for step in steps:
        check_map(step, maps[step.map])
    return maps


def check_map(step: Step, table_map: TableMap) -> None:
    """Refuse a map with which a step cannot work. Raises MapRefused."""
    check_needs(step.map, table_map, step.columns_needed)
    by_target = {pair.target: pair for pair in table_map.outgoing}
    if fixed := [name for name in step.columns_needed if isinstance(by_target[name].transform, Constant)]:
        raise MapRefused(
            f"{step.map}.json refused: fields: {', '.join(fixed)} cannot be a constant, runs are verified by it"
        )
    if step.measures:
        _check_measures(step, step.measures, by_target[step.measures.by])
    if not step.rules and table_map.source_column is None:
        key = table_map.source.key
        raise MapRefused(f"{step.map}.json refused: fields: one must send {key}, rows are sent again by it")


def _check_measures(step: Step, measures: Measures, pair: FieldPair) -> None:
    """Refuse a map whose names are not those of the measures, to the letter: its rows would be counted as others."""
    names = pair.transform.values.keys() if isinstance(pair.transform, ValueMap) else ()
    if missing := [name for name in measures.values if name not in names]:
        raise MapRefused(
            f"{step.map}.json refused: fields: {pair.target} needs a value map with {', '.join(missing)}, written so: "
            "runs are verified by it"
        )

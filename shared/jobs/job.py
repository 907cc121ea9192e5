"""An integration job: the table maps for one kind of subject, in order. Jobs are data, not code.

The files in shared/jobs have the form of a dual-write integration job: table maps in sequence, lower number first.
`load_job` refuses an invalid file with its name, the field and the reason.
"""

from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.configuration.data_files import FileRefused, read_file
from shared.maps.table_map import MAPS, TableMap, load_map

APP = Path(__file__).parents[2]
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

    def name_of(self, value: str) -> str:
        """The measure of a row whose column `by` holds `value`."""
        return self.values.get(value, self.others)


class Step(_JobPart):
    """One table map of a job. The name of the map identifies the step: on its queue, in the ledger, in its data
    projects.

    `rules` is the folder of the app that reads and checks its rows. `state` is the state of a run during this step.
    `needs` are target columns that verification needs. `lanes` is how many imports may run at once, unless the setting
    FINANCE_LANES_<MAP> is set.

    The rows of a step are read again whenever the subject has changed in Dataverse, unless `readOnce` is set. With
    `readWith` they are read with the pages of that step, and alone only when single rows are sent again. With
    `heldUntil`, rows that were read so are not sent before that step is finished.
    """

    map: str = Field(pattern=r"^[a-z][a-z0-9]{0,39}$")
    title: str = ""
    sequence: int = Field(ge=1)
    direction: Literal["toFinance"]
    rules: str = Field(pattern=r"^[a-z][a-z_]*$")
    state: str
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

    @model_validator(mode="after")
    def _has_its_folder(self) -> Self:
        if not (APP / self.rules / "functions.py").is_file():
            raise ValueError(f"rules: there is no folder {self.rules} with the functions of this step")
        return self


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
            raise ValueError("steps: sequence must rise from step to step")
        if self.verify not in names:
            raise ValueError(f"verify: {self.verify} is not a map of this job")
        for number, step in enumerate(self.steps):
            self._check_order(number, step)
        if all(step.readOnce for step in self.steps):
            raise ValueError("steps: at least one must be read again when its subject has changed, without readOnce")
        return self

    def _check_order(self, number: int, step: Step) -> None:
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
        """The queues of its steps."""
        return self.maps


def load_job(file: Path = INVOICES_JOB) -> Job:
    """Read a job. Raises JobRefused."""
    try:
        return read_file(file, Job, "job")
    except FileRefused as refused:
        raise JobRefused(str(refused)) from refused.__cause__


def load_maps(job: Job | None = None, folder: Path = MAPS) -> dict[str, TableMap]:
    """Read the maps of a job (default: the shipped job). Raises MapRefused and JobRefused."""
    return {step.map: load_map(step.map, folder, needs=step.needs) for step in (job or load_job()).steps}

"""An integration job: which table maps carry what belongs to its subject, and in which order. Data, not code.

The files in shared/jobs have the shape of an integration job of dual-write: table maps in sequence, the lower number
first. `load_job` refuses a wrong one with the file, the field and the reason.
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
    """A job file is wrong. The text names the file, the field and the reason."""


class _JobPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measures(_JobPart):
    """How the rows of a step are counted: what the column `by` holds names the measure, `amount` and `currency` the
    columns of the money. `others` is the measure of what `values` does not name."""

    by: str
    amount: str
    currency: str
    values: dict[str, str]
    others: str

    def name_of(self, value: str) -> str:
        """The measure of a row whose column `by` holds `value`."""
        return self.values.get(value, self.others)


class Step(_JobPart):
    """One table map of a job. A step is known by the name of its map: on its queue, in the ledger, in its projects.

    `rules` is the folder of the app that reads and judges its rows, and `state` what a run is called while the step is
    under way. `needs` are the target columns without which a run could not be verified. `lanes` is how many imports may
    run at once, unless the setting FINANCE_LANES_<MAP> says otherwise.

    Rows of a step are read again whenever the subject has changed in Dataverse, unless it says `readOnce`. With
    `readWith` they come with the pages of that step, and by themselves only when some are sent again; with `heldUntil`
    what came so is not sent before that step is over.
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
        """What people call it."""
        return self.title or self.map

    @model_validator(mode="after")
    def _has_its_folder(self) -> Self:
        if not (APP / self.rules / "functions.py").is_file():
            raise ValueError(f"rules: there is no folder {self.rules} with the functions of this step")
        return self


class Job(_JobPart):
    """One integration job, checked. `subject` is what a run is about; `verify` names the step whose rules compare both
    ends and complete the run."""

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
            raise ValueError(f"verify: {self.verify} is no map of this job")
        for number, step in enumerate(self.steps):
            self._check_order(number, step)
        if all(step.readOnce for step in self.steps):
            raise ValueError("steps: at least one must be read again when its subject has changed, without readOnce")
        return self

    def _check_order(self, number: int, step: Step) -> None:
        for word, other in (("readWith", step.readWith), ("heldUntil", step.heldUntil)):
            if other and other not in self.maps[:number]:
                raise ValueError(f"steps[{number}].{word}: {other} is no map of an earlier step")

    @cached_property
    def maps(self) -> tuple[str, ...]:
        """The maps of its steps, in their sequence."""
        return tuple(step.map for step in self.steps)

    @property
    def first(self) -> str:
        """The step with which a run begins."""
        return self.maps[0]

    @cached_property
    def reread(self) -> tuple[str, ...]:
        """The steps that are read again when the subject has changed, the first of them before the others."""
        return tuple(step.map for step in self.steps if not step.readOnce)

    def step(self, name: str) -> Step:
        """The step of a map. Raises KeyError where the job has none of that name."""
        return self._by_map[name]

    @cached_property
    def _by_map(self) -> dict[str, Step]:
        return {step.map: step for step in self.steps}

    @cached_property
    def queues(self) -> tuple[str, ...]:
        """The queues on which its steps are worked on."""
        return self.maps


def load_job(file: Path = INVOICES_JOB) -> Job:
    """Read a job. Raises JobRefused."""
    try:
        return read_file(file, Job, "job")
    except FileRefused as refused:
        raise JobRefused(str(refused)) from refused.__cause__


def load_maps(job: Job | None = None, folder: Path = MAPS) -> dict[str, TableMap]:
    """Read the maps of a job, or of the one that comes with the app. Raises MapRefused, and JobRefused."""
    return {step.map: load_map(step.map, folder, needs=step.needs) for step in (job or load_job()).steps}

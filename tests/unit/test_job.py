"""A job is data: the shipped one loads, a wrong one is refused with file, field and reason."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from shared.jobs.job import INVOICES_JOB, JobRefused, load_job, load_maps
from shared.maps.table_map import MapRefused
from shared.wiring import queues_of, with_known_states

DOORS = ("confirm_invoice", "sync_actuals", "link_transactions", "run_jobs", "write_back")
ROOT = Path(__file__).parents[2]
PLAIN = {"map": "details", "sequence": 4, "direction": "toFinance", "rows": "_invoice_value eq {subject}"}


def _spoil(tmp_path: Path, change: Any) -> Path:
    raw = copy.deepcopy(json.loads(INVOICES_JOB.read_text("utf-8")))
    change(raw)
    (tmp_path / "invoices.json").write_text(json.dumps(raw), "utf-8")
    return tmp_path / "invoices.json"


def test_the_queues_of_the_shipped_job_keep_their_names() -> None:
    assert queues_of(load_job()) == (
        "invoices",
        "actuals",
        "transactionconnections",
        "jobs",
        "write-back",
        "operations",
    )


def test_what_is_read_with_another_step_follows_it_and_is_read_again_with_it() -> None:
    job = load_job()
    assert (job.first, job.reread) == ("invoices", ("actuals", "transactionconnections"))
    assert (job.step("transactionconnections").readWith, job.step("transactionconnections").heldUntil) == (
        "actuals",
        "actuals",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw.update(comment="x"), "comment: is not a field of a job"),
        (lambda raw: raw.pop("title"), "title: is missing"),
        (lambda raw: raw.update(start="sometimes"), "start: Input should be 'confirmation'"),
        (
            lambda raw: raw.update(verify="customers"),
            "verify: must be the last step with rules, transactionconnections",
        ),
        (
            lambda raw: raw["steps"][1].update(direction="sideways"),
            r"steps\[1\].direction: Input should be 'toFinance'",
        ),
        (
            lambda raw: raw["steps"][1].update(rules="sync_customers"),
            r"steps\[1\]: rules: there is no folder sync_cust",
        ),
        (lambda raw: raw["steps"][1].update(lanes=17), r"steps\[1\].lanes: .*less than or equal to 16"),
        (lambda raw: raw["steps"][1].update(map="../secrets"), r"steps\[1\].map: "),
        (lambda raw: raw["steps"][1].update(map="invoices"), "steps: map invoices is given twice"),
        (lambda raw: raw["steps"][1].update(sequence=3), "steps: sequence must rise .* is 1, 3, 3$"),
        (lambda raw: raw["steps"][1].update(readWith="transactionconnections"), r"steps\[1\].readWith: .*earlier step"),
        (lambda raw: raw["steps"][2].update(heldUntil="customers"), r"steps\[2\].heldUntil: customers is not the map"),
        (lambda raw: raw["steps"][1].pop("state"), r"steps\[1\]: a step with rules has a state"),
        (lambda raw: raw["steps"][1].pop("rules"), r"steps\[1\]: rows: .* needs a filter with {subject}"),
        (lambda raw: raw["steps"].append(PLAIN | {"readOnce": True}), r"steps\[3\]: .* has no state, readOnce"),
        (lambda raw: raw["steps"].insert(2, PLAIN | {"sequence": 2}), "steps: sequence must rise"),
        (lambda raw: raw["steps"].insert(0, PLAIN | {"sequence": 0}), r"steps\[0\].sequence"),
        (lambda raw: raw.update(steps=[PLAIN]), "steps: the first one needs rules"),
        (lambda raw: raw["steps"][1].pop("measures"), "steps: one of them has measures"),
        (lambda raw: raw["steps"].clear(), "steps: needs at least 1 entry"),
    ],
)
def test_a_wrong_job_is_refused_with_file_field_and_reason(tmp_path: Path, change: Any, reason: str) -> None:
    with pytest.raises(JobRefused, match=reason) as refused:
        load_job(_spoil(tmp_path, change))
    assert "invoices.json refused" in str(refused.value)


def test_a_job_that_is_no_json_or_says_a_thing_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "invoices.json"
    file.write_text("{", "utf-8")
    with pytest.raises(JobRefused, match=r"invoices\.json refused: "):
        load_job(file)
    file.write_text('{"name": "a", "name": "b"}', "utf-8")
    with pytest.raises(JobRefused, match="name is given twice"):
        load_job(file)


def test_a_step_whose_map_is_missing_is_refused_with_the_file_of_the_map(tmp_path: Path) -> None:
    job = load_job(_spoil(tmp_path, lambda raw: raw["steps"].append(PLAIN)))
    with pytest.raises(JobRefused, match=r"invoices\.json refused:\n  steps\[3\]\.map: there is no details\.json in "):
        load_maps(job)


def test_a_state_that_no_run_can_be_in_is_refused(tmp_path: Path) -> None:
    assert with_known_states(load_job()) == load_job()
    job = load_job(_spoil(tmp_path, lambda raw: raw["steps"][1].update(state="syncing aktuals")))
    with pytest.raises(JobRefused, match=r"invoices\.json refused:\n  steps\[1\]\.state: .*; known are accepted, "):
        with_known_states(job)


def test_a_measure_of_a_column_that_is_not_sent_is_refused(tmp_path: Path) -> None:
    job = load_job(_spoil(tmp_path, lambda raw: raw["steps"][1]["measures"].update(amount="AMOUNTT")))
    with pytest.raises(MapRefused, match=r"actuals\.json refused: fields: AMOUNTT must go to Finance"):
        load_maps(job)


def test_the_names_of_the_maps_stand_in_no_other_list() -> None:
    """Where all three stand within three lines of code, they are a list that a fourth map would be missing from."""
    found, names = [], [f'"{name}"' for name in load_job().maps]
    for folder in (*DOORS, "operate", "shared"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in {".py", ".js"} and file.name != "codes.py":
                lines = file.read_text("utf-8").splitlines()
                near = ["".join(lines[at : at + 3]) for at in range(len(lines))]
                found += [file for text in near if all(name in text for name in names)]
    assert found == []

"""A wrong setting or a wrong map is refused when the host starts, before anything is accepted."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.processes import PROJECT
from tests.unit.test_settings import GOOD
from tests.write_back.test_strategies import DEPLOYED


def _start(root: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    file = root / "local.settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", **settings}}))
    command = [sys.executable, "-m", "devhost", "--root", str(root), "--settings", str(file), "--port", "0"]
    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A copy of what is deployed, and nothing else."""
    for name in DEPLOYED:
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("function_app.py", "host.json"):
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def test_missing_and_malformed_settings_are_all_named(deployed: Path) -> None:
    wrong = {**GOOD, "DATAVERSE_TIME_ZONE": "Berlin", "FINANCE_LANES_ACTUALS": "0"}
    del wrong["FINANCE_URL"]
    ended = _start(deployed, wrong)
    assert ended.returncode == 1
    assert "FINANCE_URL: is missing" in ended.stderr
    assert "DATAVERSE_TIME_ZONE: must be an IANA time zone" in ended.stderr
    assert "FINANCE_LANES_ACTUALS: " in ended.stderr


def test_a_wrong_map_is_named_with_its_field(deployed: Path) -> None:
    file = deployed / "shared" / "maps" / "actuals.json"
    file.write_text(
        file.read_text("utf-8").replace('"source": "msdyn_quantity"', '"sourse": "msdyn_quantity"'), "utf-8"
    )
    ended = _start(deployed, GOOD)
    assert ended.returncode == 1
    assert "actuals.json refused" in ended.stderr
    assert "sourse: is not a field of a map" in ended.stderr


def test_a_step_whose_rules_serve_another_queue_is_named(deployed: Path) -> None:
    file = deployed / "shared" / "jobs" / "invoices.json"
    file.write_text(file.read_text("utf-8").replace('"rules": "sync_actuals"', '"rules": "write_back"'), "utf-8")
    ended = _start(deployed, GOOD)
    assert ended.returncode == 1
    assert "steps[1].rules: write_back has no trigger on queue actuals" in ended.stderr

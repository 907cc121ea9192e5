"""`relay maps`: a map is looked through here, checked by the app, and put into use with consent."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from relay_cli.problems import ExitCode
from shared.maps.table_map import MAPS, load_map
from tests.relay_cli.app import KEY, FakeApp, error
from tests.relay_cli.command import environment, relay

OLD, NEW = "0" * 32, "1" * 32
TEXT = (MAPS / "actuals.json").read_text("utf-8")
CONTENT = load_map("actuals").document
NO_APP = environment(None, None)


def _file(digest: str, version: str, **changes: Any) -> dict[str, Any]:
    return {
        "map": "actuals",
        "digest": digest,
        "version": version,
        "content": {**CONTENT, "version": version, **changes},
    }


@pytest.fixture
def actuals(tmp_path: Path) -> Path:
    """A map file like the shipped one."""
    file = tmp_path / "actuals.json"
    file.write_text(TEXT, "utf-8")
    return file


def test_a_file_is_checked_without_an_app(actuals: Path) -> None:
    ended = relay("maps", "check", "actuals", str(actuals), env=NO_APP)
    assert (ended.code, ended.stdout.strip()) == (ExitCode.FINE, "0 faults, 0 warnings")


def test_the_packages_of_the_wheel_are_enough_to_check_a_file(actuals: Path, tmp_path: Path) -> None:
    """`shared` is in the wheel only as far as this needs it."""
    project = MAPS.parents[1]
    named = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    site = tmp_path / "site"
    for pattern in named:
        folder = project / pattern.removesuffix("*").replace(".", "/")
        for file in folder.rglob("*") if pattern.endswith("*") else folder.glob("*"):
            if file.suffix in {".py", ".json"}:
                copy = site / file.relative_to(project)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, copy)
    # An editable installation would find the rest of the project.
    alone = (
        "import runpy, sys; sys.meta_path = [f for f in sys.meta_path if 'Editable' not in getattr(f, '__name__', '')]"
    )
    command = [sys.executable, "-c", f"{alone}; runpy.run_module('relay_cli', run_name='__main__')"]
    call = [*command, "maps", "check", "actuals", str(actuals)]
    env = NO_APP | {"PYTHONPATH": str(site)}
    done = subprocess.run(call, env=env, cwd=site, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert (done.returncode, done.stdout.strip()) == (0, "0 faults, 0 warnings"), done.stderr


def test_a_map_of_an_unknown_name_is_not_compared_and_that_is_said(actuals: Path) -> None:
    ended = relay("maps", "check", "actual", str(actuals), env=NO_APP)
    assert (ended.code, "no map actual" in ended.stderr) == (ExitCode.FINE, True)


def test_a_file_that_is_no_dual_write_map_is_told_what_it_should_be(
    app: FakeApp, env: dict[str, str], actuals: Path, tmp_path: Path
) -> None:
    app.answers["POST /api/maps/actuals/translations"] = _translation(content=None, found="it has no legs", report=[])
    ended = relay("maps", "import", "actuals", "--from", str(actuals), "--out", str(tmp_path / "x.json"), env=env)
    assert (ended.code, "The file holds the JSON of msdyn_mapping" in ended.stderr) == (ExitCode.USAGE, True)
    assert "--from" not in ended.stderr


def test_a_fault_is_told_with_line_and_column(actuals: Path) -> None:
    actuals.write_text(TEXT.replace('"direction": "toFinance"}', '"direction": "there"}', 1), "utf-8")
    ended = relay("maps", "check", "actuals", str(actuals), "--against", env=NO_APP)
    line = next(n for n, text in enumerate(actuals.read_text().splitlines(), 1) if "there" in text)
    column = actuals.read_text().splitlines()[line - 1].index('"there"') + 1
    assert ended.code == ExitCode.FAILED
    assert f"{actuals}:{line}:{column}: fields[1].direction: Input should be 'toFinance'" in ended.stdout
    found = relay("maps", "check", "actuals", str(actuals), "--json", env=NO_APP).document
    assert len(found["faults"]) == 1


def test_what_is_no_json_has_a_place_and_what_is_no_file_a_reason(actuals: Path, tmp_path: Path) -> None:
    actuals.write_text("{", "utf-8")
    assert f"{actuals}:1:2: no JSON" in relay("maps", "check", "actuals", str(actuals), env=NO_APP).stdout
    ended = relay("maps", "check", "actuals", str(tmp_path / "none.json"), env=NO_APP)
    assert ended.code == ExitCode.USAGE
    assert "cannot be read" in ended.stderr


def test_against_the_tenant_the_row_is_shown_before_and_after(app: FakeApp, env: dict[str, str], actuals: Path) -> None:
    sample = {
        "sourceId": "a-1",
        "before": {"AMOUNT": "1", "NOTE": None},
        "after": {"AMOUNT": "1", "NOTE": "x"},
        "refused": "",
    }
    remark = {"verdict": "fail", "about": "NOTE", "text": "Finance has no NOTE", "nextStep": "Correct the map"}
    check = {"map": "actuals", "digest": NEW, "version": "9", "passed": False, "proven": False, "remarks": [remark]}
    app.answers["POST /api/maps/actuals/checks"] = check | {"sample": sample}
    ended = relay("maps", "check", "actuals", str(actuals), "--against", env=env)
    assert ended.code == ExitCode.FAILED
    assert app.asked("POST /api/maps/actuals/checks")[0]["content"]["fields"]
    assert "Finance has no NOTE. Correct the map" in ended.stdout
    assert "Row a-1: 1 column alike" in ended.stdout
    assert [line.split() for line in ended.stdout.splitlines() if line.startswith("NOTE")] == [
        ["NOTE", "(not", "sent)", "x"]
    ]


def _translation(**changes: Any) -> dict[str, Any]:
    line = {"kind": "changed", "target": "PROJECTID", "source": "msdyn_Project.msdyn_projectnumber", "text": "renamed"}
    standard = {
        "map": "actuals",
        "found": "version 1.0.0.16",
        "content": CONTENT,
        "report": [line],
        "running": True,
        "faults": [],
    }
    return standard | changes


def test_an_import_writes_a_file_and_never_over_another_one(app: FakeApp, env: dict[str, str], tmp_path: Path) -> None:
    app.answers["POST /api/maps/actuals/translations"] = _translation()
    file = tmp_path / "ours.json"
    ended = relay("maps", "import", "actuals", "--out", str(file), env=env)
    assert ended.code == ExitCode.FINE
    assert "0 taken, 1 changed, 0 untranslatable, 0 missing" in ended.stdout
    assert json.loads(file.read_text()) == CONTENT
    # One line for each field, so that two files are compared line by line.
    assert sum('"target": "' in line for line in file.read_text().splitlines()) == len(CONTENT["fields"])
    assert relay("maps", "import", "actuals", "--out", str(file), env=env).code == ExitCode.FINE
    file.write_text("mine", "utf-8")
    refused = relay("maps", "import", "actuals", "--out", str(file), env=env)
    assert (refused.code, file.read_text()) == (ExitCode.USAGE, "mine")
    assert "--overwrite" in refused.stderr
    assert relay("maps", "import", "actuals", "--out", str(file), "--overwrite", env=env).code == ExitCode.FINE


def test_an_import_with_faults_is_written_and_said(app: FakeApp, env: dict[str, str], tmp_path: Path) -> None:
    app.answers["POST /api/maps/actuals/translations"] = _translation(faults=["AMOUNT must go to Finance"])
    ended = relay("maps", "import", "actuals", "--out", str(tmp_path / "x.json"), env=env)
    assert ended.code == ExitCode.FAILED
    assert "AMOUNT must go to Finance" in ended.stdout


def test_without_dual_write_nothing_is_imported(app: FakeApp, env: dict[str, str], tmp_path: Path) -> None:
    app.answers["POST /api/maps/actuals/translations"] = _translation(content=None, found="no dual-write", report=[])
    ended = relay("maps", "import", "actuals", "--out", str(tmp_path / "x.json"), env=env)
    assert ended.code == ExitCode.USAGE
    assert "no dual-write" in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ['{"legs": []}', '{"value": [{"msdyn_mapping": "{}"}]}', '{"msdyn_mapping": "{}"}'])
def test_an_exported_row_or_its_content_is_sent(
    app: FakeApp, env: dict[str, str], tmp_path: Path, content: str
) -> None:
    app.answers["POST /api/maps/actuals/translations"] = _translation()
    given = tmp_path / "given.json"
    given.write_text(content, "utf-8")
    relay("maps", "import", "actuals", "--from", str(given), "--out", str(tmp_path / "x.json"), env=env)
    [body] = app.asked("POST /api/maps/actuals/translations")
    assert body["mapping"] in ({"legs": []}, {"msdyn_mapping": "{}"})


def test_four_versions_are_compared(app: FakeApp, env: dict[str, str]) -> None:
    files = {"base": _file(OLD, "1"), "shipped": _file("", "2"), "active": _file(NEW, "1", company=None)}
    app.answers |= {f"GET /api/maps/actuals/files/{name}": answer for name, answer in files.items()}
    app.answers["POST /api/maps/actuals/translations"] = _translation(content=None, found="no dual-write", report=[])
    ended = relay("maps", "diff", "actuals", "--json", env=env)
    assert ended.document["live"] == "no dual-write"
    company = "msdyn_Project.msdyn_owningcompany.cdm_companycode"
    assert {
        each["about"]: (each["base"], each["shipped"], each["yours"]) for each in ended.document["differences"]
    } == {
        "version": ("1", "2", "1"),
        "company": (company, company, "-"),
    }


def test_pushing_takes_the_administrator_s_key(app: FakeApp, env: dict[str, str], actuals: Path) -> None:
    app.answers["POST /api/maps/actuals/files"] = {"map": "actuals", "digest": NEW, "version": "1.0.0.16"}
    refused = relay("maps", "push", "actuals", str(actuals), env=env | {"RELAY_ADMINISTRATOR_KEY": "another-key"})
    assert refused.code == ExitCode.NOT_ALLOWED
    assert "master key" in refused.stderr
    done = relay("maps", "push", "actuals", str(actuals), env=env | {"RELAY_KEY": "x", "RELAY_ADMINISTRATOR_KEY": KEY})
    assert done.code == ExitCode.FINE
    assert f"relay maps activate actuals {NEW[:12]}" in done.stderr


def test_a_file_with_faults_is_not_pushed(app: FakeApp, env: dict[str, str], actuals: Path) -> None:
    actuals.write_text("{}", "utf-8")
    ended = relay("maps", "push", "actuals", str(actuals), env=env)
    assert (ended.code, app.requests) == (ExitCode.USAGE, [])
    assert f"{actuals}:1:1: fields: is missing" in ended.stderr


@pytest.fixture
def stored(app: FakeApp) -> FakeApp:
    """An app with two maps."""
    app.answers["GET /api/maps/actuals/files/active"] = _file(OLD, "1")
    app.answers["GET /api/maps/actuals/files/111111"] = _file(NEW, "2")
    done = {"map": "actuals", "digest": NEW, "version": "2", "before": OLD, "withinSeconds": 10}
    app.answers["POST /api/maps/actuals/activations"] = done
    return app


def test_a_map_is_put_into_use_instead_of_the_one_that_was_shown(stored: FakeApp, env: dict[str, str]) -> None:
    ended = relay("maps", "activate", "actuals", "111111", "--yes", "--by", "kim", env=env)
    assert ended.code == ExitCode.FINE
    body = {"digest": NEW, "insteadOf": OLD, "unproven": False, "by": "kim"}
    assert stored.asked("POST /api/maps/actuals/activations") == [body]
    assert "is in use within 10 seconds" in ended.stdout
    assert f"relay maps activate actuals {OLD[:12]}" in ended.stderr


def test_nothing_is_put_into_use_without_consent(stored: FakeApp, env: dict[str, str]) -> None:
    assert relay("maps", "activate", "actuals", "111111", env=env).code == ExitCode.USAGE
    shown = relay("maps", "activate", "actuals", "111111", "--dry-run", env=env)
    assert shown.code == ExitCode.FINE
    assert "Would change actuals: use 111111111111 (version 2) instead of 000000000000" in shown.stderr
    assert not stored.asked("POST /api/maps/actuals/activations")


def test_a_map_that_does_not_fit_says_why(stored: FakeApp, env: dict[str, str]) -> None:
    reason = "actuals.json does not fit the tenant: NOTE: Finance has no NOTE"
    stored.answers["POST /api/maps/actuals/activations"] = error(409, "mapRefused", reason)
    ended = relay("maps", "activate", "actuals", "111111", "--yes", env=env)
    assert ended.code == ExitCode.USAGE
    assert reason in ended.stderr


def test_the_history_and_the_list(app: FakeApp, env: dict[str, str]) -> None:
    activation = {"digest": NEW, "version": "2", "at": "2026-11-20T14:02:10Z", "by": "kim"}
    files = [{"digest": NEW, "version": "2", "at": "2026-11-20T14:00:00Z", "by": "kim"}]
    app.answers["GET /api/maps/actuals/history"] = {
        "map": "actuals",
        "inUse": NEW,
        "activations": [activation],
        "stored": files,
    }
    assert "in use" in relay("maps", "history", "actuals", env=env).stdout
    one: dict[str, Any] = {
        "map": "actuals",
        "version": "2",
        "digest": NEW,
        "shippedVersion": "3",
        "shippedDigest": "2" * 32,
    }
    one |= {"baseDigest": OLD, "activated": activation, "problem": ""}
    app.answers["GET /api/maps"] = {"maps": [one]}
    assert "the shipped map has changed since (3): relay maps diff actuals" in relay("maps", "list", env=env).stdout


def test_a_file_is_shown_as_it_is_laid_out(app: FakeApp, env: dict[str, str]) -> None:
    app.answers["GET /api/maps/actuals/files/shipped"] = _file("", "1.0.0.16")
    ended = relay("maps", "show", "actuals", "shipped", env=env)
    assert json.loads(ended.stdout) == CONTENT

"""A package that would not run in Azure is refused with one sentence that says what to do."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.package import SITE_PACKAGES, PackageRefused, make_zip, packaged, refuse_incomplete, refuse_old_pip
from simulators.processes import PROJECT


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The smallest app that is complete: one dependency."""
    shutil.copy(PROJECT / ".funcignore", tmp_path)
    (tmp_path / "function_app.py").touch()
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0"}))
    (tmp_path / "requirements.txt").write_text("-c constraints.txt\nazure-data_tables==12.7.0\n")
    installed = tmp_path / SITE_PACKAGES / "azure_data_tables-12.7.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").touch()
    return tmp_path


def test_a_complete_package_is_not_refused(app: Path) -> None:
    refuse_incomplete(app)
    make_zip(app, app / ".local" / "package.zip")
    assert not {path.parts[0] for path in packaged(app)} & {".local", ".funcignore.swp"}


@pytest.mark.parametrize("missing", ["host.json", "function_app.py"])
def test_a_package_without_the_app_is_refused(app: Path, missing: str) -> None:
    (app / missing).unlink()
    with pytest.raises(PackageRefused, match=f"^{missing} is not in the package, so it would have no functions"):
        refuse_incomplete(app)


def test_a_package_without_dependencies_is_refused(app: Path) -> None:
    shutil.rmtree(app / SITE_PACKAGES)
    with pytest.raises(PackageRefused, match=r"^azure-data_tables==12\.7\.0 is not in the package, .*make package"):
        make_zip(app, app / "package.zip")
    assert not (app / "package.zip").exists()


def test_a_package_with_another_version_of_a_dependency_is_refused(app: Path) -> None:
    (app / "requirements.txt").write_text("azure-data-tables==12.7.1\n")
    with pytest.raises(PackageRefused, match=r"^azure-data-tables==12\.7\.1 is not in the package"):
        refuse_incomplete(app)


@pytest.mark.parametrize("pattern", [".python_packages", ".*", "*.json", "/host.json", "METADATA"])
def test_a_funcignore_that_leaves_out_too_much_is_refused(app: Path, pattern: str) -> None:
    with (app / ".funcignore").open("a") as file:
        file.write(f"{pattern}\n")
    with pytest.raises(PackageRefused, match="is not in the package"):
        refuse_incomplete(app)


@pytest.mark.parametrize("pattern", ["!host.json", "docs/**"])
def test_a_funcignore_that_is_not_understood_is_refused(app: Path, pattern: str) -> None:
    with (app / ".funcignore").open("a") as file:
        file.write(f"{pattern}\n")
    with pytest.raises(PackageRefused, match="only names and paths are understood"):
        list(packaged(app))


def test_requirements_without_a_pin_are_refused(app: Path) -> None:
    (app / "requirements.txt").write_text("# nothing\n")
    with pytest.raises(PackageRefused, match="names no package"):
        refuse_incomplete(app)


@pytest.mark.parametrize("version", ["23.2.1", "9.0.3"])
def test_an_older_pip_is_refused(version: str) -> None:
    with pytest.raises(PackageRefused, match=rf"^pip is {version}, but only 24 and newer .*pip install -U pip$"):
        refuse_old_pip(f"pip {version} from /usr/lib/python3/dist-packages/pip (python 3.11)")
    refuse_old_pip("pip 24.0 from /usr/lib (python 3.13)")


def test_a_refusal_ends_the_command_with_its_sentence(app: Path) -> None:
    shutil.copytree(PROJECT / "infra", app / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    (app / "requirements.txt").write_text("no-such-package==0\n--no-index\n")
    ended = subprocess.run(
        [sys.executable, "-m", "infra.package"], cwd=app, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Package refused: pip failed, so there is no package. It says: ")
    assert "Traceback" not in ended.stderr

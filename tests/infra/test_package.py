"""The package is imported and indexed by Python 3.13 with nothing else on the path, as it will be in Azure."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra.package import SITE_PACKAGES, ZIP
from simulators.processes import PROJECT
from tests.unit.test_settings import GOOD

NOT_IN_A_CLONE = (
    ".git",
    ".venv",
    "node_modules",
    ".local",
    ".python_packages",
    ".*_cache",
    "__pycache__",
    ".hypothesis",
)
WHERE = """
import json, sys
import function_app
import azure.functions, pydantic, cryptography, aiohttp
modules = (function_app, azure.functions, pydantic, cryptography, aiohttp)
print(json.dumps([sys.path, [module.__file__ for module in modules]]))
"""
# devhost speaks to the worker that is in the package, as the host does in Azure.
INDEX = """
import asyncio, json, sys
from pathlib import Path
from devhost.worker import Worker, runtime
functions = asyncio.run(Worker(Path(sys.argv[1])).start())
print(json.dumps([runtime.__file__, sorted(function.name for function in functions)]))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make package` makes of a clone, unpacked as Azure unpacks it."""
    clone = tmp_path_factory.mktemp("clone") / "relay"
    shutil.copytree(PROJECT, clone, ignore=shutil.ignore_patterns(*NOT_IN_A_CLONE))
    subprocess.run(["make", "package", f"PYTHON={sys.executable}"], cwd=clone, check=True, timeout=300)  # noqa: S603, S607
    unpacked = tmp_path_factory.mktemp("package")
    with ZipFile(clone / ZIP) as file:
        file.extractall(unpacked)
    return unpacked


def bare(package: Path, code: str, *further: Path) -> list[object]:
    """Run code under a Python that has only the standard library and the package, and return what it prints."""
    path = [str(package / SITE_PACKAGES), str(package), *map(str, further)]
    start = f"import sys; sys.path += {path!r}\n{code}"
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-I", "-S", "-c", start, str(package)],
        cwd=package, env={"PATH": os.environ["PATH"], **GOOD}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    printed: list[object] = json.loads(ended.stdout.splitlines()[-1])
    return printed


def test_the_zip_has_the_host_file_at_its_root_and_nothing_of_the_workshop(package: Path) -> None:
    assert (package / "host.json").is_file()
    assert not {path.name for path in package.iterdir()} & {"tests", "infra", "docs", ".venv", "azure.yaml", ".github"}


def test_it_is_imported_with_nothing_else_on_the_path(package: Path) -> None:
    path, files = bare(package, WHERE)
    assert isinstance(path, list)
    assert isinstance(files, list)
    assert not [entry for entry in path if "site-packages" in entry and not entry.startswith(str(package))]
    assert [file for file in files if not file.startswith(str(package))] == []


def test_the_worker_in_it_finds_every_function(package: Path, tmp_path: Path) -> None:
    (tmp_path / "devhost").symlink_to(PROJECT / "devhost")
    worker, found = bare(package, INDEX, tmp_path)
    assert str(worker).startswith(str(package))
    here = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", INDEX, str(PROJECT)],
        cwd=PROJECT, env={**os.environ, **GOOD}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert found == json.loads(here.stdout.splitlines()[-1])[1]
    assert isinstance(found, list)
    assert {"confirm_invoice", "sweep"} <= set(found)


def test_its_binaries_are_those_of_linux_and_the_apps_python(package: Path) -> None:
    binaries = [file.name for file in (package / SITE_PACKAGES).rglob("*.so")]
    assert binaries
    assert [name for name in binaries if "cpython-313-x86_64-linux" not in name and ".abi3." not in name] == []

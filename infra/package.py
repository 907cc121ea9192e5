"""The package: the app's folder with its dependencies inside, built here and not in Azure.

    python -m infra.package          builds the dependencies; azd makes the zip (hook prepackage)
    python -m infra.package --zip    makes the zip as well, for those without azd (make package)

Azure's remote build has 60 seconds and has run another Python than the app's
(github.com/Azure/azure-dev/issues/8538). A package without dependencies is deployed "successfully" and has no
functions, so it is refused here.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

ROOT = Path(__file__).resolve().parents[1]
ZIP = Path(".local/invoice-relay.zip")
SITE_PACKAGES = Path(".python_packages/lib/site-packages")
"""Where the worker of Azure Functions looks for dependencies."""
TARGET = (
    "--platform=manylinux2014_x86_64",
    "--python-version=3.13",
    "--implementation=cp",
    "--only-binary=:all:",
    "--no-compile",
)
"""What the app runs on in Azure, whatever machine builds it."""
PIP = 24
NEEDED = ("host.json", "function_app.py")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", re.MULTILINE)


class PackageRefused(Exception):
    """The package would not run in Azure. The text says why and what to do."""


def build(root: Path) -> None:
    """Install what requirements.txt names beside the app, for Python 3.13 on Linux. Raises PackageRefused."""
    refuse_old_pip(_run("-m", "pip", "--version"))
    shutil.rmtree(root / SITE_PACKAGES, ignore_errors=True)
    _run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *TARGET,
         "--requirement", str(root / "requirements.txt"), "--target", str(root / SITE_PACKAGES))  # fmt: skip
    refuse_incomplete(root)


def refuse_old_pip(words: str) -> None:
    """Raise PackageRefused for an older pip: it checks `requires-python` against the Python that it runs on, not
    against the app's. `words` is the answer of `pip --version`."""
    version = words.split()[1]
    if int(version.partition(".")[0]) < PIP:
        raise PackageRefused(
            f"pip is {version}, but only {PIP} and newer can build for another Python: "
            "in a virtual environment, pip install -U pip"
        )


def refuse_incomplete(root: Path) -> None:
    """Raise PackageRefused if what would be deployed lacks host.json, the app or a dependency."""
    names = {path.as_posix() for path in packaged(root)}
    if missing := [name for name in NEEDED if name not in names]:
        raise PackageRefused(f"{missing[0]} is not in the package, so it would have no functions: see .funcignore")
    if missing := [pin for pin, folder in dependencies(root) if f"{folder}/METADATA" not in names]:
        raise PackageRefused(
            f"{missing[0]} is not in the package, so it would have no functions: run make package, and see .funcignore"
        )


def dependencies(root: Path) -> Iterator[tuple[str, str]]:
    """Each pin of requirements.txt, with the folder that pip leaves when it is installed."""
    installed = (root / SITE_PACKAGES).glob("*.dist-info")
    folders = {_canonical(folder.stem): folder.name for folder in installed}
    pins = _PIN.findall((root / "requirements.txt").read_text("utf-8"))
    if not pins:
        raise PackageRefused("requirements.txt names no package, so the app would have no functions")
    for name, version in pins:
        folder = folders.get(_canonical(f"{name}-{version}"), "missing")
        yield f"{name}=={version}", (SITE_PACKAGES / folder).as_posix()


def packaged(root: Path) -> Iterator[Path]:
    """The files that are deployed, relative to the app's folder: all that .funcignore does not leave out."""
    lines = (root / ".funcignore").read_text("utf-8-sig").splitlines()
    patterns = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]
    if strange := [pattern for pattern in patterns if pattern[0] == "!" or "**" in pattern]:
        raise PackageRefused(f".funcignore has {strange[0]}: only names and paths are understood, with * in them")
    yield from _below(root, Path(), patterns)


def _below(root: Path, folder: Path, patterns: list[str]) -> Iterator[Path]:
    for entry in sorted((root / folder).iterdir()):
        path = folder / entry.name
        if any(_matches(path, pattern) for pattern in patterns):
            continue
        if entry.is_dir():
            yield from _below(root, path, patterns)
        else:
            yield path


def _matches(path: Path, pattern: str) -> bool:
    """As in .gitignore: a pattern with a slash is a path from the root, any other one a name anywhere."""
    return fnmatchcase(path.as_posix() if "/" in pattern else path.name, pattern.lstrip("/"))


def make_zip(root: Path, target: Path) -> None:
    """Write the package as one file. Raises PackageRefused."""
    refuse_incomplete(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(target, "w", ZIP_DEFLATED) as package:
        for path in packaged(root):
            package.write(root / path, path.as_posix())


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise PackageRefused(
            f"pip failed, so there is no package. It says: {done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout


def main(arguments: list[str]) -> None:
    """Build, and make the zip if it is asked for."""
    try:
        build(ROOT)
        if "--zip" in arguments:
            make_zip(ROOT, ROOT / ZIP)
            print(f"{ZIP}: {(ROOT / ZIP).stat().st_size / 1e6:.1f} MB")
    except PackageRefused as refused:
        sys.exit(f"Package refused: {refused}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Write the newest versions of all packages into the pins: `make upgrade-deps`.

requirements.txt and requirements-dev.txt name what is used directly, constraints.txt all that comes of it, package.json
and package-lock.json the same for Node. One resolution, of all of them together, decides; nothing is installed here.
A pin with the comment `# below VERSION: why` stays below that version.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = (PROJECT / "requirements.txt", PROJECT / "requirements-dev.txt")
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)(?P<limit> +# below (?P<below>[\d.]+):)?", re.MULTILINE)
BUILD = re.compile(r'requires = \["setuptools==[^"]+"\]')


def canonical(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(names: list[str]) -> dict[str, tuple[str, str]]:
    """The newest versions that fit together: canonical name to the package's own name and version."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--quiet", "--disable-pip-version-check", "--report", str(report)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *names], check=True)  # noqa: S603 - our own pins
        found = [each["metadata"] for each in json.loads(report.read_text("utf-8"))["install"]]
    return {canonical(each["name"]): (each["name"], each["version"]) for each in found}


def upgrade_python() -> None:
    """Rewrite the pins of the Python packages."""
    texts = {path: path.read_text("utf-8") for path in REQUIREMENTS}
    pins = [pin for text in texts.values() for pin in PIN.finditer(text)]
    found = resolve([f"{pin[1]}<{pin['below']}" if pin["below"] else pin[1] for pin in pins])
    for path, text in texts.items():
        renewed = PIN.sub(lambda pin: f"{pin[1]}=={found[canonical(pin[1])][1]}{pin['limit'] or ''}", text)
        path.write_text(renewed, "utf-8")
    lines = sorted((f"{name}=={version}\n" for name, version in found.values()), key=str.lower)
    (PROJECT / "constraints.txt").write_text("".join(lines), "utf-8")
    _, setuptools = resolve(["setuptools"])["setuptools"]
    project = PROJECT / "pyproject.toml"
    text = BUILD.sub(f'requires = ["setuptools=={setuptools}"]', project.read_text("utf-8"))
    project.write_text(text, "utf-8")


def upgrade_node() -> None:
    """Rewrite the pins of the Node packages."""
    package = json.loads((PROJECT / "package.json").read_text("utf-8"))
    for group, flag in (("dependencies", "--save-prod"), ("devDependencies", "--save-dev")):
        names = [f"{name}@latest" for name in package.get(group, {})]
        options = [
            "--package-lock-only",
            "--save-exact",
            "--omit-lockfile-registry-resolved",
            "--no-fund",
            "--no-audit",
            "--loglevel=error",
            flag,
        ]
        subprocess.run(["npm", "install", *options, *names], cwd=PROJECT, check=True)  # noqa: S603, S607


if __name__ == "__main__":
    upgrade_python()
    upgrade_node()

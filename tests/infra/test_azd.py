"""azd and GitHub find what they run, and the app's folder holds what is deployed and nothing else."""

import os
import re
import shlex

import pytest
import yaml
from pathspec import GitIgnoreSpec

from infra.package import SITE_PACKAGES, packaged
from simulators.processes import PROJECT
from tests.infra import template

AZD = yaml.safe_load((PROJECT / "azure.yaml").read_text("utf-8"))
WORKFLOW = yaml.safe_load((PROJECT / ".github" / "workflows" / "deploy.yml").read_text("utf-8"))


def test_the_hooks_exist_and_may_be_run() -> None:
    service = AZD["services"]["relay"]
    hooks = AZD["hooks"] | service["hooks"]
    assert hooks.keys() == {"prepackage", "postprovision", "postdeploy"}
    files = [PROJECT / hook["run"] for hook in hooks.values()]
    assert [file.name for file in files if not os.access(file, os.X_OK)] == []
    assert [file.name for file in files if not file.read_text("utf-8").startswith("#!/bin/sh\n")] == []


def test_azd_deploys_the_local_package_of_this_folder() -> None:
    service = AZD["services"]["relay"]
    assert (service["project"], service["host"], service["remoteBuild"]) == (".", "function", False)
    assert (PROJECT / AZD["infra"]["path"] / f"{AZD['infra']['module']}.bicep").is_file()


def test_the_workflow_signs_in_without_a_secret() -> None:
    assert WORKFLOW["permissions"] == {"id-token": "write", "contents": "read"}
    text = (PROJECT / ".github" / "workflows" / "deploy.yml").read_text("utf-8")
    assert "--federated-credential-provider github" in text
    assert set(re.findall(r"secrets\.(\w+)", text)) == {"ALERT_WEBHOOK"}
    assert set(re.findall(r"secrets\.(\w+)", text)) <= set(
        re.findall(r"\w+", (template.INFRA / "main.parameters.json").read_text("utf-8"))
    )


def test_the_workflow_compiles_and_deploys_what_azd_deploys() -> None:
    runs = [shlex.split(step["run"], posix=False)[:3] for step in WORKFLOW["jobs"]["deploy"]["steps"] if "run" in step]
    for command in (["az", "bicep", "build"], ["azd", "provision", "--no-prompt"], ["azd", "deploy", "--no-prompt"]):
        assert command in runs


def test_what_is_deployed_is_what_the_document_says() -> None:
    deployed = {path.parts[0] for path in packaged(PROJECT)} - {SITE_PACKAGES.parts[0]}
    text = (PROJECT / "docs" / "deployment.md").read_text("utf-8").partition("\n## ")[0]
    named = {name.rstrip("/") for name in re.findall(r"`([\w.]+/?)`", text)} - {".funcignore"}
    assert deployed - {".funcignore", "LICENSE"} == named


@pytest.mark.parametrize("kept", ["requirements.txt", "constraints.txt", "host.json", "function_app.py"])
def test_what_azure_needs_is_not_left_out(kept: str) -> None:
    assert kept in {path.as_posix() for path in packaged(PROJECT)}


def test_funcignore_is_read_as_azd_reads_it() -> None:
    spec = GitIgnoreSpec.from_lines((PROJECT / ".funcignore").read_text("utf-8").splitlines())
    folders = [".ci", "docs", "shared", "relay_contract", "infra", "tests/unit", "operate"]
    files = {
        path.relative_to(PROJECT) for folder in folders for path in (PROJECT / folder).rglob("*") if path.is_file()
    }
    files |= {path.relative_to(PROJECT) for path in PROJECT.glob("*") if path.is_file()}
    ours = set(packaged(PROJECT)) & files
    assert ours == {path for path in files if not spec.match_file(path)}


def test_every_parameter_of_the_deployment_is_explained() -> None:
    text = (template.INFRA / "README.md").read_text("utf-8")
    given = template.load("main.parameters.json")["parameters"]
    variables = {name: each["value"].strip("${}") for name, each in given.items()}
    assert [each for name, each in variables.items() if not name.isupper() and f"`{each}`" not in text] == []
    table = text.partition("| Variable |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])}
    assert named == {each for name, each in variables.items() if not name.isupper()}

"""What is deployed holds together: host.json and the code agree, and nothing deployed leans on what is not."""

import ast
import json
from pathlib import Path

from shared.engine.worker import MAX_DEQUEUE_COUNT
from shared.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent.parent
STAGES = ("confirm_invoice", "sync_actuals", "link_transactions")
NOT_DEPLOYED = {"devhost", "simulators", "relay_cli", "tests", "benchmarks"}


def _imports(folder: str) -> set[str]:
    found: set[str] = set()
    for file in (PROJECT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
    return found


def test_the_app_gives_a_message_up_when_the_host_does() -> None:
    host = json.loads((PROJECT / "host.json").read_text("utf-8"))
    assert host["extensions"]["queues"]["maxDequeueCount"] == MAX_DEQUEUE_COUNT


def test_dependencies_point_one_way() -> None:
    own = {*STAGES, "write_back", "operate", "shared", "function_app"}
    assert _imports("shared") & own <= {"shared"}
    for stage in STAGES:
        assert _imports(stage) & own <= {stage, "shared"}
    assert "function_app" not in _imports("operate")
    assert not _imports("write_back") & {"operate", "function_app"}
    for folder in (*STAGES, "write_back", "operate", "shared"):
        assert not _imports(folder) & NOT_DEPLOYED


def test_the_sample_settings_name_only_settings_that_exist() -> None:
    sample = json.loads((PROJECT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    known = {field.alias for field in Settings.model_fields.values()} | {"FUNCTIONS_WORKER_RUNTIME"}
    assert sample.keys() <= known


def test_every_setting_is_explained_in_the_readme() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    hidden = {"FINANCE_LANES_ACTUALS", "FINANCE_LANES_TRANSACTIONCONNECTIONS", "AzureWebJobsStorage__clientId"}
    aliases = {str(field.alias) for field in Settings.model_fields.values()} - hidden
    assert [alias for alias in sorted(aliases) if f"`{alias}`" not in text] == []

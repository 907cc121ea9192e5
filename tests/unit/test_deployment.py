"""What is deployed holds together: host.json and the code agree. What may import what is in .importlinter."""

import json
from pathlib import Path

from shared.engine.worker import MAX_DEQUEUE_COUNT
from shared.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent.parent


def test_the_app_gives_a_message_up_when_the_host_does() -> None:
    host = json.loads((PROJECT / "host.json").read_text("utf-8"))
    assert host["extensions"]["queues"]["maxDequeueCount"] == MAX_DEQUEUE_COUNT


def test_the_sample_settings_name_only_settings_that_exist() -> None:
    sample = json.loads((PROJECT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    known = {field.alias for field in Settings.model_fields.values()} | {"FUNCTIONS_WORKER_RUNTIME"}
    assert sample.keys() <= known


def test_every_setting_is_explained() -> None:
    text = (PROJECT / "docs" / "settings.md").read_text("utf-8")
    hidden = {"FINANCE_LANES_<MAP>", "AzureWebJobsStorage__clientId"}
    aliases = {str(field.alias) for field in Settings.model_fields.values()} - hidden | {"FINANCE_LANES_INVOICES"}
    assert [alias for alias in sorted(aliases) if f"`{alias}`" not in text] == []

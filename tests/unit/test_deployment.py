"""What is deployed holds together: host.json and the code agree. What may import what is in .importlinter."""

import json
import logging
from pathlib import Path

import pytest

from devhost.host_json import read_host_json
from devhost.logs import CategoryFilter
from shared.engine.worker import MAX_DEQUEUE_COUNT
from shared.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent.parent


def test_the_app_gives_a_message_up_when_the_host_does() -> None:
    host = json.loads((PROJECT / "host.json").read_text("utf-8"))
    assert host["extensions"]["queues"]["maxDequeueCount"] == MAX_DEQUEUE_COUNT


def test_sampling_drops_no_event() -> None:
    """Events are log lines, and log lines are traces in Application Insights: a sampled one would raise no alert."""
    host = json.loads((PROJECT / "host.json").read_text("utf-8"))
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";")
    assert "includedTypes" not in sampling


@pytest.mark.parametrize("severity", [logging.INFO, logging.WARNING, logging.ERROR])
def test_no_level_drops_an_event(severity: int) -> None:
    levels = CategoryFilter(read_host_json(PROJECT / "host.json").log_levels, {"i": "sweep"})
    assert levels._find_level("Function.sweep.User") <= severity


def test_lines_of_the_platform_that_no_alert_needs_are_not_paid_for() -> None:
    levels = CategoryFilter(read_host_json(PROJECT / "host.json").log_levels, {})
    assert {levels._find_level(category) for category in ("Host.Aggregator", "Azure.Core")} == {logging.WARNING}


def test_the_sample_settings_name_only_settings_that_exist() -> None:
    sample = json.loads((PROJECT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    known = {field.alias for field in Settings.model_fields.values()} | {"FUNCTIONS_WORKER_RUNTIME"}
    assert sample.keys() <= known


def test_every_setting_is_explained() -> None:
    text = (PROJECT / "docs" / "settings.md").read_text("utf-8")
    hidden = {"FINANCE_LANES_<MAP>", "AzureWebJobsStorage__clientId"}
    aliases = {str(field.alias) for field in Settings.model_fields.values()} - hidden | {"FINANCE_LANES_INVOICES"}
    assert [alias for alias in sorted(aliases) if f"`{alias}`" not in text] == []

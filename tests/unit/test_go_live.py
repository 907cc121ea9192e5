"""What docs/go-live.md says can be done: commands, parameters, roles, alerts and figures are those of the code."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from infra.package import packaged
from relay_cli.cli import app
from relay_contract.endpoints import CONFIRM_INVOICE
from shared.jobs.job import load_job
from shared.maps.table_map import load_map
from simulators.processes import PROJECT
from tests import roles
from tests.infra import template
from tests.unit.test_documents import DOCUMENTS
from tests.watch import alerts

GO_LIVE = (PROJECT / "docs" / "go-live.md").read_text("utf-8")
RELAY = typer.main.get_command(app)
VARIABLES = {str(each["value"]).strip("${}") for each in template.load("main.parameters.json")["parameters"].values()}
OUTPUTS = set(re.findall(r"^output (\w+)", (PROJECT / "infra" / "main.bicep").read_text("utf-8"), re.MULTILINE))
UNITS = {"M": "min", "H": "h", "D": "d"}
_ENDS = re.compile(r"[;|>]|&&|\bdo\b|\s#")


def section(heading: str) -> str:
    """What stands below a heading, up to the next one of its kind."""
    kind = heading.partition(" ")[0]
    return GO_LIVE.partition(f"\n{heading}\n")[2].partition(f"\n{kind} ")[0]


def table(text: str, head: str) -> list[list[str]]:
    """The rows of the table that begins with this head, cell by cell."""
    rows = text.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def commands(text: str) -> Iterator[list[str]]:
    """Every command `relay` that a document shows, in a block or within a sentence."""
    blocks = re.findall(r"^ {4,}(?:\$ )?(.*\brelay .*)$", text, re.MULTILINE)
    for line in [*blocks, *re.findall(r"`(relay [^`]+)`", text)]:
        for part in _ENDS.split(line.replace("<", "").replace("...", "")):
            if part.strip().startswith("relay "):
                yield shlex.split(part)[1:]


def wrong(words: list[str]) -> str:
    """What is wrong with a command, or ""."""
    command = RELAY
    while words and not words[0].startswith("-") and (known := getattr(command, "commands", None)) is not None:
        if words[0] not in known:
            return f"no command {words[0]}"
        command = known[words.pop(0)]
    options = {option for each in command.params for option in each.opts} | {"--help"}
    return next((f"no option {word}" for word in words if word.startswith("-") and word not in options), "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_command_of_relay_that_a_document_shows_exists(document: Path) -> None:
    shown = [(" ".join(words), wrong(words)) for words in commands(document.read_text("utf-8"))]
    assert [each for each in shown if each[1]] == []


def test_commands_are_found_and_judged() -> None:
    text = (
        "    $ relay runs list --since 1d | jq .x\n    relay health   # all\nand `relay wink`, `relay sweep --loud`\n"
    )
    assert [wrong(words) for words in commands(text)] == ["", "", "no command wink", "no option --loud"]
    assert len(list(commands(GO_LIVE))) > 30


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_variable_of_azd_is_one_of_the_template(document: Path) -> None:
    text = document.read_text("utf-8")
    assert set(re.findall(r"azd env set ([A-Z]\w+)", text)) - VARIABLES - {"NAME"} == set()
    assert set(re.findall(r"azd env get-value (\w+)", text)) - OUTPUTS == set()


def test_every_setting_that_is_named_is_a_parameter() -> None:
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", GO_LIVE))
    assert named - VARIABLES - OUTPUTS == set()
    assert {"SWEEP_START", "SWEEP_LOOK_BACK_DAYS", "ALWAYS_READY"} <= named


def test_what_has_no_default_is_set_before_the_first_deployment() -> None:
    needed = {name for name in template.main()["parameters"] if name in VARIABLES and _has_no_default(name)}
    for text in (section("## 3. Deploy"), (PROJECT / "README.md").read_text("utf-8")):
        assert needed - set(re.findall(r"azd env set (\w+)", text)) == set()


def _has_no_default(name: str) -> bool:
    text = (PROJECT / "infra" / "main.bicep").read_text("utf-8")
    return bool(re.search(rf"^param {name} \w+$", text, re.MULTILINE))


def test_every_module_that_is_run_exists() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", GO_LIVE))
    assert modules
    assert [name for name in modules if not (PROJECT / f"{name.replace('.', '/')}.py").is_file()] == []


def test_the_webhook_calls_a_function_that_exists() -> None:
    assert set(re.findall(r"--function-name (\w+)", GO_LIVE)) == {CONFIRM_INVOICE.name}
    rows = table(section("### Register the webhook"), "Dialog | Field | Value")
    assert f"/api/{CONFIRM_INVOICE.path}" in next(row[2] for row in rows if row[1] == "Endpoint URL")


@pytest.mark.parametrize("name", ["dataverse", "finance"])
def test_the_roles_are_those_that_maps_and_code_need(name: str) -> None:
    table_of = {"dataverse": roles.dataverse, "finance": roles.finance}[name]()
    told = f"{roles.begin(name)}\n\n{table_of}\n\n{roles.end(name)}"
    assert told in section(f"### {name.capitalize()}"), "renew docs/go-live.md: .venv/bin/python -m tests.roles"


def test_the_roles_are_taken_from_maps_and_code() -> None:
    dataverse = {row[0].strip("`"): row[1] for row in table(roles.dataverse(), "Table | Privileges | Read for")}
    assert {"invoice", "msdyn_project", "cdm_company", "msdyn_invoicelinetransaction"} <= dataverse.keys()
    assert [name for name, privileges in dataverse.items() if "Write" in privileges] == ["msdyn_actual"]
    assert {"ImportFromPackageAsync", "DataManagementExecutionJobDetails"} <= set(roles.actions())


def test_the_roles_in_azure_are_those_of_the_template() -> None:
    text = (PROJECT / "infra" / "store.bicep").read_text("utf-8")
    given = re.findall(r"^  '([\w ]+)': '[0-9a-f-]{36}'|^var \w+ = '[0-9a-f-]{36}' // (.+)$", text, re.MULTILINE)
    assert len(given) == text.count("'Microsoft.Authorization/roleDefinitions'") + 2, "three roles share a loop"
    assert [name for pair in given for name in pair if name and f"| *{name}* |" not in section("### Azure")] == []


def test_the_maps_to_stop_are_those_of_the_job() -> None:
    rows = table(GO_LIVE, "Group | Maps |")
    stopped = [row for row in rows if "stop" in row[2]]
    job = load_job()
    carried = [load_map(step.map).name for step in job.steps if step.rules]
    assert [row[1].split(" · ") for row in stopped] == [carried]


def test_every_alert_is_in_the_table_with_what_to_do_first() -> None:
    rows = table(section("## 5. Get told"), "Alert | Severity | Fires when | Every, over | First thing to do")
    told = [row[:4] for row in rows]
    assert told == [
        [f"`{alert.name}`", str(alert.severity), f"[{_title(alert)}]({_section(alert)})",
         f"{_words(alert.frequency)}, {_words(alert.window)}"]
        for alert in alerts.load().values()
    ]  # fmt: skip
    assert all(row[4] for row in rows)


def _title(alert: alerts.Alert) -> str:
    return alert.title.removeprefix("Invoice relay: ")


def _section(alert: alerts.Alert) -> str:
    return alert.description.rpartition("docs/")[2]


def _words(span: str) -> str:
    found = re.fullmatch(r"PT?(\d+)([MHD])", span)
    assert found
    return f"{found[1]} {UNITS[found[2]]}"


def test_the_quantities_that_cost_are_those_of_the_code() -> None:
    costs = section("## What it costs")
    queues, timers = triggers("queue_trigger"), triggers("timer_trigger")
    assert f"there are {len(queues)} of them" in costs
    assert f"and {sum(map(_times_a_day, timers))} a day by the {_number(len(timers))} timers" in costs
    assert f"| {len(alerts.load())} rules |" in costs
    host = json.loads((PROJECT / "host.json").read_text("utf-8"))
    assert host["extensions"]["queues"]["maxPollingInterval"] == "00:00:00.5", "twice a second"


def triggers(kind: str) -> list[str]:
    """The last text argument of every trigger of a kind."""
    files = [PROJECT / path for path in packaged(PROJECT) if path.name == "functions.py"]
    calls = [
        node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    found = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == kind]
    return [ast.unparse(call.args[1]).strip("'") for call in found]


def _times_a_day(schedule: str) -> int:
    """How often a timer with this schedule fires: at minutes of every hour, as `0 5/15 * * * *`, or once a day."""
    if re.fullmatch(r"0 \d+ \d+ \* \* \*", schedule):
        return 1
    found = re.fullmatch(r"0 (?:\*|\d+)/(\d+) \* \* \* \*", schedule)
    assert found
    return 24 * 60 // int(found[1])


def _number(count: int) -> str:
    return ("no", "one", "two", "three", "four")[count]


def test_the_way_in_the_readme_is_short_and_leads_here() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    way = text.partition("\n## From clone to tenant\n")[2].partition("\n## ")[0].strip()
    assert len(way.splitlines()) <= 15
    assert "docs/go-live.md" in way


def test_a_company_with_costs_is_told_plainly() -> None:
    first = section("## 1. Find out whether you can switch")
    assert first.strip().startswith("**A company with costs cannot switch yet.**")
    assert "job *actuals*" in first

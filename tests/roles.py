"""`python -m tests.roles` writes the roles that follow from the job, its maps and the code into docs/go-live.md.

tests/unit/test_go_live.py fails while the document shows anything else. Which table is behind a lookup is known from
the simulated organization.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from shared.jobs.job import Job, Step, load_job
from shared.maps.table_map import TableMap, load_map
from simulators.dataverse.schema import load_schema
from simulators.finance.setup import SETUP_SETS

PROJECT = Path(__file__).parents[1]
DOCUMENT = PROJECT / "docs" / "go-live.md"
DEPLOYED = ("confirm_invoice", "sync_actuals", "link_transactions", "run_jobs", "write_back", "operate", "shared")
CODES = PROJECT / "shared" / "project_operations" / "codes.py"
DOCTOR = PROJECT / "operate" / "doctor"
FINANCE = PROJECT / "shared" / "services" / "finance.py"
BYPASS = "prvBypassCustomBusinessLogic"
"""What Dataverse asks of a caller that sends MSCRM.BypassBusinessLogicExecution."""
SCHEMA = load_schema()


def dataverse() -> str:
    """The tables that the app's user reads and writes in Dataverse."""
    job, reasons = load_job(), dict[str, list[str]]()
    for step, table_map in _maps(job):
        for table, path in _tables(table_map):
            told = reasons.setdefault(table, [])
            told += [_reason(step, path)] if _reason(step, path) not in told else []
    for table in sorted(_tables_of_code() - reasons.keys()):
        reasons[table] = ["the rules of Project Operations"]
    for table in sorted(_tables_of_doctor() - reasons.keys()):
        reasons[table] = ["the doctor: without it a check is unknown"]
    written = {table_map.writeBack.table for _, table_map in _maps(job) if table_map.writeBack}
    rows = [f"| `{table}` | {_privileges(table in written)} | {'; '.join(told)} |" for table, told in reasons.items()]
    own = (
        "the write-back asks that its own updates wake no webhook and no asynchronous plug-in; not with strategy `off`"
    )
    rows += [f"| none | *Bypass Custom Business Logic* (`{BYPASS}`) | {own} |"] if _bypasses() else []
    return "\n".join(["| Table | Privileges | Read for |", "|---|---|---|", *rows])


def finance() -> str:
    """What the app's user needs in Finance."""
    listed = ", ".join(f"`{name}`" for name in actions())
    role = "the standard role *Data management operations user* (*not checked*: one public source)"
    rows = [f"| Data management, package API: {listed} | {role} | send and watch imports |"]
    for step, table_map in _maps(load_job()):
        target, lanes = table_map.target, f"data project `InvoiceRelay-{step.map}-1`"
        lanes += f" to `-{step.lanes}`" if step.lanes > 1 else ""
        rows.append(f"| `{target.aot}` ({target.entity}) | Maintain, for data management | {step.shown}: {lanes} |")
        if target.set:
            rows.append(f"| `{target.set}` | View, for OData | {step.shown}: comparison, reconciliation, write-back |")
    named = {text for file in DOCTOR.rglob("*.py") for text in _texts(file)}
    seen = sorted(named & {one.name for one in SETUP_SETS})
    rows += [f"| `{each}` | View, for OData | the doctor: without it a check is unknown |" for each in seen]
    return "\n".join(["| Needs | Privilege | For |", "|---|---|---|", *rows])


def actions() -> list[str]:
    """The actions and the sets of Data management that the app calls."""
    text = FINANCE.read_text("utf-8")
    called = [*re.findall(r'_action\(\s*"(\w+)"', text), *re.findall(r"/data/(DataManagement\w+)", text)]
    return list(dict.fromkeys(called))


def write() -> None:
    """Renew the document."""
    text = DOCUMENT.read_text("utf-8")
    for name, table in (("dataverse", dataverse()), ("finance", finance())):
        before, _, rest = text.partition(begin(name))
        text = f"{before}{begin(name)}\n\n{table}\n\n{end(name)}{rest.partition(end(name))[2]}"
    DOCUMENT.write_text(text, "utf-8")


def begin(name: str) -> str:
    """The marker before a table."""
    return f"<!-- {name}: written by `python -m tests.roles` -->"


def end(name: str) -> str:
    """The marker after a table."""
    return f"<!-- end of {name} -->"


def _maps(job: Job) -> list[tuple[Step, TableMap]]:
    return [(step, load_map(step.map)) for step in job.steps]


def _tables(table_map: TableMap) -> Iterator[tuple[str, str]]:
    """Each table that a query of this map reads, with the path of lookups that leads there."""
    origin = SCHEMA.sets[table_map.source.set]
    yield origin.logical_name, ""
    for path in table_map.source.lookups:
        table = origin
        for hop in path.split("."):
            table = SCHEMA.tables[table.navigations[hop].target]
        yield table.logical_name, path


def _reason(step: Step, path: str) -> str:
    return f"{step.shown.lower()}, through `{path}`" if path else f"{step.shown.lower()}"


def _privileges(is_written: bool) -> str:
    return "Read, Write (for the write-back; not with strategy `off`)" if is_written else "Read"


def _tables_of_code() -> set[str]:
    """The tables whose entity set a call in the deployed code names, or a name in it stands for; not the doctor's."""
    files = [file for file in _files() if DOCTOR not in file.parents]
    calls = (node for file in files for node in _nodes(file) if isinstance(node, ast.Call))
    given = {*_texts(CODES), *(_text(argument) for call in calls for argument in call.args)}
    return {SCHEMA.sets[text].logical_name for text in given if text in SCHEMA.sets}


def _tables_of_doctor() -> set[str]:
    """The tables that checks name, alone or before a key."""
    named = (re.match(r"\w+", text) for file in DOCTOR.rglob("*.py") for text in _texts(file))
    return {SCHEMA.sets[name[0]].logical_name for name in named if name and name[0] in SCHEMA.sets}


def _bypasses() -> bool:
    return any("MSCRM.BypassBusinessLogicExecution" in _texts(file) for file in _files())


def _texts(file: Path) -> list[str]:
    """The text constants of a module."""
    return [text for node in _nodes(file) if (text := _text(node))]


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _nodes(file: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(file.read_text("utf-8")))


def _files() -> Iterator[Path]:
    for folder in DEPLOYED:
        yield from sorted((PROJECT / folder).rglob("*.py"))


if __name__ == "__main__":
    write()

"""The table of docs/reliability.md says what was recorded, and nothing else in the document changes."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.proof.figures import RESULTS, read, record
from tests.proof.findings import Findings
from tests.proof.parts import PARTS, Kept, Session
from tests.proof.table import BEGIN, END, write

FOUND = Findings(
    rows=4, lost=["actual a"], changed=["actual b"], money={"EUR": Decimal("-0.5"), "USD": Decimal("1.25")}
)


def test_what_was_recorded_last_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RESULTS, str(tmp_path / "results.jsonl"))
    record("Storms", tried=7, what="refusals")
    record("Storms", tried=2400, what="refusals", findings=[FOUND, FOUND], recovery=[2, 4, 1.26], hostsUsed=2)
    document = tmp_path / "reliability.md"
    document.write_text(f"# Before\n{BEGIN}\nold\n{END}\n# After\n")
    session = Session("throttling", "0a1b2c3", "2026-11-21", 5, 12, passed=True)
    write(document, read(tmp_path / "results.jsonl"), [session])
    text = document.read_text()
    assert text.startswith(f"# Before\n{BEGIN}\n")
    assert text.endswith(f"{END}\n# After\n")
    assert "old" not in text
    assert "| Storms | 2,400 refusals | 8 | 2 | 0 | 2 | 0 | 3.50 | 0 | 2 / 4 |" in text
    assert text.count("| Storms |") == 1
    assert "- Storms: 2 hosts used." in text
    assert "| throttling | 0a1b2c3 | 2026-11-21 | 5 | 12 | passed |" in text
    assert "Not run: crashes-1, " in text


def test_without_a_file_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RESULTS, raising=False)
    monkeypatch.chdir(tmp_path)
    record("Storms", tried=1, what="refusals")
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_has_passed_on_a_commit_is_not_left_and_one_that_failed_is(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for part, passed in (("machine", True), ("storage", False)):
        kept.begin(part)
        kept.end(Session(part, "0a1b2c3", "2026-11-21", 5, 12, passed=passed))
    assert kept.left("0a1b2c3") == [part for part in PARTS if part != "machine"]
    assert kept.left("9999999") == list(PARTS)
    assert kept.left("0a1b2c3+") == list(PARTS)
    kept.begin("machine")
    assert "machine" in kept.left("0a1b2c3"), "it was begun anew and has not ended"


def test_every_long_form_belongs_to_a_part() -> None:
    files = {file.name for file in Path(__file__).parent.glob("test_*.py") if "@pytest.mark.prove" in file.read_text()}
    named = {nodes.partition("::")[0].rpartition("/")[2] for nodes in PARTS.values()}
    assert files - {Path(__file__).name} == named

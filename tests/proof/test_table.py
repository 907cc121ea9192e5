"""The table of docs/reliability.md says what was recorded, and nothing else in the document changes."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.proof.figures import RESULTS, read, record
from tests.proof.findings import Findings
from tests.proof.table import BEGIN, END, Session, write

FOUND = Findings(
    rows=4, lost=["actual a"], changed=["actual b"], money={"EUR": Decimal("-0.5"), "USD": Decimal("1.25")}
)


def test_what_was_recorded_last_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RESULTS, str(tmp_path / "results.jsonl"))
    record("Storms", tried=7, what="refusals")
    record("Storms", tried=2400, what="refusals", findings=[FOUND, FOUND], recovery=[2, 4, 1.26], hostsUsed=2)
    document = tmp_path / "reliability.md"
    document.write_text(f"# Before\n{BEGIN}\nold\n{END}\n# After\n")
    write(document, read(tmp_path / "results.jsonl"), Session(date(2026, 11, 21), 5, 12, passed=True))
    text = document.read_text()
    assert text.startswith(f"# Before\n{BEGIN}\n")
    assert text.endswith(f"{END}\n# After\n")
    assert "old" not in text
    assert "| Storms | 2,400 refusals | 8 | 2 | 0 | 2 | 0 | 3.50 | 0 | 2 / 4 |" in text
    assert text.count("| Storms |") == 1
    assert "- Storms: 2 hosts used." in text
    assert "seed 5, in 12 minutes; all passed" in text


def test_without_a_file_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RESULTS, raising=False)
    monkeypatch.chdir(tmp_path)
    record("Storms", tried=1, what="refusals")
    assert list(tmp_path.iterdir()) == []

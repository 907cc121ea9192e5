"""The table of docs/reliability.md, made of recorded figures; the prose around it is written by hand and stays."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.proof.parts import PARTS, Session

BEGIN, END = "<!-- figures: written by `make prove` -->", "<!-- end of figures -->"
_COLUMNS = {
    "Lost": "lost",
    "Doubled": "doubled",
    "Wrong": "wrong",
    "Out of order": "outOfOrder",
    "Money difference": "money",
    "Without a final state": "unfinished",
}


def write(document: Path, figures: Sequence[Mapping[str, Any]], sessions: Sequence[Session]) -> None:
    """Replace what stands between the marks of the document."""
    text = document.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{render(figures, sessions)}\n\n{END}{after}", encoding="utf-8")


def render(figures: Sequence[Mapping[str, Any]], sessions: Sequence[Session]) -> str:
    """Which parts ran where and how they ended, the table, and below it what was tried in each part."""
    ran = [["Part", "Commit", "Day", "Seed", "Minutes", "Outcome"], *map(_ran, sessions)]
    missing = [part for part in PARTS if part not in {session.part for session in sessions}]
    rows = [["What", "Tried", "Rows compared", *_COLUMNS, "Seconds to recover, median / most"]]
    rows += [_row(each) for each in figures]
    return "\n".join(
        [
            *_lines(ran, figures=0),
            *([f"\nNot run: {', '.join(missing)}."] if missing else []),
            "",
            *_lines(rows, figures=len(_COLUMNS) + 1),
            "",
            *(_detail(each) for each in figures if each["note"] or each["figures"]),
        ]
    )


def _ran(session: Session) -> list[str]:
    outcome = "passed" if session.passed else "**failed**"
    return [session.part, session.commit, session.day, str(session.seed), str(session.minutes), outcome]


def _row(part: Mapping[str, Any]) -> list[str]:
    recovery = part["recovery"]
    return [
        part["part"],
        f"{part['tried']:,} {part['what']}",
        f"{part['rows']:,}",
        *(str(part.get(name, "")) for name in _COLUMNS.values()),
        f"{recovery['median']} / {recovery['most']}" if recovery else "",
    ]


def _lines(rows: Sequence[Sequence[str]], *, figures: int) -> Iterable[str]:
    """A table whose last columns but one are so many `figures`, set to the right."""
    head, *body = rows
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * (len(head) - figures - (figures > 0))}{'---:|' * (figures + (figures > 0))}"
    for row in body:
        yield f"| {' | '.join(row)} |"


def _detail(part: Mapping[str, Any]) -> str:
    figures = ", ".join(f"{value} {_words(key)}" for key, value in part["figures"].items())
    return f"- {part['part']}: {'; '.join(filter(None, [part['note'], figures]))}."


def _words(key: str) -> str:
    """camelCase and snake_case as words."""
    return "".join(f" {each.lower()}" if each.isupper() else each for each in key).replace("_", " ")

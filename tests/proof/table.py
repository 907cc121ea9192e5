"""The table of docs/reliability.md, made of recorded figures; the prose around it is written by hand and stays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: written by `make prove` -->", "<!-- end of figures -->"
_COLUMNS = {
    "Lost": "lost",
    "Doubled": "doubled",
    "Wrong": "wrong",
    "Out of order": "outOfOrder",
    "Money difference": "money",
    "Without a final state": "unfinished",
}


@dataclass(frozen=True)
class Session:
    """One `make prove`."""

    day: date
    seed: int
    minutes: int
    passed: bool


def write(document: Path, parts: Sequence[Mapping[str, Any]], session: Session) -> None:
    """Replace what stands between the marks of the document."""
    text = document.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{render(parts, session)}\n\n{END}{after}", encoding="utf-8")


def render(parts: Sequence[Mapping[str, Any]], session: Session) -> str:
    """The table and, below it, what was tried in each part."""
    outcome = "all passed" if session.passed else "**not all passed**: what is missing below has failed"
    head = f"Measured on {session.day:%Y-%m-%d}, seed {session.seed}, in {session.minutes} minutes; {outcome}."
    rows = [["Part", "Tried", "Rows compared", *_COLUMNS, "Seconds to recover, median / most"]]
    rows += [_row(part) for part in parts]
    return "\n".join(
        [head, "", *_lines(rows), "", *(_detail(part) for part in parts if part["note"] or part["figures"])]
    )


def _row(part: Mapping[str, Any]) -> list[str]:
    recovery = part["recovery"]
    return [
        part["part"],
        f"{part['tried']:,} {part['what']}",
        f"{part['rows']:,}",
        *(str(part.get(name, "")) for name in _COLUMNS.values()),
        f"{recovery['median']} / {recovery['most']}" if recovery else "",
    ]


def _lines(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    head, *body = rows
    yield f"| {' | '.join(head)} |"
    yield f"|---|---|{'---:|' * (len(head) - 2)}"
    for row in body:
        yield f"| {' | '.join(row)} |"


def _detail(part: Mapping[str, Any]) -> str:
    figures = ", ".join(f"{value} {_words(key)}" for key, value in part["figures"].items())
    return f"- {part['part']}: {'; '.join(filter(None, [part['note'], figures]))}."


def _words(key: str) -> str:
    """camelCase and snake_case as words."""
    return "".join(f" {each.lower()}" if each.isupper() else each for each in key).replace("_", " ")

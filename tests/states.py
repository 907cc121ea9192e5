"""`python -m tests.states` writes the tables of shared/ledger/transitions.py into docs/architecture.md.

tests/unit/test_states.py fails while the document shows anything else.
"""

from collections.abc import Collection, Iterable
from pathlib import Path

from shared.ledger.run import State
from shared.ledger.transitions import ALL, OVER, POSTING_TRANSITIONS, POSTINGS, RUN_TRANSITIONS, UNDER_WAY

DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture.md"
BEGIN = "<!-- states: written by `python -m tests.states` -->"
END = "<!-- end of states -->"

_GROUPS = {
    ALL: "any",
    UNDER_WAY: "any under way",
    OVER: "any final",
    ALL - {State.ACCEPTED, State.SYNCING_HEADER, State.REJECTED}: "any but accepted, syncing header and rejected",
}
_INTRODUCTION = """\
`shared/engine/lifecycle.py` alone changes the state of a run, and only by the tables in
`shared/ledger/transitions.py`, shown here. The ledger refuses every other change with `WrongState`. ETags decide races:
a worker that is late gets `LeaseLost`, reads the run again, and drops out or tries again.

- *Under way*: {under_way}.
- *Final*: {final}. Such a run moves again only when an operator asks for it, when a later
  look finds a change, or when a rejected invoice is confirmed after all.

Why a run stands where it stands, and what to do next, is in its `detail`. What it waits for is in `wait`.
"""
_POSTING = """\
A completed run also says what became of it in Finance: {postings}.
"""


def section() -> str:
    """What stands between the markers."""
    introduction = _INTRODUCTION.format(under_way=", ".join(_sorted(UNDER_WAY)), final=", ".join(_sorted(OVER)))
    runs = [
        f"| {row.occasion} | {_group(row.before)} | {_listed(row.after)} | {row.cause} |"
        for row in RUN_TRANSITIONS
        if not _is_of_posting(row.before, row.after)
    ]
    postings = [
        f"| {row.occasion} | {'any' if row.before == POSTINGS else _named(row.before)} | {_named(row.after)} "
        f"| {row.cause} |"
        for row in POSTING_TRANSITIONS
    ]
    head = ["| Occasion | From | To | What brings it about |", "|---|---|---|---|"]
    parts = [
        introduction,
        "\n".join([*head, *runs, ""]),
        diagram(),
        _POSTING.format(postings=_named(POSTINGS)),
        "\n".join([*head, *postings, ""]),
    ]
    return "\n".join(parts)


def diagram() -> str:
    """The same as a picture."""
    lines = ["```mermaid", "stateDiagram-v2"]
    names = [*(state for state in State if " " in state), *_GROUPS.values()]
    lines += [f'    state "{name}" as {_id(name)}' for name in names if name != "any"]
    edges: dict[tuple[str, str], list[str]] = {}
    for row in RUN_TRANSITIONS:
        if _is_of_posting(row.before, row.after):
            continue
        goal = _id(row.occasion) if len(row.after) > 1 else _id(*row.after)
        for before in _nodes(row.before):
            edges.setdefault((before, goal), []).append(row.occasion)
        if len(row.after) > 1:
            lines.append(f"    state {goal} <<choice>>")
            edges |= {(goal, _id(after)): [] for after in _sorted(row.after)}
    for (before, after), labels in edges.items():
        lines.append(f"    {before} --> {after}{': ' if labels else ''}{', '.join(labels)}")
    return "\n".join([*lines, "```", ""])


def write() -> None:
    """Renew the document."""
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{section()}\n{END}{rest.partition(END)[2]}", "utf-8")


def _is_of_posting(before: Collection[State], after: Collection[State]) -> bool:
    return set(before) == set(after) == {State.COMPLETED}


def _group(states: frozenset[State]) -> str:
    if not states:
        return "no run"
    return _GROUPS.get(states) or _listed(states)


def _listed(states: Iterable[State]) -> str:
    return _either(_sorted(states))


def _sorted(states: Iterable[State]) -> list[State]:
    return sorted(states, key=list(State).index)


def _named(postings: Iterable[str]) -> str:
    return _either(sorted(postings))


def _either(texts: Iterable[str]) -> str:
    *most, last = texts
    return f"{', '.join(most)} or {last}" if most else str(last)


def _nodes(states: frozenset[State]) -> list[str]:
    if not states:
        return ["[*]"]
    if states == ALL:
        return [_id(_GROUPS[UNDER_WAY]), _id(_GROUPS[OVER])]
    if states in _GROUPS:
        return [_id(_GROUPS[states])]
    return [_id(state) for state in _sorted(states)]


def _id(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")


if __name__ == "__main__":
    write()

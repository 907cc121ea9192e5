"""Queue messages: those of every version of the app are understood for ever, and no other does any harm."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.engine.messages import VERSION, Message, parse
from shared.errors import NewerVersion, NotOurMessage

FIXTURES = Path(__file__).parents[1] / "fixtures" / "messages"
KEPT = sorted(FIXTURES.glob("v*/*.json"))
"""One file for each kind and queue, named so, as that version of the app wrote it."""
TODAY = FIXTURES / f"v{VERSION}"
WRITTEN = [*TODAY.iterdir(), *(FIXTURES / "v2").iterdir()]
"""What the app writes today: kinds that came later have a later version."""

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def _queue(file: Path) -> str:
    return file.stem.partition("-")[2]


@pytest.mark.parametrize("file", KEPT, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_message_of_every_version_so_far_is_understood(file: Path) -> None:
    message = parse(file.read_bytes(), _queue(file))
    assert message.queue == _queue(file)
    assert message.kind == file.stem.partition("-")[0]


@pytest.mark.parametrize("file", sorted(WRITTEN), ids=lambda file: file.stem)
def test_what_the_app_writes_today_is_kept_so_that_a_change_of_it_is_noticed(file: Path) -> None:
    assert parse(file.read_bytes(), _queue(file)).model_dump_json() == file.read_text()


def test_every_kind_of_message_that_the_app_writes_today_is_kept() -> None:
    kinds = {member.model_fields["kind"].default for member in get_args(Message.__value__)}
    assert kinds == {file.stem.partition("-")[0] for file in WRITTEN}


@given(file=st.sampled_from(KEPT), name=st.text(max_size=10), value=_JSON, data=st.data())
def test_a_message_of_ours_with_anything_else_in_it_is_understood_or_refused(
    file: Path, name: str, value: Any, data: st.DataObject
) -> None:
    raw = json.loads(file.read_text())
    raw[data.draw(st.sampled_from([*raw, name]))] = value
    assert _outcome(json.dumps(raw).encode(), _queue(file)) in {"understood", "refused"}


def _outcome(body: bytes, queue: str) -> str:
    try:
        message = parse(body, queue)
    except NewerVersion:
        # Left for that version.
        return "refused"
    except NotOurMessage as refusal:
        return "refused" if len(str(refusal)) < 1000 else "refused at length"
    return "understood" if message.queue == queue else "misunderstood"


@pytest.mark.parametrize(
    "change",
    [
        {"v": "x" * 50_000},
        {"v": [[0] * 10_000]},
        {"generation": 10_000},
        {"page": 1_000_000},
        {"page": 10**400},
        {"kind": "k" * 50_000},
        {"invoiceId": "y" * 50_000},
        {"n" * 50_000: 1},
        {"attempt": float("inf")},
    ],
    ids=lambda change: str(change)[:30],
)
def test_a_refusal_is_short_whatever_the_message_says_at_length(change: dict[str, Any]) -> None:
    raw = json.loads((TODAY / "load-actuals.json").read_text()) | change
    with pytest.raises(NotOurMessage) as refused:
        parse(json.dumps(raw).encode(), "actuals")
    assert len(str(refused.value)) < 1000

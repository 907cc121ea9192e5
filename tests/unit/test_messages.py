"""A queue message that is not ours is refused with the field and the reason."""

import json
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.engine.messages import Load, Message, Settle, Ship, Verify, new_ticket, parse
from shared.errors import NewerVersion, NotOurMessage
from shared.project_operations.codes import ACTUALS

INVOICE = uuid4()
OURS = [
    Load(stage=ACTUALS, subject=INVOICE, generation=3, page=20),
    Ship(stage=ACTUALS),
    Settle(stage=ACTUALS, ticket=new_ticket(), attempt=4),
    Verify(stage=ACTUALS, subject=INVOICE),
]
RESERVED = {
    "id", "dequeuecount", "insertiontime", "expirationtime", "nextvisibletime", "popreceipt", "queuetrigger"
}  # fmt: skip


@pytest.mark.parametrize("message", OURS, ids=lambda message: message.kind)
def test_a_message_survives_the_queue_and_is_small(message: Message) -> None:
    text = message.model_dump_json()
    assert parse(text.encode(), ACTUALS) == message
    assert len(text) < 300


@pytest.mark.parametrize("message", OURS, ids=lambda message: message.kind)
def test_no_field_hides_the_queue_metadata(message: Message) -> None:
    assert RESERVED.isdisjoint(name.lower() for name in message.model_dump())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": 0}, "v: message version 0, this app reads version 1"),
        ({"v": "2"}, "v: message version '2'"),
        ({"v": 10**30}, "v: message version 1000"),
        ({"v": None}, "v: message version None"),
        ({"v": True}, "v: message version True"),
        ({"kind": "burn"}, "kind"),
        ({"stage": "customers"}, "stage"),
        ({"stage": "invoices"}, "stage: invoices does not belong on queue actuals"),
        ({"invoiceId": "abc"}, "invoiceId"),
        ({"page": -1}, "page"),
        ({"rows": []}, "rows"),
    ],
)
def test_a_strange_message_is_refused_with_field_and_reason(change: dict[str, object], reason: str) -> None:
    raw = json.loads(OURS[0].model_dump_json()) | change
    with pytest.raises(NotOurMessage, match=reason):
        parse(json.dumps(raw).encode(), ACTUALS)


@pytest.mark.parametrize(("by", "told"), [("0.2.0", "version 0.2.0"), ("", "a later version")])
def test_a_message_of_a_later_version_is_told_from_one_that_nobody_can_have_sent(by: str, told: str) -> None:
    raw = json.loads(OURS[0].model_dump_json()) | {"v": 2, "newField": 1, "kind": "weigh"} | ({"by": by} if by else {})
    with pytest.raises(NewerVersion, match=f"form 2 on queue actuals was written by {told} of this app; this is"):
        parse(json.dumps(raw).encode(), ACTUALS)


def test_a_message_that_is_not_ours_tells_which_run_it_belongs_to() -> None:
    raw = json.loads(OURS[0].model_dump_json()) | {"newField": 1}
    with pytest.raises(NotOurMessage) as refused:
        parse(json.dumps(raw).encode(), ACTUALS)
    assert refused.value.subject == str(INVOICE)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_do_anything_worse_than_being_refused(body: bytes) -> None:
    with pytest.raises(NotOurMessage):
        parse(body, ACTUALS)

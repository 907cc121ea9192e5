"""What a webhook body means, in all the forms in which Dataverse sends it."""

import copy
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confirm_invoice.webhook import BadConfirmation, Confirmation, Ignored, read_event

ORGANIZATION = UUID("4ef5b371-e89e-e711-8122-000d3aa2331c")
INVOICE = UUID("6420f0cc-916b-ee11-9ae6-000d3a688809")
CONTRACTS = "http:\\/\\/schemas.microsoft.com\\/xrm\\/2011\\/Contracts"


def _choice(value: int) -> dict[str, Any]:
    return {"__type": f"OptionSetValue:{CONTRACTS}", "Value": value}


def _entity(**columns: Any) -> dict[str, Any]:
    return {
        "__type": f"Entity:{CONTRACTS}",
        "Attributes": [{"key": name, "value": value} for name, value in columns.items()],
        "Id": str(INVOICE),
        "LogicalName": "invoice",
    }


def _event(**members: Any) -> dict[str, Any]:
    return {
        "MessageName": "Update",
        "PrimaryEntityName": "invoice",
        "PrimaryEntityId": str(INVOICE),
        "OrganizationId": str(ORGANIZATION),
        "OperationCreatedOn": "\\/Date(1697398446012+0200)\\/",
        "InputParameters": [{"key": "Target", "value": _entity(msdyn_projectinvoicestatus=_choice(192350002))}],
        "PostEntityImages": [{"key": "post", "value": _entity(msdyn_ordertype=_choice(192350001))}],
        "PreEntityImages": [],
        "ParentContext": None,
        "SomethingNew": {"deep": [1, 2]},
        **members,
    }


def _read(event: Any) -> Confirmation | Ignored:
    return read_event(json.dumps(event).encode(), ORGANIZATION)


def test_a_confirmation_is_one() -> None:
    assert _read(_event()) == Confirmation(INVOICE)


@pytest.mark.parametrize("stripped", ["absent", None, []])
def test_above_256_kb_the_stripped_body_is_still_a_confirmation(stripped: Any) -> None:
    event = _event()
    for member in ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"):
        event[member] = copy.copy(stripped)
        if stripped == "absent":
            del event[member]
    assert _read(event) == Confirmation(INVOICE)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"PrimaryEntityName": "account"}, "PrimaryEntityName"),
        ({"MessageName": "Delete"}, "MessageName"),
        ({"InputParameters": [{"key": "Target", "value": _entity(name="x")}]}, "not among the changed columns"),
        (
            {"InputParameters": [{"key": "Target", "value": _entity(msdyn_projectinvoicestatus=_choice(192350000))}]},
            "not 192350002",
        ),
        ({"PostEntityImages": [{"key": "p", "value": _entity(msdyn_ordertype=_choice(192350000))}]}, "project invoice"),
    ],
)
def test_another_event_is_ignored_with_the_reason(members: dict[str, Any], reason: str) -> None:
    ignored = _read(_event(**members))
    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"OrganizationId": "00000000-0000-0000-0000-000000000001"}, 403, "otherOrganization"),
        ({"OrganizationId": None}, 400, "noOrganizationId"),
        ({"PrimaryEntityId": None}, 400, "noPrimaryEntityId"),
        ({"PrimaryEntityId": "abc"}, 400, "badPrimaryEntityId"),
        ({"PrimaryEntityId": "00000000-0000-0000-0000-000000000000"}, 400, "noInvoiceId"),
    ],
)
def test_a_bad_event_is_refused_with_what_is_wrong(members: dict[str, Any], status: int, code: str) -> None:
    with pytest.raises(BadConfirmation) as refused:
        _read(_event(**members))
    assert (refused.value.status, refused.value.code) == (status, code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_event_at_all_is_a_400(body: bytes) -> None:
    with pytest.raises(BadConfirmation) as refused:
        read_event(body, ORGANIZATION)
    assert refused.value.status == 400


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_MEMBERS = [
    "InputParameters",
    "PostEntityImages",
    "MessageName",
    "PrimaryEntityName",
    "PrimaryEntityId",
    "OrganizationId",
]


@given(st.dictionaries(st.sampled_from(_MEMBERS), _JSON))
def test_whatever_the_members_hold_the_answer_is_one_of_the_three(members: dict[str, Any]) -> None:
    assert _status(_event(**members)) in {200, 202, 400, 403}


def _status(event: dict[str, Any]) -> int:
    try:
        return 202 if isinstance(_read(event), Confirmation) else 200
    except BadConfirmation as refused:
        return refused.status

"""What a webhook body means, in all the forms in which Dataverse sends it."""

import copy
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confirm_invoice.webhook import BadConfirmation, Confirmation, Doubtful, Ignored, Notice, Probe, Several, read_event

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


def _read(event: Any) -> Notice:
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
        return 200 if isinstance(_read(event), Ignored) else 202
    except BadConfirmation as refused:
        return refused.status


def _row(status: int | None, number: int = 1, **columns: Any) -> dict[str, Any]:
    """A target of a bulk message."""
    chosen = columns if status is None else {"msdyn_projectinvoicestatus": _choice(status), **columns}
    return {**_entity(**chosen), "Id": str(UUID(int=number))}


def _bulk(*targets: Any, collection: bool = True, **members: Any) -> dict[str, Any]:
    rows = {"__type": f"EntityCollection:{CONTRACTS}", "Entities": list(targets)} if collection else list(targets)
    return _event(
        MessageName="UpdateMultiple",
        PrimaryEntityId=str(UUID(int=0)),
        InputParameters=[{"key": "Targets", "value": rows}],
        **{"PostEntityImages": [], **members},
    )


def _several(event: dict[str, Any]) -> Several:
    read = _read(event)
    assert isinstance(read, Several)
    return read


@pytest.mark.parametrize("collection", [True, False])
def test_every_confirmed_row_of_a_bulk_message_is_one(collection: bool) -> None:
    rows = [_row(192350002, 1), _row(192350000, 2), _row(192350002, 3), _row(None, 4, name="x")]
    found = _several(_bulk(*rows, collection=collection))
    assert [type(row) for row in found.rows] == [Confirmation, Ignored, Confirmation, Ignored]
    assert [row.invoice_id for row in found.rows] == [UUID(int=number) for number in (1, 2, 3, 4)]
    assert found.unnamed == ""


@pytest.mark.parametrize("bad", [None, 7, {}, {"Id": "abc"}, {"Id": str(UUID(int=0)), "Attributes": 3}, []])
def test_a_bad_target_loses_no_good_one_and_is_looked_for(bad: Any) -> None:
    found = _several(_bulk(bad, _row(192350002, 5), bad))
    assert found.rows == (Confirmation(UUID(int=5)),)
    assert found.unnamed == "targets without a usable id: 2 of 3"


def test_a_target_named_by_its_key_column_alone_is_found() -> None:
    row = {**_row(192350002, invoiceid=str(INVOICE)), "Id": str(UUID(int=0))}
    assert _several(_bulk(row)).rows == (Confirmation(INVOICE),)


def test_a_row_named_twice_is_confirmed_if_it_is_once() -> None:
    found = _several(_bulk(_row(192350001), _row(192350002), _row(192350000)))
    assert found.rows == (Confirmation(UUID(int=1)),)


@pytest.mark.parametrize("form", ["collections", "entities"])
def test_images_of_a_bulk_message_are_found_by_their_row(form: str) -> None:
    other = {"key": "post", "value": _row(None, 2, msdyn_ordertype=_choice(192350000))}
    own = {"key": "post", "value": _row(None, 1, msdyn_ordertype=_choice(192350001))}
    images: dict[str, Any] = {"PostEntityImagesCollection": [[own], [other]]}
    if form == "entities":
        images = {"PostEntityImages": [{"key": "p", "value": {"Entities": [own["value"], other["value"]]}}]}
    found = _several(_bulk(_row(192350002, 1), _row(192350002, 2), **images))
    assert [type(row) for row in found.rows] == [Confirmation, Ignored]


@pytest.mark.parametrize("stripped", ["absent", None, []])
@pytest.mark.parametrize("message", ["UpdateMultiple", "CreateMultiple", "UpsertMultiple"])
def test_a_stripped_bulk_message_has_its_rows_looked_for(stripped: Any, message: str) -> None:
    event = _bulk() | {"MessageName": message, "InputParameters": stripped}
    if stripped == "absent":
        del event["InputParameters"]
    found = _several(event)
    assert (found.rows, "256 KB" in found.unnamed) == ((), True)


def test_a_bulk_message_without_rows_is_nothing() -> None:
    assert _several(_bulk()) == Several()


@pytest.mark.parametrize("status", [192350003, 192350004, 7])
def test_a_status_after_confirmed_is_looked_up(status: int) -> None:
    """The confirmation may have been reported before, or be old. The event alone does not tell."""
    target = [{"key": "Target", "value": _entity(msdyn_projectinvoicestatus=_choice(status))}]
    assert _read(_event(InputParameters=target)) == Doubtful(INVOICE)
    assert _several(_bulk(_row(status))).rows == (Doubtful(UUID(int=1)),)


def test_another_column_of_a_confirmed_invoice_is_no_confirmation() -> None:
    image = [{"key": "p", "value": _entity(msdyn_projectinvoicestatus=_choice(192350002))}]
    target = [{"key": "Target", "value": _entity(name="x")}]
    assert _read(_event(InputParameters=target, PostEntityImages=image)) == Doubtful(INVOICE)


@pytest.mark.parametrize(
    "members",
    [
        {"MessageName": "Create"},
        {"MessageName": "Upsert", "PrimaryEntityId": str(UUID(int=0))},
        {"MessageName": "Upsert", "PrimaryEntityId": None},
    ],
)
def test_a_row_that_is_written_as_confirmed_is_one(members: dict[str, Any]) -> None:
    assert _read(_event(**members)) == Confirmation(INVOICE)


@pytest.mark.parametrize(
    "members",
    [
        {"MessageName": "msdyn_PostInvoice"},
        {"MessageName": "msdyn_PostInvoice", "PrimaryEntityId": str(UUID(int=0))},
        {"MessageName": "SetState"},
        {"MessageName": "SetStateDynamicEntity", "PrimaryEntityId": None},
    ],
)
def test_a_message_about_an_invoice_without_a_status_has_it_looked_up(members: dict[str, Any]) -> None:
    key = "EntityMoniker" if members["MessageName"].startswith("SetState") else "Target"
    reference = {"__type": f"EntityReference:{CONTRACTS}", "Id": str(INVOICE), "LogicalName": "invoice"}
    inputs = [{"key": key, "value": reference}]
    assert _read(_event(InputParameters=inputs, PostEntityImages=[], **members)) == Doubtful(INVOICE)


def test_an_action_that_names_no_invoice_has_those_changed_lately_looked_up() -> None:
    event = _event(MessageName="contoso_ConfirmAll", PrimaryEntityId=None, InputParameters=[])
    assert "names no invoice" in _several(event).unnamed


@given(st.dictionaries(st.sampled_from([*_MEMBERS, "PostEntityImagesCollection", "OutputParameters"]), _JSON))
def test_whatever_a_bulk_message_holds_its_good_row_is_found(members: dict[str, Any]) -> None:
    members = {name: value for name, value in members.items() if name.startswith(("Post", "Output", "PrimaryEntityId"))}
    found = _several(_bulk(_row(192350002)) | members)
    assert Confirmation(UUID(int=1)) in found.rows or isinstance(found.rows[0], Ignored)


@given(_JSON)
def test_whatever_the_targets_are_nothing_is_raised(targets: Any) -> None:
    assert isinstance(_read(_bulk() | {"InputParameters": [{"key": "Targets", "value": targets}]}), Several)


PROBE = {"OrganizationId": str(ORGANIZATION), "PrimaryEntityName": "none", "MessageName": "RelayProbe"}


def test_a_probe_is_sent_back_and_is_no_event() -> None:
    assert _read({**PROBE, "RelayProbe": "0a-1"}) == Probe("0a-1")
    assert isinstance(_read(PROBE), Ignored)


@pytest.mark.parametrize("text", ["", None, 7, "x" * 101, "a b", "ü", ["x"]])
def test_a_probe_of_another_form_is_refused(text: Any) -> None:
    with pytest.raises(BadConfirmation) as refused:
        _read({**PROBE, "RelayProbe": text})
    assert (refused.value.status, refused.value.code) == (400, "badProbe")


def test_a_probe_for_another_organization_is_refused() -> None:
    with pytest.raises(BadConfirmation) as refused:
        _read({**PROBE, "RelayProbe": "x", "OrganizationId": str(INVOICE)})
    assert (refused.value.status, refused.value.code) == (403, "otherOrganization")

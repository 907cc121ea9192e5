"""A map file is looked through without a tenant: each fault has its line and column."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.maps.odata_filter import FilterRefused, parse_filter
from shared.maps.positions import place_of
from shared.maps.review import Remark, review
from shared.maps.table_map import MAPS, load_map
from shared.project_operations.codes import ACTUALS, CONNECTIONS

TEXT = (MAPS / f"{ACTUALS}.json").read_text("utf-8")
SHIPPED = load_map(ACTUALS)


def _replaced(old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


def _only(text: str) -> Remark:
    found = review(text, SHIPPED)
    assert len(found.remarks) == 1, found.remarks
    return found.remarks[0]


def _here(text: str, remark: Remark) -> str:
    """What stands at the place of a remark."""
    return text.splitlines()[remark.line - 1][remark.column - 1 :]


def test_the_shipped_map_has_no_remark() -> None:
    assert review(TEXT, SHIPPED).remarks == ()


@pytest.mark.parametrize(
    ("old", "new", "reason", "here"),
    [
        ('"target": "AMOUNT"', '"target": "Amount"', "letters in capitals, digits and _, such as AMOUNT", '"Amount"'),
        ('"version": "1.0.0.16"', '"version": "new"', "no version such as 1.0.0.17", '"new"'),
        (
            '"direction": "toFinance", "transform": {"kind": "date"}',
            '"direction": "out"',
            "Input should be 'toFinance'",
            '"out"',
        ),
        ('"source": "msdyn_price"', '"source": "msdyn price"', "is not a column name", '"msdyn price"'),
        ('"key": "ActualsImportId"', '"keys": "ActualsImportId"', "is not a field of a map", '"ActualsImportId"'),
        ('["ACTUALSIMPORTID"]', '["ACTUALSID"]', "ACTUALSID is not a target column", '["ACTUALSID"]'),
        (
            '{"Yes": true, "No": false}',
            '{"true": "Yes", "false": "No"}',
            "the value map is reversed. Finance's name comes first, then Dataverse's value: \"Yes\": true",
            '{"true": "Yes", "false": "No"}',
        ),
        (
            '"filter": "msdyn_istransition ne true"',
            '"filter": "msdyn_istransition is true"',
            "is stands where eq, ne",
            "is true",
        ),
        (
            '"source": "msdyn_Task.msdyn_activitynumber"',
            '"source": "msdyn_task.msdyn_activitynumber"',
            "not among source.lookups",
            '"msdyn_task',
        ),
    ],
)
def test_a_fault_has_its_place(old: str, new: str, reason: str, here: str) -> None:
    text = _replaced(old, new)
    remark = next(each for each in review(text, SHIPPED).remarks if each.severity == "fault")
    assert reason in remark.text
    assert _here(text, remark).startswith(here)


def test_a_broken_file_has_the_place_where_it_breaks() -> None:
    text = _replaced('"key": "ActualsImportId",', '"key": "ActualsImportId"')
    remark = _only(text)
    assert remark.text.startswith("no JSON: ")
    assert _here(text, remark).startswith('"changes"')


def test_a_member_that_is_given_twice_is_refused() -> None:
    assert _only(_replaced('"set": "msdyn_actuals",', '"set": "x", "set": "msdyn_actuals",')).text.startswith(
        "set is given twice"
    )


def test_a_column_that_looks_mistyped_is_told_with_the_one_that_is_meant() -> None:
    text = _replaced('"source": "msdyn_description"', '"source": "msdyn_descripton"')
    remark = _only(text)
    assert (remark.severity, _here(text, remark).split(",")[0]) == ("warning", '"msdyn_descripton"')
    assert "(is msdyn_description meant?)" in remark.text


def test_a_column_of_the_tenant_is_a_warning_and_one_that_is_gone_too() -> None:
    def change(content: dict[str, Any]) -> None:
        content["fields"][4] = {"target": "MYNOTE", "source": "contoso_note", "direction": "toFinance"}

    texts = [remark.text for remark in review(_changed(change), SHIPPED).remarks]
    assert any("MYNOTE is not in the shipped map" in text for text in texts)
    assert any("contoso_note is not in the shipped map" in text for text in texts)
    assert any("AMOUNT, which the shipped map has, is not sent any more" in text for text in texts)


def test_a_condition_of_the_shipped_filter_that_is_gone_is_a_warning() -> None:
    text = _replaced(
        '"filter": "msdyn_istransition ne true"', '"filter": "(msdyn_istransition ne true) or statecode eq 0"'
    )
    remark = _only(text)
    assert remark.severity == "warning"
    assert "the condition of the shipped map is gone: msdyn_istransition ne true" in remark.text
    kept = '"filter": "(statecode eq 0 or a eq 1) and (msdyn_istransition ne true)"'
    assert review(_replaced('"filter": "msdyn_istransition ne true"', kept), SHIPPED).remarks == ()


def _changed(change: Callable[[dict[str, Any]], None]) -> str:
    content = json.loads(TEXT)
    change(content)
    return json.dumps(content, indent=1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["a"], "1"),
        (["b", 1, "c"], "[true]"),
        (["b", 1, "c", 0], "true"),
        (["b", 0], '"x, ]}"'),
        (["b", 1, "tag", "c"], "[true]"),
        (["b", 9], "["),
    ],
)
def test_a_place_is_found_whatever_the_layout(path: list[int | str], value: str) -> None:
    text = '{\n "a" : 1,\n\t"b":["x, ]}",{"c" : [true]}]\n}'
    line, column = place_of(text, path)
    assert text.splitlines()[line - 1][column - 1 :].startswith(value)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", ()),
        ("msdyn_istransition ne true", ("msdyn_istransition",)),
        ("not (a eq 1 or b/c ge 2026-01-01T00:00:00Z) and d eq 'it''s'", ("a", "b.c", "d")),
        ("contains(name,'(') and _x_value eq 0a1b2c3d-0000-4000-8000-00000000000a", ("name", "_x_value")),
        ("Microsoft.Dynamics.CRM.In(PropertyName='a',PropertyValues=['1','2'])", ()),
        ("a eq null and b lt -1.5", ("a", "b")),
    ],
)
def test_a_filter_is_understood(text: str, paths: tuple[str, ...]) -> None:
    assert parse_filter(text).paths == paths


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("a eq", 4),
        ("a = 1", 2),
        ("a eq b", 5),
        ("(a eq 1", 7),
        ("a eq 1)", 6),
        ("a eq 'x", 5),
        ("and a eq 1", 0),
        ("a eq 1 b eq 2", 7),
        ("a ge", 4),
        ("sum(a) eq 1", 0),
    ],
)
def test_a_filter_that_is_none_is_refused_with_its_place(text: str, at: int) -> None:
    with pytest.raises(FilterRefused) as refused:
        parse_filter(text)
    assert refused.value.at == at


def test_a_character_that_is_written_as_several_moves_the_place_of_a_fault() -> None:
    text = json.dumps(load_map(CONNECTIONS).document, indent=2)
    wrong = text.replace("msdyn_transaction1type eq 'msdyn_actual' and", "a eq \\u0027\\ud83d\\ude00\\u0027 andd")
    [fault] = review(wrong).faults
    line = wrong.splitlines()[fault.line - 1]
    assert line[fault.column - 1 :].startswith("andd")


@pytest.mark.parametrize("member", ['"version": "2.0",', '"direction": "both",'])
def test_a_member_that_is_given_twice_has_a_place(member: str) -> None:
    text = json.dumps(load_map(CONNECTIONS).document, indent=2)
    name = member.partition(":")[0]
    wrong = text.replace(f"{name}:", f"{member}\n {name}:", 1)
    [fault] = review(wrong).faults
    assert f"{name[1:-1]} is given twice" in fault.text
    line = wrong.splitlines()[fault.line - 1]
    assert (line[fault.column - 1 :].startswith(name), fault.line) == (
        True,
        wrong[: wrong.index(member)].count("\n") + 2,
    )


def test_a_number_without_an_end_is_a_fault() -> None:
    assert review('{"version": 1' + "0" * 5000 + "}").faults[0].text.startswith("no JSON: ")

"""Dual-write's form, as awkward as it is: what is taken, what is changed by rule, and what has no counterpart."""

import json
from typing import Any

import pytest

from shared.maps.dual_write import NoMapping, Translated, decode, leg_of, translate
from shared.maps.dual_write_paths import Described, Hop
from shared.maps.table_map import load_map
from shared.project_operations.codes import ACTUALS, INVOICES

OWN = load_map(INVOICES).source.filter
DESCRIBED = Described(
    table="invoice",
    hops={
        "invoice": [
            Hop("customerid", "customerid_account", "account"),
            Hop("customerid", "customerid_contact", "contact"),
            Hop("salesorderid", "salesorderid", "salesorder"),
        ]
    },
    columns={
        "invoice": {"name": "String", "customerid": "Customer", "contoso_count": "Integer", "contoso_day": "DateTime"},
        "account": {"accountnumber": "String", "name": "String"},
        "contact": {"fullname": "String", "name": "String"},
        "salesorder": {"msdyn_salesordernumber": "String"},
    },
    days={"invoice": {"contoso_day": "localDay"}},
    sets={"account": "accounts", "contact": "contacts"},
    members={"KIND": ["Chargeable", "NonChargeable"]},
)


def _field(**changes: Any) -> dict[str, Any]:
    standard = {"syncDirection": 2, "sourceField": "MYCOLUMN", "destinationField": "name", "valueTransforms": []}
    return standard | changes


def _translated(*fields: dict[str, Any], stage: str = INVOICES, **leg: Any) -> Translated:
    mapping = {"name": "ours", "legs": [{"fieldMappings": list(fields), **leg}]}
    return translate(mapping, load_map(stage), DESCRIBED)


def _values(**values: str) -> dict[str, Any]:
    return {"transformType": "ValueMap", "valueMap": values}


def _told(found: Translated, target: str = "MYCOLUMN") -> tuple[str, str]:
    return next((line.kind, line.text) for line in found.report if line.target == target)


@pytest.mark.parametrize(
    ("given", "direction"),
    [
        (1, "toDataverse"),
        ("1", "toDataverse"),
        (2, "toFinance"),
        ("2", "toFinance"),
        (3, "both"),
        (" 3", "both"),
        ("CEOnly", "toFinance"),
        ("Both", "both"),
    ],
)
def test_a_direction_is_a_number_or_a_text(given: object, direction: str) -> None:
    [pair] = _translated(_field(syncDirection=given)).content["fields"]
    assert pair["direction"] == direction


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (_field(valueTransforms={"transformType": "ValueMap", "valueMap": {"A": "1"}}), "are no list of objects"),
        (_field(valueTransforms=["x"]), "its transforms are no list of objects"),
        (_field(valueTransforms="[{"), "its transforms cannot be read"),
        (_field(valueTransforms=[_values(A="1"), _values(B="2")]), "it has the transform ValueMap more than once"),
        (_field(syncDirection=9), "its direction is 9"),
        (_field(destinationField="salesorderid.nothing"), "table salesorder has no column nothing"),
        (_field(destinationField="ownerid.fullname"), "there is no lookup ownerid"),
        (
            _field(destinationField="customerid.name"),
            "customerid refers to several tables with a column name (account, contact)",
        ),
        (_field(valueTransforms=[{"transformType": "Expression"}]), "its transform Expression is not known"),
        (_field(destinationField=""), "it has neither a column nor a default"),
        (_field(valueTransforms=[_values()]), "its value map is empty"),
        (_field(sourceField="MY-COLUMN"), "MY-COLUMN is no column of a package"),
        (
            _field(
                destinationField="",
                syncDirection=1,
                valueTransforms=[{"transformType": "Default", "defaultValue": "X"}],
            ),
            "a default without a column that goes to Dataverse",
        ),
    ],
)
def test_what_has_no_counterpart_is_told_and_left_out(field: dict[str, Any], reason: str) -> None:
    found = _translated(field)
    assert found.content["fields"] == []
    kind, text = _told(found, str(field["sourceField"]))
    assert kind == "untranslatable"
    assert reason in text


@pytest.mark.parametrize(
    ("path", "related", "ours"),
    [
        ("customerid.accountnumber", "", "customerid_account.accountnumber"),
        ("customerid.name", "contacts", "customerid_contact.name"),
        ("CustomerId.Name", "accounts", "customerid_account.name"),
        ("salesorderid.msdyn_salesordernumber", "", "salesorderid.msdyn_salesordernumber"),
        ("customerid", "", "_customerid_value"),
    ],
)
def test_a_path_goes_by_navigation_properties(path: str, related: str, ours: str) -> None:
    found = _translated(_field(destinationField=path, destinationLookupFieldRelatedEntity=related))
    assert found.content["fields"][0]["source"] == ours
    assert _told(found)[0] == ("taken" if path == ours else "changed")


def test_a_value_map_is_matched_without_regard_to_case_and_its_numbers_are_numbers() -> None:
    transforms = [_values(chargeable="192350001", nonchargeable="192350000", alsoChargeable="192350001")]
    found = _translated(_field(sourceField="KIND", destinationField="contoso_count", valueTransforms=transforms))
    assert found.content["fields"][0]["transform"]["values"] == {"Chargeable": 192350001, "NonChargeable": 192350000}
    assert "alsoChargeable stands for 192350001 like another name, and is left out" in _told(found, "KIND")[1]


def test_defaults() -> None:
    default = {"transformType": "Default", "defaultValue": "chargeable"}
    beside = _translated(_field(sourceField="KIND", valueTransforms=[default]))
    assert beside.content["fields"][0]["transform"] == {"kind": "default", "value": "Chargeable"}
    alone = _translated(_field(sourceField="KIND", destinationField="", valueTransforms=[default]))
    assert alone.content["fields"] == [
        {"target": "KIND", "direction": "toFinance", "transform": {"kind": "constant", "value": "Chargeable"}}
    ]


def test_a_day_gets_the_rule_of_its_column() -> None:
    found = _translated(_field(destinationField="contoso_day"))
    assert found.content["fields"][0]["transform"] == {"kind": "localDay"}


def test_one_target_twice_becomes_one_field() -> None:
    both = _translated(_field(syncDirection=1), _field(syncDirection=2))
    assert [pair["direction"] for pair in both.content["fields"]] == ["both"]
    other = _translated(_field(syncDirection=1), _field(syncDirection=2, destinationField="contoso_count"))
    assert [(pair["source"], pair["direction"]) for pair in other.content["fields"]] == [("contoso_count", "toFinance")]
    assert ("untranslatable", "contoso_count is kept for this column") in {
        (line.kind, line.text) for line in other.report
    }


@pytest.mark.parametrize(
    ("given", "ours", "kind"),
    [
        (f"contoso_count eq '3' and {OWN}", f"contoso_count eq 3 and {OWN}", "changed"),
        (f"{OWN} and name eq '3'", f"{OWN} and name eq '3'", "taken"),
        (f"customerid ne null and {OWN}", f"_customerid_value ne null and {OWN}", "changed"),
        ("name eq", load_map(INVOICES).source.filter, "untranslatable"),
        ("", load_map(INVOICES).source.filter, "changed"),
    ],
)
def test_a_filter_is_the_web_api_s(given: str, ours: str, kind: str) -> None:
    found = _translated(_field(), reversedSourceFilter=given)
    assert found.content["source"]["filter"] == ours
    assert _told(found, "filter")[0] == kind


def test_what_the_shipped_map_keeps_out_stays_out() -> None:
    """Dual-write's own filter of actuals lets billed sales through that this app never sends."""
    found = _translated(_field(), stage=ACTUALS, reversedSourceFilter="a eq 1 or msdyn_istransition ne true")
    assert (
        found.content["source"]["filter"] == "(a eq 1 or msdyn_istransition ne true) and (msdyn_istransition ne true)"
    )
    assert "the shipped condition stays beside it" in _told(found, "filter")[1]


def test_a_range_of_finance_is_told() -> None:
    found = _translated(_field(), sourceFilter="((DataAreaId == 'usmf'))")
    assert "a range of Finance" in _told(found, "filter")[1]


def test_a_leg_with_dataverse_as_source_is_turned_round() -> None:
    leg = {
        "sourceEnvironmentType": "CRM",
        "sourceSchema": "invoices",
        "destinationSchema": "Project invoice proposal V2",
        "sourceFilter": "name eq 'x'",
        "fieldMappings": [{"sourceField": "name", "destinationField": "NAME"}],
    }
    turned = leg_of({"legs": [leg]})
    assert turned["sourceSchema"] == "Project invoice proposal V2"
    assert turned["reversedSourceFilter"] == "name eq 'x'"
    assert turned["fieldMappings"] == [{"destinationField": "name", "sourceField": "NAME"}]


def test_without_metadata_paths_are_those_of_the_shipped_map() -> None:
    mapping = {
        "legs": [
            {
                "fieldMappings": [
                    _field(sourceField="PROJECTID", destinationField="msdyn_project.msdyn_projectnumber"),
                    _field(destinationField="msdyn_bookableresource.name"),
                ]
            }
        ]
    }
    found = translate(mapping, load_map(ACTUALS), Described())
    assert [pair["source"] for pair in found.content["fields"]] == ["msdyn_Project.msdyn_projectnumber"]
    assert "without the metadata of Dataverse" in _told(found)[1]


@pytest.mark.parametrize(
    "content", [{}, {"legs": []}, {"legs": [{}]}, {"legs": "x"}, {"legs": [{"fieldMappings": None}]}]
)
def test_what_is_no_mapping_is_refused(content: Any) -> None:
    with pytest.raises(NoMapping):
        leg_of(content)


def test_a_mapping_of_another_table_is_refused() -> None:
    with pytest.raises(NoMapping, match="it maps accounts, and this map carries invoices"):
        _translated(_field(), destinationSchema="accounts")


def test_json_in_json_is_read_and_other_text_is_refused() -> None:
    assert decode(json.dumps(json.dumps({"a": 1}))) == {"a": 1}
    with pytest.raises(NoMapping):
        decode("{")


def test_what_has_another_form_is_read_or_told() -> None:
    texts = _field(valueTransforms=json.dumps([_values(A="x")]), isSystemGenerated="False")
    found = _translated(texts, _field(sourceField="B", isSystemGenerated="True"), *json.loads('["odd"]'))
    [pair] = found.content["fields"]
    assert pair["transform"]["values"] == {"A": "x"}
    assert _told(found, "B") == ("changed", "left out: dual-write adds it by itself")
    assert _told(found, "fieldMappings") == ("untranslatable", "'odd' is no field")
    two = {"legs": [{"fieldMappings": [_field()]}] * 2}
    assert _told(translate(two, load_map(INVOICES), DESCRIBED), "legs")[0] == "untranslatable"


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (False, "No"), ("0", "0")])
def test_a_default_that_python_takes_for_nothing_is_a_value(value: object, text: str) -> None:
    [pair] = _translated(_field(valueTransforms=[{"transformType": "Default", "defaultValue": value}])).content[
        "fields"
    ]
    assert pair["transform"] == {"kind": "default", "value": text}


def test_names_of_a_value_map_that_finance_takes_for_one_are_told() -> None:
    values: dict[str, Any] = {"chargeable": "1", "Chargeable": "2", "NonChargeable": None}
    transform = {"transformType": "ValueMap", "valueMap": values}
    found = _translated(_field(sourceField="KIND", destinationField="contoso_count", valueTransforms=[transform]))
    assert found.content["fields"][0]["transform"]["values"] == {"Chargeable": 1}
    kind, text = _told(found, "KIND")
    assert kind == "changed"
    assert "Chargeable also stands for 2, which is left out" in text
    assert "NonChargeable stands for no value" in text


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_fields_the_one_to_finance_says_what_is_sent(turned: bool) -> None:
    back, there = _field(syncDirection=1), _field(syncDirection=2, valueTransforms=[_values(A="x")])
    [pair] = _translated(*((there, back) if turned else (back, there))).content["fields"]
    assert (pair["direction"], pair["transform"]["values"]) == ("both", {"A": "x"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("contoso_count eq 'many'", "'many' is no value of contoso_count, which is of type Integer"),
        ("contoso_count eq '1 or name ne null'", "is no value of contoso_count"),
        ("customerid eq 'abc'", "is no value of customerid"),
        ("salesorderid.msdyn_salesordernumber eq '3'", "goes through a lookup"),
    ],
)
def test_a_filter_that_cannot_be_translated_leaves_the_shipped_one(text: str, reason: str) -> None:
    found = _translated(_field(), reversedSourceFilter=text)
    assert found.content["source"]["filter"] == OWN
    kind, told = _told(found, "filter")
    assert (kind, reason in told) == ("untranslatable", True)

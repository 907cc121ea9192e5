"""A map's identity is what it writes: a change of any cell changes it, a change of words does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.maps.table_map import MAPS, load_map, read_written
from shared.project_operations.codes import ACTUALS

type Content = dict[str, Any]

CONSTANT = {"kind": "constant", "value": "RELAY"}


def _pair(content: Content, target: str) -> Content:
    return next(pair for pair in content["fields"] if pair["target"] == target)


def _swap(first: str, second: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        one, other = _pair(content, first), _pair(content, second)
        one["source"], other["source"] = other["source"], one["source"]

    return change


def _move(content: Content) -> None:
    content["fields"].reverse()


def _custom(content: Content) -> None:
    content["fields"].append({"target": "MYNOTE", "source": "msdyn_note", "direction": "toFinance"})


def _constant(content: Content) -> None:
    content["fields"].append({"target": "ORIGIN", "direction": "toFinance", "transform": CONSTANT})


def _without_description(content: Content) -> None:
    content["fields"].remove(_pair(content, "DESCRIPTION"))


def _renamed(content: Content) -> None:
    _pair(content, "EXTERNALREFERENCE")["target"] = "EXTERNALREFERENCEID"


def _another_value(content: Content) -> None:
    _pair(content, "BILLINGTYPE")["transform"]["values"]["Chargeable"] = 192350007


def _no_transform(content: Content) -> None:
    del _pair(content, "ACCOUNTINGDATE")["transform"]


def _another_label(content: Content) -> None:
    content["target"]["entity"] = "Project integration actuals"


def _another_key(content: Content) -> None:
    content["integrationKey"] = ["ACTUALID"]


def _another_company(content: Content) -> None:
    content["company"] = "msdyn_Project.msdyn_projectnumber"


def _other_words(content: Content) -> None:
    content |= {"name": "Our actuals", "version": "9.9"}


def _other_values_order(content: Content) -> None:
    values = _pair(content, "TRANSACTIONTYPE")["transform"]["values"]
    _pair(content, "TRANSACTIONTYPE")["transform"]["values"] = dict(reversed(values.items()))


def _only_back(content: Content) -> None:
    content["fields"].append({"target": "TAXGROUP", "source": "msdyn_taxgroup", "direction": "toDataverse"})


def _digest(folder: Path, change: Callable[[Content], None]) -> str:
    content = json.loads((MAPS / "actuals.json").read_text("utf-8"))
    change(content)
    (folder / "actuals.json").write_text(json.dumps(content), "utf-8")
    return load_map(ACTUALS, folder).digest


@pytest.mark.parametrize(
    "change",
    [
        _swap("QUANTITY", "UNITPRICE"),
        _swap("AMOUNT", "UNITPRICE"),
        _move,
        _custom,
        _constant,
        _without_description,
        _renamed,
        _another_value,
        _no_transform,
        _another_label,
        _another_key,
        _another_company,
    ],
)
def test_a_map_that_writes_other_rows_is_another_map(tmp_path: Path, change: Callable[[Content], None]) -> None:
    assert _digest(tmp_path, change) != load_map(ACTUALS).digest


@pytest.mark.parametrize("change", [_other_words, _other_values_order, _only_back])
def test_a_map_that_writes_the_same_rows_is_the_same_map(tmp_path: Path, change: Callable[[Content], None]) -> None:
    assert _digest(tmp_path, change) == load_map(ACTUALS).digest


def test_another_constant_is_another_map(tmp_path: Path) -> None:
    def change(content: Content) -> None:
        _constant(content)
        content["fields"][-1]["transform"] = {"kind": "constant", "value": "OTHER"}

    assert _digest(tmp_path, change) != _digest(tmp_path, _constant)


def test_a_constant_is_read_back_from_what_is_written(tmp_path: Path) -> None:
    _digest(tmp_path, _constant)
    table_map = load_map(ACTUALS, tmp_path)
    assert read_written(json.loads(table_map.written), load_map(ACTUALS)).digest == table_map.digest

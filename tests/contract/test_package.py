"""The data package as Finance opens it: a flat zip, UTF-16 with a byte order mark, members in their order."""

import codecs
import csv
import io
import zipfile
from collections.abc import AsyncIterator
from itertools import chain
from xml.etree import ElementTree as ET

import pytest

from shared.engine.targets.data_package import build
from shared.jobs.job import load_job, load_maps
from shared.maps.table_map import TableMap
from shared.project_operations.codes import ACTUALS
from shared.storage.landing import encode

MAPS = load_maps()
NAMESPACE = "{http://schemas.microsoft.com/dynamics/2015/01/DataManagement}"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
SERIALIZATION = "Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization"
PROJECT = "InvoiceRelay-actuals-2"
AWKWARD = [
    "",
    "plain",
    'with "quotes"',
    "a, comma",
    "two\r\nlines",
    "one\nfeed",
    "Söhne & Co 🧾",
    " padded ",
    "=1+1",
    "'",
]


async def landed(content: bytes, piece: int = 7) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


def rows_of(table_map: TableMap, count: int, start: int = 0) -> list[list[str]]:
    width = len(table_map.columns)
    return [[AWKWARD[(row + column) % len(AWKWARD)] for column in range(width)] for row in range(start, start + count)]


async def open_package(stage: str, *parts: list[list[str]]) -> zipfile.ZipFile:
    package = await build(MAPS[stage], PROJECT, [landed(encode(rows)) for rows in parts])
    with package:
        return zipfile.ZipFile(io.BytesIO(package.read()))


def read_text(archive: zipfile.ZipFile, name: str) -> str:
    content = archive.read(name)
    assert content.startswith(codecs.BOM_UTF16_LE)
    text = content.removeprefix(codecs.BOM_UTF16_LE).decode("utf-16-le")
    assert "\ufeff" not in text
    return text


@pytest.fixture(params=load_job().maps)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_the_zip_is_flat_and_holds_manifest_header_and_data(stage: str) -> None:
    archive = await open_package(stage, rows_of(MAPS[stage], 2))
    data = f"{MAPS[stage].target.entity}.csv"
    assert archive.namelist() == ["Manifest.xml", "PackageHeader.xml", data]
    assert archive.testzip() is None


async def test_the_manifest_maps_every_column_of_the_file_in_its_order(stage: str) -> None:
    archive = await open_package(stage, rows_of(MAPS[stage], 1))
    root = ET.fromstring(read_text(archive, "Manifest.xml"))  # noqa: S314 - our own text
    [entity] = root.iter(f"{NAMESPACE}DataManagementPackageEntityData")
    maps = [
        {child.tag.removeprefix(NAMESPACE): child.text for child in entry}
        for entry in root.iter(f"{NAMESPACE}EntityMap")
    ]
    assert [entry["ArrayIndex"] for entry in maps] == [str(index) for index in range(len(MAPS[stage].columns))]
    assert [entry["EntityField"] for entry in maps] == list(MAPS[stage].columns)
    assert [entry["XMLField"] for entry in maps] == list(MAPS[stage].columns)
    header = read_text(archive, f"{MAPS[stage].target.entity}.csv").partition("\r\n")[0]
    assert header.split(",") == list(MAPS[stage].columns)
    values = {child.tag.removeprefix(NAMESPACE): child.text for child in entity}
    assert values["EntityName"] == MAPS[stage].target.entity
    assert values["InputFilePath"] in archive.namelist()
    assert values["SourceFormat"] == "CSV-Unicode"
    assert (values["SkipStaging"], values["RunBusinessLogic"]) == ("false", "true")
    assert root.findtext(f"{NAMESPACE}DefinitionGroupName") == PROJECT


@pytest.mark.parametrize("name", ["Manifest.xml", "PackageHeader.xml"])
async def test_the_members_of_every_element_are_in_ordinal_order(stage: str, name: str) -> None:
    archive = await open_package(stage, rows_of(MAPS[stage], 1))
    root = ET.fromstring(read_text(archive, name))  # noqa: S314 - our own text
    for element in root.iter():
        assert element.tag.startswith(NAMESPACE)
        members = [child.tag for child in element]
        assert members == sorted(members), element.tag
    assert {element.get(NIL) for element in root.iter() if element.get(NIL)} <= {"true"}


async def test_the_header_names_the_manifest_and_its_version(stage: str) -> None:
    archive = await open_package(stage, rows_of(MAPS[stage], 1))
    root = ET.fromstring(read_text(archive, "PackageHeader.xml"))  # noqa: S314 - our own text
    assert root.tag == f"{NAMESPACE}DataManagementPackageHeader"
    assert {child.tag.removeprefix(NAMESPACE): child.text for child in root} == {
        "Description": PROJECT,
        "ManifestType": f"{SERIALIZATION}.DataManagementPackageManifest",
        "PackageType": "DefinitionGroup",
        "PackageVersion": "2",
    }


async def test_the_rows_of_all_parts_follow_one_header_with_their_texts_unchanged(stage: str) -> None:
    table_map = MAPS[stage]
    parts = [rows_of(table_map, 3), rows_of(table_map, 1, start=3), rows_of(table_map, 8, start=4)]
    archive = await open_package(stage, *parts)
    text = read_text(archive, f"{table_map.target.entity}.csv")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [list(table_map.columns), *chain(*parts)]
    assert text.endswith("\r\n")


async def test_lines_end_with_carriage_return_and_line_feed(stage: str) -> None:
    row = ["x"] * len(MAPS[stage].columns)
    archive = await open_package(stage, [row] * 20)
    text = read_text(archive, f"{MAPS[stage].target.entity}.csv")
    assert text.count("\r\n") == text.count("\n") == text.count("\r") == 21


async def test_a_large_package_is_whole() -> None:
    row = [f"{index:032}" for index in range(len(MAPS[ACTUALS].columns))]
    content = encode([row] * 500)

    async def part() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield content

    with await build(MAPS[ACTUALS], PROJECT, [part(), part()]) as package, zipfile.ZipFile(package) as archive:
        data = archive.read(f"{MAPS[ACTUALS].target.entity}.csv")
    assert data.count("\r\n".encode("utf-16-le")) == 20_001


async def test_what_finance_owns_is_taken_out_of_parts_that_were_landed_with_it() -> None:
    """Parts that an earlier map wrote hold the tax and whether a row is journalized; posting may set them meanwhile."""
    table_map = MAPS[ACTUALS]
    owned = {"ISJOURNALIZED", "SALESTAXAMOUNT"}
    earlier = table_map.model_copy(
        update={
            "target": table_map.target.model_copy(update={"changes": ()}),
            "fields": tuple(
                pair.model_copy(update={"direction": "toFinance"}) if pair.target in owned else pair
                for pair in table_map.fields
            ),
        }
    )
    earlier = TableMap.model_validate(earlier.model_dump())
    assert owned < set(earlier.columns)
    parts = [rows_of(earlier, 3), rows_of(earlier, 8, start=3)]
    package = await build(earlier, PROJECT, [landed(encode(rows)) for rows in parts], without=table_map.owned)
    with package, zipfile.ZipFile(io.BytesIO(package.read())) as archive:
        text = read_text(archive, f"{table_map.target.entity}.csv")
        manifest = read_text(archive, "Manifest.xml")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == list(table_map.columns)
    assert rows == [
        [cell for cell, column in zip(row, earlier.columns, strict=True) if column not in owned]
        for row in chain(*parts)
    ]
    assert not any(column in manifest for column in owned)

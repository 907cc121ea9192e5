"""A data package: a flat zip with a manifest, a header and one file for each entity."""

import codecs
import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from simulators.finance.entities import ENTITIES, Entity
from simulators.finance.fields import new_guid
from simulators.finance.manifest import EntityPart, Manifest, ManifestRefused, read_header, read_manifest

ENCODINGS = {"CSV-Unicode": "utf-16-le", "CSV": "utf-8"}


class PackageRefused(Exception):
    """A package that cannot be imported at all."""


class FileRefused(Exception):
    """A file of a package that fails its whole entity."""


def open_package(path: Path) -> Manifest:
    """Return the manifest of a package after checking zip, header, manifest and entity names; raise PackageRefused."""
    try:
        with zipfile.ZipFile(path) as archive:
            read_header(_member(archive, "PackageHeader.xml"))
            manifest = read_manifest(_member(archive, "Manifest.xml"))
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise PackageRefused("End of Central Directory record could not be found.") from error
    except ManifestRefused as error:
        raise PackageRefused(str(error)) from error
    for part in manifest.entities:
        find_entity(part.entity_name)
    return manifest


def find_entity(label: str) -> Entity:
    """Return the data entity of a label; raise PackageRefused when the environment has none."""
    entity = ENTITIES.get(label.lower())
    if entity is None:
        raise unknown_entity(label)
    return entity


def unknown_entity(label: str) -> PackageRefused:
    """The refusal of a label that the environment does not have."""
    return PackageRefused(f"Entity {label} does not exist in the target environment.")


def holds(path: Path, manifest: Manifest, text: str) -> bool:
    """Whether a file of the package holds this text."""
    with zipfile.ZipFile(path) as archive:
        files = {part.file: ENCODINGS.get(part.source_format, "utf-8") for part in manifest.entities}
        return any(text in archive.read(name).decode(form, "replace") for name, form in files.items())


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        folder = f"C:\\windows\\TEMP\\{new_guid()}_{new_guid()}"
        raise PackageRefused(f"Could not find file '{folder}\\{name}'.") from error


@contextmanager
def open_rows(path: Path, part: EntityPart, entity: Entity) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """Give the header and the rows of an entity's file, read as a stream; raise FileRefused for what is not CSV."""
    if part.source_format not in ENCODINGS:
        raise FileRefused("DMF1855 The file type doesn't match the source data format of the data project.")
    with zipfile.ZipFile(path) as archive:
        if part.file not in archive.namelist():
            raise FileRefused(f"Could not find file '{part.file}' in the package.")
        with archive.open(part.file) as file:
            _check_mark(file, part.source_format)
            text = io.TextIOWrapper(file, encoding=ENCODINGS[part.source_format], newline="\n")
            rows = _rows(text, entity)
            header = next(rows, None)
            if header is None:
                raise FileRefused("DMF2053 The file is empty.")
            yield header, rows


def _check_mark(file: IO[bytes], source_format: str) -> None:
    if source_format == "CSV-Unicode":
        if file.read(2) != codecs.BOM_UTF16_LE:
            raise FileRefused("Selected file is not Unicode")
    elif file.read(3) != codecs.BOM_UTF8:
        file.seek(0)


def _rows(text: TextIO, entity: Entity) -> Iterator[list[str]]:
    """Yield records; each must end with CRLF, while a quoted field may hold any line break."""
    last = ""

    def remember(line: str) -> str:
        nonlocal last
        last = line
        return line

    try:
        for row in csv.reader(map(remember, text), strict=True):
            if last.endswith("\n") and not last.endswith("\r\n"):
                raise FileRefused(f"the mapping is incorrect for entity {entity.label} and field {{{new_guid()}}}")
            yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileRefused(f"DMF2018 The data in the file is not valid: {error}.") from error

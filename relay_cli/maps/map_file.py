"""Map files on this machine: how they are read, looked through, and written."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relay_cli.problems import Misused
from shared.maps.review import Review, review
from shared.maps.table_map import MAPS, TableMap, load_map

type Content = Mapping[str, Any]

_MOST_BYTES = 200_000
_NAME = re.compile(r"[a-z][a-z0-9]*")


def read_text(file: Path) -> str:
    """The text of a file. Raises Misused."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{file} cannot be read: {error}.") from error
    if len(text.encode()) > _MOST_BYTES:
        raise Misused(f"{file} has more than {_MOST_BYTES:,} bytes, which no map has.")
    return text


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises Misused with the place of a fault."""
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise Misused(f"{file} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise Misused(f"{file} is not a JSON object.")
    return content


def read_mapping(file: Path) -> dict[str, Any]:
    """The content of msdyn_mapping: as it is, or as the one row of an export. Raises Misused."""
    content = read_json(file)
    rows = content.get("value")
    row = rows[0] if isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], dict) else content
    return {"msdyn_mapping": row["msdyn_mapping"]} if isinstance(row.get("msdyn_mapping"), str) else row


def look_through(name: str, text: str) -> Review:
    """What can be said about a map file without the app, compared with the map that this version of `relay` knows."""
    return review(text, shipped_map(name))


def shipped_map(name: str) -> TableMap | None:
    """The map of this name in this version, or None."""
    # The name becomes a part of a path.
    known = _NAME.fullmatch(name) and (MAPS / f"{name}.json").is_file()
    return load_map(name) if known else None


def write(file: Path, content: Content, *, overwrite: bool) -> None:
    """Write a map file as maps are laid out: one line for each field. Raises Misused for a file with other content,
    unless it may be overwritten."""
    text = lay_out(content)
    if file.exists() and not overwrite and read_text(file) != text:
        raise Misused(f"{file} exists and has other content.", "Name another file, or add --overwrite.")
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise Misused(f"{file} cannot be written: {error}.") from error


def lay_out(content: Content) -> str:
    """The text of a map file: one line for each field, so that two files are compared line by line."""
    members = [f"  {json.dumps(name)}: {_member(name, value)}" for name, value in content.items()]
    return "{\n" + ",\n".join(members) + "\n}\n"


def _member(name: str, value: Any) -> str:
    if name == "fields" and isinstance(value, list):
        lines = ",\n".join(f"    {json.dumps(pair, ensure_ascii=False)}" for pair in value)
        return f"[\n{lines}\n  ]"
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  ")

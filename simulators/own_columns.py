"""Columns that a tenant has added itself: a TOML file that both simulators read at start (`--columns FILE`).

    [msdyn_actual]                  # a table of Dataverse, by its logical name
    contoso_costcenter = "text 20"

    [ProjActualsImportEntity]       # an entity of Finance, by its AOT name
    ContosoCostCenter = "text 20"

A Dataverse column is written as in simulators/dataverse/tables.toml. A Finance column is `text` with a length,
`decimal`, `integer`, `date`, `guid` or `noYes`.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

type OwnColumns = Mapping[str, Mapping[str, str]]


def read_columns(file: Path | None) -> OwnColumns:
    """The columns in a file, by table or entity; none without a file."""
    return tomllib.loads(file.read_text("utf-8")) if file else {}

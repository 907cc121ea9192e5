"""Actuals as OData entities."""

import json
from collections.abc import Iterator

from benchmarks.contestants.rows import Sender
from shared.project_operations.codes import ACTUALS

PATH = "/data/ProjActualsImports"


async def bodies(sender: Sender, rows: list[list[str]]) -> Iterator[bytes]:
    """Each row as the JSON of an entity, its properties named as Finance's metadata names them."""
    names = await _property_names(sender)
    columns = [names[column] for column in sender.maps[ACTUALS].columns]
    company = sender.job["company"]
    return (
        json.dumps(
            {"dataAreaId": company} | {name: text for name, text in zip(columns, row, strict=True) if text}
        ).encode()
        for row in rows
    )


async def _property_names(sender: Sender) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {sender.client.token}"}
    url = f"{sender.client.origin}/metadata/PublicEntities('ProjActualsImport')"
    async with sender.session.get(url, headers=headers) as answer:
        answer.raise_for_status()
        return {each["Name"].upper(): each["Name"] for each in (await answer.json(content_type=None))["Properties"]}

"""`python -m relay_contract DIRECTORY`: write openapi.json and openapi-2.0.json there."""

import json
import sys
from pathlib import Path

from relay_contract.openapi import openapi
from relay_contract.swagger import swagger


def texts() -> dict[str, str]:
    """The documents by file name."""
    documents = {"openapi.json": openapi(), "openapi-2.0.json": swagger(openapi())}
    return {name: json.dumps(document, indent=2) + "\n" for name, document in documents.items()}


def main(directory: Path) -> None:
    """Write the documents."""
    for name, text in texts().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

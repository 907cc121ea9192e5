"""Application settings: the Values of local.settings.json, which become environment variables as in Azure."""

import json
import os
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devhost.refusal import StartRefused

DEFAULT_STORAGE = "AzureWebJobsStorage"
TRUE = ("1", "true")


@dataclass(frozen=True)
class LocalSettings:
    """The content of local.settings.json: the app's settings and the preferred port."""

    values: dict[str, str]
    port: int | None


def read_settings(path: Path) -> LocalSettings:
    """Read local.settings.json. Raises StartRefused when it is missing, encrypted or malformed."""
    content = _read_object(path)
    if content.get("IsEncrypted"):
        raise StartRefused(f"{path} is encrypted; run `func settings decrypt` or set IsEncrypted to false")
    values = content.get("Values", {})
    for name, value in values.items():
        if not isinstance(value, str):
            raise StartRefused(f"{path}: Values.{name} is not a string; write it in quotes")
    port = content.get("Host", {}).get("LocalHttpPort")
    return LocalSettings(values=values, port=None if port is None else int(port))


def apply_settings(values: dict[str, str], environment: MutableMapping[str, str] = os.environ) -> None:
    """Put the settings into the environment. A variable that is already set wins."""
    for name, value in values.items():
        environment.setdefault(name, value)
    # Core Tools does the same: the host takes shorter polling intervals in development.
    environment.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")


def resolve(text: str, where: str) -> str:
    """Replace each %NAME% in a binding's value by that setting. Raises StartRefused, naming the setting and the
    binding."""

    def look_up(match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise StartRefused(f"{where}: setting '{match[1]}' is not set")
        return value

    return re.sub(r"%([^%\s]+)%", look_up, text)


def find_connection_string(name: str, where: str) -> str:
    """Return the connection string that a binding's `connection` names (empty: AzureWebJobsStorage).

    Identity-based connections (NAME__accountName and the like) need a managed identity, which a laptop does not have.
    """
    name = name or DEFAULT_STORAGE
    # The host also looks for AzureWebJobs<name>: older versions required that prefix.
    value = os.environ.get(name) or os.environ.get(f"AzureWebJobs{name}")
    if value:
        return value
    if any(variable.upper().startswith(f"{name}__".upper()) for variable in os.environ):
        raise StartRefused(
            f"{where}: connection '{name}' is identity-based ({name}__...); devhost is for laptops and takes a "
            f"connection string only, such as UseDevelopmentStorage=true in '{name}'"
        )
    raise StartRefused(f"{where}: connection setting '{name}' is not set")


def is_disabled(function: str) -> bool:
    """Whether the setting AzureWebJobs.<function>.Disabled switches the function off."""
    return os.environ.get(f"AzureWebJobs.{function}.Disabled", "").lower() in TRUE


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise StartRefused(f"{path} does not exist; copy local.settings.sample.json and adapt it") from error
    except ValueError as error:
        raise StartRefused(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("Values", {}), dict):
        raise StartRefused(f'{path} is not of the form {{"IsEncrypted": false, "Values": {{...}}}}')
    return content

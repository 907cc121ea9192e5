"""The keys of a function app, in the file that its host reads."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class KeyFile:
    """The keys file of a host. Each change replaces the file, so that the host never reads half of one."""

    path: Path

    def of_host(self) -> dict[str, str]:
        """The keys that open every function."""
        return dict(self._read().get("functionKeys", {}))

    def of_function(self, function: str) -> dict[str, str]:
        """The keys of one function."""
        return dict(self._read().get("functions", {}).get(function, {}))

    def master(self) -> str:
        """The master key."""
        return str(self._read()["masterKey"])

    def put(self, function: str | None, name: str, value: str) -> None:
        """Set a key of a function, or of the host."""
        content = self._read()
        _keys_of(content, function)[name] = value
        self._write(content)

    def delete(self, function: str | None, name: str) -> bool:
        """Remove a key; return whether it was there."""
        content = self._read()
        was_there = _keys_of(content, function).pop(name, None) is not None
        self._write(content)
        return was_there

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text()))

    def _write(self, content: dict[str, Any]) -> None:
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.write_text(json.dumps(content))
        draft.replace(self.path)


def _keys_of(content: dict[str, Any], function: str | None) -> dict[str, str]:
    if function is None:
        keys: dict[str, str] = content.setdefault("functionKeys", {})
        return keys
    own: dict[str, str] = content.setdefault("functions", {}).setdefault(function, {})
    return own

"""Access keys of HTTP functions: one master key, keys for all functions, keys for one function."""

import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devhost.refusal import StartRefused

GENERATED = Path(".local") / "devhost.keys.json"


@dataclass(frozen=True)
class Keys:
    """The keys of a host. `function_keys` open every function, `functions[name]` one function, the master key
    everything."""

    master: str
    function_keys: Mapping[str, str]
    functions: Mapping[str, Mapping[str, str]]

    def open_function(self, name: str, presented: str | None) -> bool:
        """Whether the presented key may call the function."""
        own = self.functions.get(name, {})
        return _matches(presented, [self.master, *self.function_keys.values(), *own.values()])

    def open_admin(self, presented: str | None) -> bool:
        """Whether the presented key is the master key."""
        return _matches(presented, [self.master])


class KeyFile:
    """The keys of a file. A changed file is read at the next request, as keys that are set in Azure hold at once. A
    file that cannot be read changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp, self._keys = _stamp(path), read_keys(path)

    def open_function(self, name: str, presented: str | None) -> bool:
        """Whether the presented key may call the function."""
        return self._current().open_function(name, presented)

    def open_admin(self, presented: str | None) -> bool:
        """Whether the presented key is the master key."""
        return self._current().open_admin(presented)

    def _current(self) -> Keys:
        if (stamp := _stamp(self._path)) != self._stamp:
            self._stamp = stamp
            with contextlib.suppress(StartRefused):
                self._keys = read_keys(self._path)
        return self._keys


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_keys(path: Path) -> Keys:
    """Read a keys file: {"masterKey", "functionKeys": {name: key}, "functions": {function: {name: key}}}."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        keys = Keys(content["masterKey"], content.get("functionKeys", {}), content.get("functions", {}))
    except FileNotFoundError as error:
        raise StartRefused(f"keys file {path} does not exist") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StartRefused(f"keys file {path} must be a JSON object with at least masterKey") from error
    # An empty key would open a function to every request that sends an empty one.
    own = [key for keys_of_one in keys.functions.values() for key in keys_of_one.values()]
    if not all([keys.master, *keys.function_keys.values(), *own]):
        raise StartRefused(f"keys file {path} has an empty key")
    return keys


def find_or_generate_keys(root: Path) -> Path:
    """Return the path of the app's keys file. It is generated if missing and readable by its owner only."""
    path = root / GENERATED
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"masterKey": secrets.token_urlsafe(40), "functionKeys": {"default": secrets.token_urlsafe(40)}}
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=2)
    return path


def _matches(presented: str | None, accepted: Iterable[str]) -> bool:
    # Every key is compared, each in constant time, so that the response time reveals nothing about a key.
    given = (presented or "").encode()
    matches = [hmac.compare_digest(given, key.encode()) for key in accepted]
    return any(matches)

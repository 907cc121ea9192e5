"""Compares several versions of one map, member by member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

type Content = Mapping[str, Any]

NOTHING = "-"


@dataclass(frozen=True)
class Difference:
    """A column, or another member of the map, that is not the same in all versions. Each version has its text, or "-"
    where it is not there."""

    about: str
    texts: tuple[str, ...]


def differences(versions: Mapping[str, Content | None]) -> list[Difference]:
    """Where the versions differ. A version that is not there (None) is not compared."""
    described = {name: describe(content) if content is not None else None for name, content in versions.items()}
    members = dict.fromkeys(member for each in described.values() if each for member in each)
    found = []
    for member in members:
        texts = tuple(each.get(member, NOTHING) if each is not None else "" for each in described.values())
        if len({text for text, each in zip(texts, described.values(), strict=True) if each is not None}) > 1:
            found.append(Difference(member, texts))
    return found


def describe(content: Content) -> dict[str, str]:
    """A map as texts: its columns by their targets, and what applies to all rows."""
    source, target = content.get("source") or {}, content.get("target") or {}
    described = {
        "version": str(content.get("version", NOTHING)),
        "filter": str(source.get("filter") or NOTHING),
        "entity": str(target.get("entity", NOTHING)),
        "company": str(content.get("company") or NOTHING),
        "integration key": ", ".join(content.get("integrationKey") or ()) or NOTHING,
        "Finance changes": ", ".join(target.get("changes") or ()) or NOTHING,
        "write-back": _write_back(content.get("writeBack") or {}),
    }
    return described | {str(pair.get("target")): _pair(pair) for pair in content.get("fields") or ()}


def _write_back(content: Content) -> str:
    columns = ", ".join(f"{name} to {path}" for name, path in sorted((content.get("columns") or {}).items()))
    return " ".join(filter(None, [str(content.get("strategy") or ""), columns])) or NOTHING


def _pair(pair: Content) -> str:
    arrow = {"toFinance": "", "toDataverse": " (back)", "both": " (both ways)"}.get(str(pair.get("direction")), " (?)")
    return f"{pair.get('source') or ''}{_transform(pair.get('transform'))}{arrow}".strip()


def _transform(transform: Any) -> str:
    if not isinstance(transform, dict):
        return ""
    kind = transform.get("kind")
    details = {name: value for name, value in transform.items() if name != "kind"}
    if kind in {"constant", "default"}:
        return f" {kind} {details.get('value')!r}"
    if kind == "valueMap":
        values = sorted((details.get("values") or {}).items(), key=str)
        return " " + ", ".join(f"{value}={name}" for name, value in values)
    return f" {kind}" + "".join(f" {name} {value}" for name, value in sorted(details.items()))

"""Maps for a person: which are in use, what a check found, where versions differ."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from relay_cli.maps.differences import Difference
from relay_cli.screen import safe
from relay_cli.times import show_time
from relay_cli.views.layout import add, counted, table, verdict
from relay_contract.maps import MapCheck, MapHistory, MapInUse, MapSample, MapsInUse, Translation
from shared.maps.review import Remark, Review

_KINDS = {"taken": "green", "changed": "cyan", "untranslatable": "bold red", "missing": "yellow"}
_SHORT = 12


def name_digest(digest: str) -> str:
    """A file by the beginning of its digest."""
    return digest[:_SHORT] or "shipped"


def maps_view(maps: MapsInUse) -> RenderableType:
    """One line for each map."""
    view = table("Map", "Version", "File", "Since", "By", "")
    for each in maps.maps:
        active = each.activated
        add(
            view,
            each.map,
            each.version,
            name_digest(each.digest),
            show_time(active.at) if active else None,
            active.by if active else None,
            safe(_note(each), "yellow"),
        )
    return view


def _note(each: MapInUse) -> str:
    if each.problem:
        return f"the active map is not used: {each.problem}"
    if each.digest and each.base_digest not in ("", each.shipped_digest):
        return f"the shipped map has changed since ({each.shipped_version}): relay maps diff {each.map}"
    return ""


def history_view(history: MapHistory) -> RenderableType:
    """What was in use, and what is stored."""
    used: RenderableType = safe("The shipped map was always in use.")
    if history.activations:
        used = table("In use since", "File", "Version", "By")
        for each in history.activations:
            add(used, show_time(each.at), name_digest(each.digest), each.version, each.by)
    if not history.stored:
        return Group(used, safe("No map is stored."))
    stored = table("Stored", "Digest", "Version", "By", "")
    for file in history.stored:
        mark = "in use" if file.digest == history.in_use else file.problem
        add(stored, show_time(file.at) if file.at else None, file.digest, file.version, file.by, mark)
    return Group(used, Text(), stored)


def review_lines(file: Path, found: Review) -> dict[str, Any]:
    """The remarks as lines that editors understand: file:line:column: text."""
    by_severity = {"faults": "fault", "warnings": "warning"}
    return {
        name: [_line(file, each) for each in found.remarks if each.severity == severity]
        for name, severity in by_severity.items()
    }


def _line(file: Path, remark: Remark) -> str:
    place = f"{file}:{remark.line}:{remark.column}: " if remark.line else f"{file}: "
    about = f"{remark.about}: " if remark.about else ""
    return f"{place}{about}{remark.text}"


def review_view(file: Path, found: Review) -> RenderableType:
    """One line for each remark, then a line over all."""
    lines = review_lines(file, found)
    faults, warnings = lines["faults"], lines["warnings"]
    end = f"{counted(len(faults), 'fault')}, {counted(len(warnings), 'warning')}"
    return Group(
        *(safe(f"fault    {line}", "bold red") for line in faults),
        *(safe(f"warning  {line}", "yellow") for line in warnings),
        safe(end, "bold red" if faults else "green"),
    )


def check_view(check: MapCheck) -> RenderableType:
    """The remarks, the row before and after, and the verdict."""
    view = table("", "About", "What was found")
    for each in check.remarks:
        step = f". {each.next_step}" if each.next_step and each.verdict != "ok" else ""
        add(view, verdict(each.verdict), each.about, f"{each.text}{step}")
    parts: list[RenderableType] = [view]
    if check.sample:
        parts += [Text(), _sample_view(check.sample)]
    return Group(*parts, Text(), _verdict(check))


def _verdict(check: MapCheck) -> Text:
    if not check.passed:
        return safe("This map does not fit the tenant.", "bold red")
    if not check.proven:
        return safe("Nothing speaks against this map, but not everything could be seen.", "cyan")
    return safe("This map fits the tenant.", "green")


def _sample_view(sample: MapSample) -> RenderableType:
    """The columns of one row that the two maps write differently."""
    view = table("Column", "In use", "This map")
    same = 0
    for column, before in sample.before.items():
        after = sample.after.get(column)
        if before == after:
            same += 1
            continue
        add(view, column, _text(before), _text(after))
    return Group(safe(f"Row {sample.source_id}: {counted(same, 'column')} alike"), *([view] if view.rows else []))


def _text(value: str | None) -> str:
    return "(not sent)" if value is None else value or "(empty)"


def differences_view(versions: Sequence[str], found: Sequence[Difference]) -> RenderableType:
    """Each column or member that is not the same everywhere, with a line for the versions that are alike in it."""
    if not found:
        return safe("no difference", "green")
    view = table("Column", "In", "")
    for each in found:
        alike: dict[str, list[str]] = {}
        for version, text in zip(versions, each.texts, strict=True):
            # A version that is not there has no text.
            alike.setdefault(text, []).extend([version] if text else [])
        for number, (text, names) in enumerate(item for item in alike.items() if item[1]):
            add(view, each.about if number == 0 else "", ", ".join(names), text)
    return view


def translation_view(translation: Translation) -> RenderableType:
    """The report, then what is still wrong."""
    view = table("", "Column", "From, and what was changed")
    for each in translation.report:
        notes = (safe(note, "dim") for note in each.text.split("; ") if note)
        lines = [*([safe(each.source)] if each.source else []), *notes]
        add(view, safe(each.kind, _KINDS[each.kind]), each.target, Text("\n").join(lines))
    counts = {kind: sum(each.kind == kind for each in translation.report) for kind in _KINDS}
    told = ", ".join(f"{number:,} {kind}" for kind, number in counts.items())
    faults = [safe(f"  - {each}", "bold red") for each in translation.faults]
    return Group(safe(translation.found), view, safe(told), *faults)

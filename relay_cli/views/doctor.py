"""What the doctor found, for a person: area by area, and what to do about each finding that is not ok."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from relay_cli.screen import safe
from relay_cli.times import show_time
from relay_cli.views.layout import VERDICT_STYLES, verdict
from relay_contract.doctor import CheckResult, Diagnosis, Finding, VerdictCounts

AREAS = {
    "dataverse": "Dataverse",
    "finance": "Finance",
    "webhook": "Webhook",
    "maps": "Table maps",
    "app": "The app itself",
}


def doctor_view(diagnosis: Diagnosis) -> RenderableType:
    """The areas in order, then a line over all."""
    areas = [part for area in AREAS for part in _area(diagnosis, area)]
    when = f"{show_time(diagnosis.ended or diagnosis.began)}: " if diagnosis.checks else ""
    end = safe(f"{when}{summary(diagnosis.counts)}.", VERDICT_STYLES[diagnosis.worst])
    return Group(*areas, end)


def summary(counts: VerdictCounts) -> str:
    """The verdicts, counted: 12 ok, 1 warn, 0 fail, 2 unknown."""
    return ", ".join(f"{number:,} {verdict}" for verdict, number in counts.model_dump().items())


def _area(diagnosis: Diagnosis, area: str) -> list[RenderableType]:
    checks = [each for each in diagnosis.checks if each.area == area]
    if not checks:
        return []
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, min_width=max(map(len, VERDICT_STYLES)))
    grid.add_column(overflow="fold", max_width=28)
    grid.add_column(overflow="fold", ratio=1)
    for check in checks:
        for row in _rows(check):
            grid.add_row(*row)
    return [safe(AREAS[area], "bold"), grid, Text()]


def _rows(check: CheckResult) -> Iterator[tuple[Text, Text, Text]]:
    for number, finding in enumerate(check.findings):
        name = check.name if number == 0 else ""
        yield verdict(finding.verdict), safe(name), _told(finding)


def _told(finding: Finding) -> Text:
    """What was seen, and unless all is well what is expected and what to do."""
    about = f"{finding.about}: " if finding.about else ""
    lines = [safe(f"{about}{finding.seen}")]
    if finding.verdict != "ok":
        lines += [safe(f"Expected: {finding.expected}", "dim")] if finding.expected else []
        lines += [safe(f"Next: {finding.next_step}", "bold")] if finding.next_step else []
    return Text("\n").join(lines)

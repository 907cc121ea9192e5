"""The doctor's result as one HTML file: self-contained, without scripts, for the screen and for paper."""

from html import escape

from relay_cli.times import show_time
from relay_cli.views.doctor import AREAS, summary
from relay_contract.doctor import CheckResult, Diagnosis, Finding

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; } dd { margin: 0; }
dt { color: #555; } dd, td, code { overflow-wrap: anywhere; }
table { border-collapse: collapse; table-layout: fixed; width: 100%; }
th:nth-child(1) { width: 5.5rem; } th:nth-child(2) { width: 16%; } th:nth-child(4), th:nth-child(5) { width: 21%; }
th, td { border: 1px solid #bbb; padding: .4rem .6rem; text-align: left; vertical-align: top; }
th { background: #f0f0f0; } td:first-child { white-space: nowrap; font-weight: 600; }
.ok { color: #0b6a0b; } .warn { color: #8a5300; } .fail { color: #a4001d; } .unknown { color: #0b5cad; }
small { color: #555; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } tr { break-inside: avoid; } }
"""


def report(diagnosis: Diagnosis) -> str:
    """The HTML text. Every text of the app or a service is escaped."""
    areas = "".join(_area(diagnosis, area) for area in AREAS)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Invoice relay: set-up, {escape(show_time(diagnosis.began))}</title>\n"
        f"<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>Invoice relay: set-up</h1>\n{_facts(diagnosis)}\n{areas}"
        "<p><small>The app made these checks with its own identity. It only reads. What its user is not allowed to see "
        "is unknown.</small></p>\n</body>\n</html>\n"
    )


def _facts(diagnosis: Diagnosis) -> str:
    place = diagnosis.place
    facts = {
        "Result": f"{diagnosis.worst}: {summary(diagnosis.counts)}",
        "Checks": ", ".join(diagnosis.only) or "all",
        "Made": f"{show_time(diagnosis.began)} to {show_time(diagnosis.ended)}, for {diagnosis.by}",
        "Organization": place.organization,
        "Dataverse": place.dataverse,
        "Finance": place.finance,
        "App": place.app,
        "Table maps": ", ".join(f"{name} {version}" for name, version in place.maps.items()),
        "Run": diagnosis.id,
    }
    state = {} if diagnosis.state == "done" else {"State": f"{diagnosis.state} {diagnosis.detail}".strip()}
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in {**state, **facts}.items())
    return f"<dl>{rows}</dl>"


def _area(diagnosis: Diagnosis, area: str) -> str:
    checks = [each for each in diagnosis.checks if each.area == area]
    rows = "".join(_row(check, finding) for check in checks for finding in check.findings)
    head = "<tr><th>Verdict</th><th>Check</th><th>Seen</th><th>Expected</th><th>Next step</th></tr>"
    return f"<h2>{AREAS[area]}</h2>\n<table>{head}\n{rows}</table>\n" if rows else ""


def _row(check: CheckResult, finding: Finding) -> str:
    about = f"<br>{escape(finding.about)}" if finding.about else ""
    name = f"{escape(check.title)}<br><small><code>{escape(check.name)}</code></small>{about}"
    cells = [name, *map(escape, (finding.seen, finding.expected, finding.next_step))]
    told = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><td class="{finding.verdict}">{finding.verdict}</td>{told}</tr>\n'

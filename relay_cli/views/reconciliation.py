"""A reconciliation for a person: counts and money per map, then the rows that differ."""

from rich.console import Group, RenderableType
from rich.text import Text

from relay_cli.screen import safe
from relay_cli.views.layout import add, amounts, counted, table
from relay_contract.reconciliation import MapCounts, Reconciled, Reconciliation


def reconciliation_view(job: Reconciliation) -> RenderableType:
    """Every invoice that was looked at, and a line over all."""
    if not job.of:
        return safe(f"{job.summary or 'Nothing was compared'}.", "yellow")
    unequal, fixed = sum(not each.equal for each in job.invoices), sum(each.fixed for each in job.invoices)
    of_all = counted(len(job.invoices), "invoice")
    verdict = f"{unequal:,} of {of_all} differing" if unequal else f"No difference in {of_all}"
    sent = f"; {counted(fixed, 'row')} sent again" if fixed else ""
    told = f"{job.summary}. " if job.summary else ""
    end = safe(f"{told}{verdict}{sent}.", "yellow" if unequal else "green")
    return Group(*(part for each in job.invoices for part in (_invoice(each), Text())), end)


def _invoice(each: Reconciled) -> RenderableType:
    words = "equal" if each.equal else "differs"
    head = Text("  ").join(
        [
            safe(each.invoice_number or each.invoice_id, "bold"),
            safe(words, "green" if each.equal else "yellow"),
            safe(f"run: {each.run_state or 'none'}"),
        ]
    )
    counts = table("Map", ">Source rows", ">Target rows", ">Source amounts", ">Target amounts", "Note")
    for one in each.maps:
        add(counts, *_counts(one))
    problem = [safe(f"Not compared: {each.problem}", "red")] if each.problem else []
    problem += [safe(f"{each.doubt}.", "yellow")] if each.doubt else []
    return Group(head, *problem, *([counts] if each.maps else []), *_rows(each))


def _counts(one: MapCounts) -> list[object]:
    target = one.target
    alike = target is not None and (target.rows, target.amounts) == (one.source.rows, one.source.amounts)
    style = "" if alike else "yellow"
    rows = safe(f"{target.rows:,}" if target else "-", style)
    money = safe(amounts(target.amounts) if target else "-", style)
    return [one.map, f"{one.source.rows:,}", rows, amounts(one.source.amounts), money, one.note or ""]


def _rows(each: Reconciled) -> list[RenderableType]:
    if not (each.missing or each.surplus or each.different or each.unexplained):
        return []
    view = table("Row", "Map", "Key", "Field", "Source", "Target")
    for row in each.missing:
        add(view, safe("missing", "yellow"), row.map, row.key, "", "", "")
    for row in each.surplus:
        add(view, safe("surplus", "yellow"), row.map, row.key, "", "", "")
    for row in each.different:
        add(view, safe("different", "yellow"), row.map, row.key, row.field, row.source, row.target)
    for row in each.unexplained:
        add(view, safe("unexplained", "yellow"), row.map, row.key, "", "", "")
    listed = len(each.missing) + len(each.surplus) + len(each.different) + len(each.unexplained)
    # The app cuts long lists, and says how many there are.
    total = sum(each.counts.model_dump().values()) if each.counts else listed
    more = [safe(f"The first {listed:,} of {total:,} are listed.")] if total > listed else []
    return [Text(), view, *more]

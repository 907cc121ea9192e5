"""The sections of the document: each runs something and says what came of it."""

import math
import statistics
from collections.abc import Sequence
from functools import partial

from benchmarks import accepting, cpu
from benchmarks.figures import Series, met, ratio, run_rounds, show_range, slope, table
from benchmarks.ground import Ground
from benchmarks.race import race, race_relay
from benchmarks.workload import Prepared, fresh

type Lines = list[str]


class Figures:
    """What sections learn from one another: the relay's rounds by lines of a single invoice."""

    def __init__(self) -> None:
        self.by_lines: dict[int, Series] = {}
        self.together: Series = Series()


def _against_ceiling(ground: Ground, prepared: Prepared, what: str) -> dict[str, Series]:
    """The relay and the ceiling in turn, by name."""
    return run_rounds(
        {
            "ceiling": partial(race, "ceiling", prepared, ground.folder),
            "relay": partial(race_relay, prepared, ground.folder),
        },
        ground.sizes.rounds,
        what,
    )


def large_invoice(ground: Ground, figures: Figures) -> Lines:
    """One large invoice: the relay against the ceiling, and against one request for each row."""
    sizes = ground.sizes
    prepared = ground.workload(1, sizes.large)
    found = _against_ceiling(ground, prepared, f"{sizes.large:,} lines")
    ceiling, relay = found["ceiling"], found["relay"]
    figures.by_lines[sizes.large] = relay
    loop, how = _one_by_one(ground)
    share, times = ceiling.median / relay.median, loop / relay.median
    rows = [
        ["(e) the ceiling", ceiling.show(), "1.00", ""],
        ["(f) the relay", relay.show(), ratio(share), f"≥ 0.80 of (e): {met(share, least=0.8)}"],
        [
            "(a) one request a row",
            how,
            ratio(ceiling.median / loop),
            f"(f) is {ratio(times)} × as fast; ≥ 100: {met(times, least=100)}",
        ],
    ]
    head = [f"## One invoice of {sizes.large:,} lines, with delays", ""]
    return [
        *head,
        *table(["Contestant", "time", "of the ceiling", "goal"], rows),
        *_cpu_lines({"(e)": ceiling, "(f)": relay}),
    ]


def _one_by_one(ground: Ground) -> tuple[float, str]:
    """The seconds that one request a row would take for the large invoice, scaled from two small ones."""
    first, second = ground.sizes.one_by_one
    found = {lines: run_rounds({"one by one": partial(race, "one_by_one", ground.workload(1, lines), ground.folder)}, 1,
                               f"(a), {lines} lines")["one by one"] for lines in (first, second)}  # fmt: skip
    if any(series.failure for series in found.values()):
        return math.nan, found[first].show() + "; " + found[second].show()
    a_line = (found[second].median - found[first].median) / (second - first)
    scaled = found[second].median + a_line * (ground.sizes.large - second)
    return (
        scaled,
        f"{scaled:,.0f} s, scaled from {found[first].median:.1f} s for {first} and {found[second].median:.1f} s for {second} lines",
    )


def invoices_together(ground: Ground, figures: Figures) -> Lines:
    """Many invoices confirmed together: the relay on 1, 2 and 4 hosts, the ceiling, and a script."""
    sizes = ground.sizes
    invoices, lines = sizes.together
    prepared = ground.workload(invoices, lines)
    what = f"{invoices} × {lines} lines"
    found = _against_ceiling(ground, prepared, what)
    found |= run_rounds(
        {f"relay, {hosts} hosts": partial(race_relay, prepared, ground.folder, hosts=hosts) for hosts in (2, 4)},
        sizes.few_rounds,
        what,
    )
    relay = figures.together = found["relay"]
    script, how = _script(ground)
    imports = statistics.median(result.imports for result in relay.results) / invoices if relay.results else math.nan
    times = script / relay.median
    rows = [
        ["(e) the ceiling", found["ceiling"].show(), ratio(found["ceiling"].median / relay.median), ""],
        [
            "(f) the relay, 1 host",
            relay.show(),
            "1.00",
            f"{imports:.2f} imports an invoice; ≤ 0.2: {met(imports, most=0.2)}",
        ],
        [
            "(f′) the relay, 2 hosts",
            found["relay, 2 hosts"].show(),
            ratio(found["relay, 2 hosts"].median / relay.median),
            "",
        ],
        [
            "(f′) the relay, 4 hosts",
            found["relay, 4 hosts"].show(),
            ratio(found["relay, 4 hosts"].median / relay.median),
            "",
        ],
        ["(c) a script", how, ratio(script / relay.median), f"≥ 10 × (f): {met(times, least=10)}"],
    ]
    head = [f"## {invoices} invoices of {lines} lines confirmed together, with delays", ""]
    note = [
        "Two cores carry everything here, so more hosts share the same CPU; what they show is that they do not collide.",
        "",
    ]
    return [*head, *table(["Contestant", "time", "of (f)'s time", "goal"], rows), *note]


def _script(ground: Ground) -> tuple[float, str]:
    (first, second), (invoices, lines) = ground.sizes.script, ground.sizes.together
    found = {count: run_rounds({"script": partial(race, "script", ground.workload(count, lines), ground.folder)}, 1,
                               f"(c), {count} invoices")["script"] for count in (first, second)}  # fmt: skip
    if any(series.failure for series in found.values()):
        return math.nan, found[first].show() + "; " + found[second].show()
    each = (found[second].median - found[first].median) / (second - first)
    scaled = found[second].median + each * (invoices - second)
    return (
        scaled,
        f"{scaled:,.0f} s, scaled from {found[first].median:.1f} s for {first} and {found[second].median:.1f} s for {second} invoices",
    )


def small_invoice(ground: Ground, figures: Figures) -> Lines:
    """One small invoice: what waiting and hand-overs cost."""
    sizes = ground.sizes
    prepared = ground.workload(1, sizes.small)
    found = _against_ceiling(ground, prepared, f"{sizes.small} lines")
    figures.by_lines[sizes.small] = found["relay"]
    times = found["relay"].median / found["ceiling"].median
    rows = [
        ["(e) the ceiling", found["ceiling"].show(), "1.00", ""],
        ["(f) the relay", found["relay"].show(), ratio(times), f"≤ 1.3 × (e): {met(times, most=1.3)}"],
    ]
    return [
        f"## One invoice of {sizes.small} lines, with delays",
        "",
        *table(["Contestant", "time", "of the ceiling's time", "goal"], rows),
    ]


def middle_invoice(ground: Ground, figures: Figures) -> Lines:
    """All ways of sending on one invoice of middle size."""
    sizes = ground.sizes
    prepared = ground.workload(1, sizes.middle)
    what = f"{sizes.middle:,} lines"
    found = _against_ceiling(ground, prepared, what)
    found |= run_rounds({name: partial(race, name, prepared, ground.folder) for name in ("script", "in_batches")},
                        sizes.few_rounds, what)  # fmt: skip
    figures.by_lines[sizes.middle] = found["relay"]
    names = {
        "ceiling": "(e) the ceiling",
        "relay": "(f) the relay",
        "in_batches": "(b) `$batch` of 100, 16 in flight",
        "script": "(c) a script, one package a map",
    }
    rows = [
        [text, found[name].show(), ratio(found["ceiling"].median / found[name].median)] for name, text in names.items()
    ]
    note = [
        "(b) and (c) send once and look at nothing: no run, no completeness, no verification, nothing after a crash.",
        "",
    ]
    return [
        f"## One invoice of {sizes.middle:,} lines, with delays",
        "",
        *table(["Contestant", "time", "of the ceiling"], rows),
        *note,
    ]


def reading_half(ground: Ground, figures: Figures) -> Lines:
    """The official SDK for Python reading the billed sales, against our reading code."""
    del figures
    sizes = ground.sizes
    prepared = ground.workload(1, sizes.middle)
    lines: Lines = [f"## Reading {sizes.middle:,} billed sales with their lookups", ""]
    rows: list[Sequence[str]] = []
    for delays in (True, False):
        run = {
            name: partial(race, name, prepared, ground.folder, delays=delays, check=False)
            for name in ("sdk_reading", "own_reading")
        }
        found = run_rounds(run, sizes.few_rounds, "reading" if delays else "reading, no delays")
        sdk, own = found["sdk_reading"], found["own_reading"]
        profile = "with delays" if delays else "no delays"
        rows.append(
            [
                f"(d) Microsoft's SDK, {profile}",
                sdk.show(),
                ratio(sdk.median / own.median),
                f"{_cpu(sdk, 'sdk_reading'):.2f} s",
            ]
        )
        rows.append([f"our reading, {profile}", own.show(), "1.00", f"{_cpu(own, 'own_reading'):.2f} s"])
    lines += table(["Contestant", "time", "of ours", "its CPU"], rows)
    lines += [
        "PowerPlatform-Dataverse-Client refuses a base URL that is not https, so it was given TLS by a forwarder on loopback; the",
        "next links lead it to the simulator itself. It has no call for `In()` over many ids that respects the limit of a URL, no",
        "waiting for 429, and a read time-out of 10 s. CPU includes start-up, which for the SDK means importing pandas.",
        "",
    ]
    return lines


def growth(ground: Ground, figures: Figures) -> Lines:
    """How time and memory grow with the invoice."""
    sizes = ground.sizes
    for lines, rounds in ((sizes.thousand, sizes.few_rounds), (sizes.huge, 1)):
        prepared = ground.workload(1, lines)
        figures.by_lines[lines] = run_rounds(
            {"relay": partial(race_relay, prepared, ground.folder)}, rounds, f"{lines:,} lines"
        )["relay"]
    known = {
        lines: figures.by_lines[lines]
        for lines in (sizes.thousand, sizes.middle, sizes.large, sizes.huge)
        if lines in figures.by_lines
    }
    rows = [
        [f"{lines:,}", series.show(), show_range(_facts(series, "memory"), "MiB"), _host_cpu(series)]
        for lines, series in known.items()
    ]
    found = slope({float(lines): series.median for lines, series in known.items()})
    memory = {lines: statistics.median(_facts(series, "memory") or [math.nan]) for lines, series in known.items()}
    growing = memory.get(sizes.large, math.nan) / memory.get(sizes.thousand, math.nan)
    most = memory.get(sizes.large, math.nan)
    goals = [
        (
            f"Slope of the logarithms: {ratio(found)}; ≤ 1.05: {met(found, most=1.05)}. Each import's fixed seconds flatter it; "
            f"between {sizes.large:,} and {sizes.huge:,} lines alone it is "
            f"{ratio(slope({float(lines): series.median for lines, series in known.items() if lines >= sizes.large}))}."
        ),
        "",
        (
            f"Memory of a host, {sizes.large:,} against {sizes.thousand:,} lines: {ratio(growing)} ×; ≤ 1.25: {met(growing, most=1.25)}. "
            f"{most:.0f} MiB; ≤ 250: {met(most, most=250)}."
        ),
        "",
    ]
    return [
        "## Growth, with delays",
        "",
        *table(["Lines", "time", "peak memory of the host", "the host's CPU"], rows),
        *goals,
    ]


def own_cpu(ground: Ground, figures: Figures) -> Lines:
    """Our own CPU against a bare loop."""
    del figures
    with fresh(ground.workload(1, ground.sizes.middle), ground.folder, delays=False) as standing:
        ours, bare, rows = cpu.measure(standing, ground.sizes.rounds)
    share = statistics.median(bare) / statistics.median(ours)
    lines = [
        [
            f"read, map, count, encode, zip {rows:,} rows",
            show_range([1000 * each for each in ours], "ms"),
            ratio(share),
            f"≥ 0.5: {met(share, least=0.5)}",
        ],
        ["the bare loop: decode, `csv.writer`, zip", show_range([1000 * each for each in bare], "ms"), "1.00", ""],
    ]
    return ["## Our own CPU, one page, no delays", "", *table(["Work", "CPU", "of the bare loop", "goal"], lines)]


def webhooks(ground: Ground, figures: Figures) -> Lines:
    """The rate at which webhooks are accepted."""
    del figures
    count, ours, bare = ground.sizes.webhooks, [], []
    with fresh(ground.workload(1, ground.sizes.small), ground.folder, hosts=1, delays=False) as standing:
        accepting.accept_rate(standing, 50)
        for _ in range(ground.sizes.rounds):
            accepting.work_off(standing)
            bare.append(accepting.bare_rate(standing, count))
            ours.append(accepting.accept_rate(standing, count))
    share = statistics.median(ours) / statistics.median(bare)
    lines = [
        ["webhooks answered with 202", show_range(ours, "/s"), ratio(share), f"≥ 0.6: {met(share, least=0.6)}"],
        ["Azurite alone: one insert, one message", show_range(bare, "/s"), "1.00", ""],
    ]
    note = [
        "The host works on the accepted runs at the same time (it reads each invoice back, and rejects what Dataverse does not have),",
        "on the same two cores: this is under load, and every webhook was answered with 202. Azurite alone is asked when the host has",
        "worked off everything.",
        "",
    ]
    return ["## Accepting webhooks", "", *table(["", "rate", "of Azurite alone", "goal"], lines), *note]


def storage(ground: Ground, figures: Figures) -> Lines:
    """Operations on storage, and messages, counted at the wire."""
    sizes = ground.sizes
    known = {f"1 × {lines:,}": (lines, series) for lines, series in sorted(figures.by_lines.items())}
    known[f"{sizes.together[0]} × {sizes.together[1]}"] = (sizes.together[0] * sizes.together[1], figures.together)
    rows = []
    for name, (lines, series) in known.items():
        if series.results:
            last = series.results[-1]
            operations = sum(last.facts["storage"].values())
            rows.append(
                [
                    name,
                    f"{operations:,}",
                    ratio(1000 * operations / lines),
                    f"{last.imports}",
                    f"{last.facts['message']} B",
                ]
            )
    large = figures.by_lines.get(sizes.large)
    each = (
        1000 * sum(large.results[-1].facts["storage"].values()) / sizes.large if large and large.results else math.nan
    )
    largest = max(
        (series.results[-1].facts["message"] for _, series in known.values() if series.results), default=math.nan
    )
    goals = [
        (
            f"At {sizes.large:,} lines {ratio(each)} operations per 1,000 lines; under 20: {met(each, most=20)}. "
            f"The largest message on a queue had {largest} bytes; ≤ 2,048: {met(largest, most=2048)}."
        ),
        "",
        "Counted from Azurite's own log and files. A listener's look at a queue counts when it brings a message (one for each, though",
        "it may bring several); looks that find nothing depend on the time that passes, not on the work.",
        "",
    ]
    kinds = _kinds(large) if large and large.results else []
    return [
        "## Storage",
        "",
        *table(["Workload", "operations", "per 1,000 lines", "imports", "largest message"], rows),
        *goals,
        *kinds,
    ]


def _kinds(series: Series) -> Lines:
    counted = sorted(series.results[-1].facts["storage"].items(), key=lambda each: -each[1])
    return ["The large invoice's: " + ", ".join(f"{count} {kind}" for kind, count in counted) + ".", ""]


def _cpu_lines(known: dict[str, Series]) -> Lines:
    lines = []
    for name, series in known.items():
        if series.results:
            spent = ", ".join(f"{process} {seconds:.1f}" for process, seconds in series.results[-1].cpu.items())
            lines.append(f"CPU seconds of the last round of {name}: {spent}.")
    return [*lines, ""]


def _cpu(series: Series, process: str) -> float:
    return statistics.median(result.cpu[process] for result in series.results) if series.results else math.nan


def _host_cpu(series: Series) -> str:
    return show_range([result.cpu["host-0"] for result in series.results], "s")


def _facts(series: Series, name: str) -> list[float]:
    return [max(result.facts[name]) for result in series.results]


ALL = (
    small_invoice,
    own_cpu,
    webhooks,
    large_invoice,
    invoices_together,
    middle_invoice,
    growth,
    storage,
    reading_half,
)

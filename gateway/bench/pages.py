"""The result as one page with plots."""

from gateway.bench import tables
from gateway.bench.plan import USUAL_BODY, USUAL_COMPONENTS
from gateway.bench.result import Load, Result
from gateway.bench.stages import BATCH, STAGES
from gateway.report import Bars, Line, bars, lines
from gateway.report.page import Section, page

SHOWN = 0.999
"""The share of requests in the plot of latency: the rest would press it flat, and is told in words."""


def html(result: Result) -> str:
    """A self-contained document."""
    sections = [
        Section(
            "How many devices does one core carry?",
            answer=_sentence(result.answer.sentence),
            good=result.good,
            says=(*map(_sentence, result.answer.steps[:-1]), result.proof()),
        ),
        Section("Cost by stage", plots=(_by_stage(result),), rows=tables.by_algorithm(result), says=(_usual(),)),
        Section("Size of the body (P-256)", plots=(_by_body(result),), rows=tables.by_body(result)),
        Section("Covered components (P-256)", rows=tables.by_components(result)),
        Section("Engines", plots=_engines(result), rows=tables.engines(result)),
        Section(
            "Through a gateway",
            plots=(_throughput(result), _latency(result), _scaling(result)),
            rows=tables.loads(result),
            says=(tables.latency(result), *tables.notes(result)),
        ),
    ]
    return page("What verification costs on this machine", result.facts, sections)


def _sentence(step: str) -> str:
    return f"{step[0].upper()}{step[1:]}."


def _usual() -> str:
    return (
        f"µs of CPU for a status report of {USUAL_BODY} bytes with {USUAL_COMPONENTS} covered components; the store's "
        "part is the worker's share of a replay claim."
    )


def _by_stage(result: Result) -> str:
    usual = result.usual()
    series = [Bars(stage, tuple(one.us[stage].median for one in usual)) for stage in STAGES]
    series.append(Bars("store", (result.claim.median,) * len(usual)))
    titles = [one.case.key.title for one in usual]
    return bars("Cost of one verification by stage", "µs of CPU", titles, series, stacked=True)


def _by_body(result: Result) -> str:
    found = [
        one for one in result.costs if one.case.key.algorithm is tables.P256 and one.case.components == USUAL_COMPONENTS
    ]
    series = [Bars(stage, tuple(one.us[stage].median for one in found)) for stage in STAGES]
    sizes = [f"{len(one.case.body):,} bytes" for one in found]
    return bars("Cost of one verification by size of the body", "µs of CPU", sizes, series, stacked=True)


def _engines(result: Result) -> tuple[str, ...]:
    """What a choice of engine changes, for the algorithms that have one."""
    together = {(one.algorithm, one.choice): one.us for one in result.operations if one.at_once == BATCH}
    choices = list(dict.fromkeys(choice for _, choice in together))
    titles = [
        title
        for title in dict.fromkeys(title for title, _ in together)
        if all((title, choice) in together for choice in choices)
    ]
    if len(choices) < 2 or not titles:
        return ()
    series = []
    for choice in choices:
        spreads = [together[title, choice] for title in titles]
        series.append(Bars(choice, tuple(one.median for one in spreads), tuple((one.low, one.high) for one in spreads)))
    return (bars(f"Cost of a signature, {BATCH} at a time, by engine", "µs of CPU each", titles, series),)


def _throughput(result: Result) -> str:
    found = result.one_worker()
    titles = [f"{load.kind}, {load.algorithm}" for load in found]
    return bars(
        "Throughput of one worker by algorithm",
        "requests a second (middle half of the rounds marked)",
        titles,
        [_rates(found)],
    )


def _rates(found: list[Load]) -> Bars:
    return Bars(
        "requests/s",
        tuple(load.per_s.median for load in found),
        tuple((load.per_s.low, load.per_s.high) for load in found),
    )


def _latency(result: Result) -> str:
    latencies = result.latency.latencies
    points = [(ms, 100 * share) for ms, share in latencies.curve()]
    shown = [point for point in points if point[1] <= 100 * SHOWN] or points
    return lines(
        f"Latency at {result.latency.per_s:,.0f} requests a second (quickest {100 * SHOWN:g} %)",
        "milliseconds from when a request was due",
        "% of requests that took no longer",
        [Line("", ((0.0, 0.0), *shown))],
    )


def _scaling(result: Result) -> str:
    found = tables.scaling(result)
    titles = ["1 worker" if load.workers == 1 else f"{load.workers} workers" for load in found]
    return bars("Scaling over workers (status reports, P-256)", "requests a second", titles, [_rates(found)])

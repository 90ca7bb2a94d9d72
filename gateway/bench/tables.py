"""The result as tables and sentences: what the terminal shows, and what the page shows beside its plots."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from gateway.bench.plan import USUAL_BODY, USUAL_COMPONENTS
from gateway.bench.result import Load, Result
from gateway.bench.stages import STAGES, Cost, Operation, Spread
from gateway.model import Algorithm
from gateway.report.axis import figure

Rows: TypeAlias = list[dict[str, Any]]
P256: Final = Algorithm.ECDSA_P256_SHA256


def by_algorithm(result: Result) -> Rows:
    """The pieces of a usual status report, for each algorithm and key size."""
    rows = []
    for one in result.usual():
        total = sum(one.us[stage].median for stage in STAGES) + result.claim.median
        rows.append(
            {"algorithm": one.case.key.title}
            | _stages(one)
            | {"store": figure(result.claim.median), "sum": figure(total)}
        )
    return rows


def by_body(result: Result) -> Rows:
    """What the size of the body changes."""
    return [
        {"body, bytes": f"{len(one.case.body):,}"} | _stages(one)
        for one in _of_p256(result)
        if one.case.components == USUAL_COMPONENTS
    ]


def by_components(result: Result) -> Rows:
    """What the number of covered components changes."""
    return [
        {"components": str(one.case.components)} | _stages(one)
        for one in _of_p256(result)
        if len(one.case.body) == USUAL_BODY
    ]


def engines(result: Result) -> Rows:
    """µs for each signature, by engine."""
    return [
        {
            "algorithm": one.algorithm,
            "engine": one.choice,
            "library": library_of(one),
            "at a time": str(one.at_once),
            "µs each": told(one.us),
        }
        for one in result.operations
    ]


def library_of(one: Operation) -> str:
    """What took it: a batch engine leaves a single signature to another library."""
    several, _, few = one.engine.partition("; fewer than ")
    return few.partition(": ")[2] if few and one.at_once == 1 else several


def loads(result: Result) -> Rows:
    """What went through gateways."""
    return [
        {
            "request": load.kind,
            "algorithm": load.algorithm,
            "workers": str(load.workers),
            "requests/s": told(load.per_s),
            "CPU each, µs": "?" if load.worker_us is None else told(load.worker_us),
            "store, µs": "?" if load.store_us is None else figure(load.store_us.median),
            "generator": f"{load.generator:.0%}",
        }
        for load in result.loads
    ]


def latency(result: Result) -> str:
    """Latency in one sentence."""
    found = result.latency.latencies
    values = [f"p{100 * share:g} {figure(found.quantile_ms(share))} ms" for share in (0.5, 0.9, 0.99, 0.999)]
    return (
        f"Latency at {result.latency.per_s:,.0f} polls and reports a second, half of what saturates one worker, from "
        f"when each was due: {', '.join(values)}."
    )


def notes(result: Result) -> Iterator[str]:
    """What a reader must know to believe the figures."""
    yield (
        "Median and, in brackets, the middle half of rounds in which all kinds take turns. Times are CPU time; take "
        "ratios on a machine that does other work, too."
    )
    yield (
        "Requests are signed before the clock starts, each sent once, dated within the gateway's window: signing is "
        "the devices' work. Replay protection is on, the decision log as `serve` has it."
    )
    yield (
        f"The gateway has the engines of `auto` ({result.engine}); the pieces are those of one signature at a time, "
        "and under load signatures that arrive together may be verified together."
    )
    yield from (f"{_workers(count)}: {says}." for count, says in result.cores.items())
    busy = [load for load in result.loads if load.generator > 0.85]
    if busy:
        yield (
            f"The load generator took {max(load.generator for load in busy):.0%} of a core with "
            f"{_workers(busy[-1].workers)}: the gateway may do more than is shown."
        )
    if result.failures:
        yield f"{result.failures} honest requests were not let through: see the gateway's log with `serve`."


def _workers(count: int) -> str:
    return "One worker" if count == 1 else f"{count} workers"


def told(value: Spread) -> str:
    """Median, and the middle half in brackets."""
    return f"{figure(value.median)} ({figure(value.low)} to {figure(value.high)})"


def _stages(one: Cost) -> dict[str, str]:
    return {stage: figure(one.us[stage].median) for stage in STAGES}


def _of_p256(result: Result) -> list[Cost]:
    return [one for one in result.costs if one.case.key.algorithm is P256]


def scaling(result: Result) -> list[Load]:
    """The load that ran on every number of workers."""
    first = result.loads[0]
    return [load for load in result.loads if (load.kind, load.algorithm) == (first.kind, first.algorithm)]

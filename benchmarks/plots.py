"""Plots of the macro benchmark, as SVG files beside RESULTS.md."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.report import Bars, Line, bars, lines

NGINX: Final = "nginx, plain proxy"
BARE: Final = "bare verification"
LIMIT: Final = "limit (nginx + bare verification)"
SHARES: Final = range(0, 1000, 5)
"""Per mille of requests that the curve of latencies has; the last few stand in the table."""


def plots(result: Mapping[str, Any]) -> dict[str, str]:
    """File name without its ending to SVG; empty if the result has nothing to plot."""
    raw = result.get("raw", {})
    loads = raw.get("loads", {})
    found = {}
    for kind in ("P-256", "P-384"):
        by_connections = {name: subjects for name, subjects in loads.items() if name.startswith(kind + ",")}
        if by_connections:
            found[f"cost-{kind.lower()}"] = _cost(kind, by_connections)
    if "peers" in loads:
        found["rates"] = _rates(loads["peers"])
    if raw.get("latency"):
        found["latency"] = _latency(raw["latency"])
    return found


def _cost(kind: str, by_connections: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> str:
    subjects = list(next(iter(by_connections.values())))
    ours = [name for name in subjects if name not in (NGINX, BARE)]
    series = []
    for name, taken in by_connections.items():
        limit = [a + b for a, b in zip(taken[NGINX]["cpu_us"], taken[BARE]["cpu_us"], strict=True)]
        rounds = [limit, *(taken[one]["cpu_us"] for one in ours)]
        series.append(_series(name.removeprefix(kind + ", "), rounds))
    title = f"CPU per verified request, {kind}: median and middle half"
    return bars(title, "µs of CPU per request", [LIMIT, *ours], series, alone=True)


def _rates(peers: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    series = _series("requests a second", [taken["rate"] for taken in peers.values()])
    title = "Verified requests a second on one core, 16 connections"
    return bars(title, "requests a second", list(peers), [series], alone=True)


def _latency(curves: Sequence[Mapping[str, Any]]) -> str:
    drawn = [Line(curve["name"], tuple((at / 10, curve["latency_us"][at] / 1e3) for at in SHARES)) for curve in curves]
    title = f"Latency at {curves[0]['rate']:,.0f} requests a second, open loop: what share of requests is faster"
    return lines(title, "% of requests", "ms", drawn, alone=True)


def _series(name: str, rounds: Sequence[Sequence[float]]) -> Bars:
    halves = []
    for one in rounds:
        low, _, high = statistics.quantiles(one, n=4, method="inclusive") if len(one) > 1 else (one[0],) * 3
        halves.append((low, high))
    return Bars(name, tuple(statistics.median(one) for one in rounds), tuple(halves))

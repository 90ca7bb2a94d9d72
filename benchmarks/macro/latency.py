"""Latency that the gateway adds to that of nginx, at half of its saturated rate, arrivals at random (open loop)."""

import contextlib
from typing import Final

import msgspec

from benchmarks import row
from benchmarks.load.generator import send
from benchmarks.macro.gateway import Sections
from benchmarks.macro.rig import P256, Feed, Prover, Rig, median, sized
from benchmarks.peers import nginx
from benchmarks.row import Row

SATURATING: Final = 16
CONNECTIONS: Final = 64
WARM: Final = 2000
PER_MILLE: Final = (500, 900, 990, 999)


class Curve(msgspec.Struct, frozen=True):
    """Median over the rounds of each per mille of latency, microseconds; `rate` in requests a second."""

    name: str
    rate: float
    latency_us: list[float]


def measure(rig: Rig, sections: Sections, rounds: int, seconds: float) -> tuple[list[Row], list[Curve]]:
    """The row, and the distributions behind it."""
    prover = Prover(rig, P256)
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(rig.peer(nginx.PLAIN, P256))
        gateway = stack.enter_context(rig.gateway("gateway", P256, sections)).running
        warm = Feed(rig.sign(P256, 2 * WARM))
        rig.load(gateway, warm, WARM, SATURATING)
        rate = rig.load(gateway, warm, WARM, SATURATING).rate / 2
        requests = sized(rate, seconds)
        feeds = {gateway.name: Feed(rig.sign(P256, requests * rounds))}
        feeds[proxy.name] = Feed(feeds[gateway.name].shots, once=False)
        seen: dict[str, list[list[float]]] = {proxy.name: [], gateway.name: []}
        for index in range(rounds):
            for subject in (proxy, gateway) if index % 2 else (gateway, proxy):
                rig.say(f"{subject.name}, {rate:,.0f} requests a second")
                feed = feeds[subject.name]
                done = send(
                    subject.port,
                    feed.shots,
                    requests,
                    connections=CONNECTIONS,
                    first=feed.take(requests),
                    rate=rate,
                    core=rig.beside,
                    seed=index + 1,
                )
                seen[subject.name].append(done.latency_us)
            prover.prove(gateway)
    added = [(a[990] - b[990]) / 1e3 for a, b in zip(seen[gateway.name], seen[proxy.name], strict=True)]
    curves = [
        Curve(name, rate, [median([one[at] for one in runs]) for at in range(1001)]) for name, runs in seen.items()
    ]
    told = "; ".join(
        f"{curve.name}: " + ", ".join(f"p{at / 10:g} {curve.latency_us[at] / 1e3:.2f} ms" for at in PER_MILLE)
        for curve in curves
    )
    note = f"{rate:,.0f} requests a second, {CONNECTIONS} connections; {told}"
    return [row.at_most("p99 added over nginx plain proxy, open loop", 2.0, added, " ms", note=note)], curves

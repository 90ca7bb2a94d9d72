"""CPU per verified request against the limit: nginx as a plain proxy, and one bare verification.

Also what decision log and metrics cost, what is left when nothing is verified, and a cache of 100,000 devices.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from benchmarks import row
from benchmarks.load.generator import Shots
from benchmarks.macro.bare import bare_us, verifier
from benchmarks.macro.fleet import Fleet
from benchmarks.macro.gateway import Sections
from benchmarks.macro.rig import Feed, Load, Prover, Rig, median, sized
from benchmarks.peers import nginx
from benchmarks.peers.peer import Running
from benchmarks.row import Row

WARM_REQUESTS: Final = 2000
FASTEST: Final = 30_000
"""Requests a second that no gateway exceeds on one core: how many are signed beforehand."""


class Case(msgspec.Struct, frozen=True):
    """One way to run the gateway, and the bar for it by number of connections."""

    name: str
    sections: Sections
    bars: Mapping[int, float]


class Table(msgspec.Struct, frozen=True):
    """Rounds by subject and number of connections; the limit of each round."""

    loads: dict[tuple[str, int], list[Load]]
    bare: dict[int, list[float]]


def measure(rig: Rig, fleet: Fleet, cases: Sequence[Case], at: Sequence[int], rounds: int, seconds: float) -> Table:
    """Interleaved rounds of nginx, every case and the bare verification."""
    plain = Feed(rig.sign(fleet, 2000), once=False)
    loads: dict[tuple[str, int], list[Load]] = {}
    bare: dict[int, list[float]] = {connections: [] for connections in at}
    run = verifier(fleet)
    prover = Prover(rig, fleet)
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(rig.peer(nginx.PLAIN, fleet))
        gateways = [stack.enter_context(rig.gateway(case.name, fleet, case.sections)).running for case in cases]
        warm = rig.sign(fleet, WARM_REQUESTS * 2)
        warm_feeds = [Feed(warm) for _ in gateways]
        rates: dict[tuple[str, int], float] = {}
        for gateway, feed in zip(gateways, warm_feeds, strict=True):
            rig.load(gateway, feed, WARM_REQUESTS, 64)
            for connections in at:
                share = WARM_REQUESTS // len(at)
                rates[gateway.name, connections] = rig.load(gateway, feed, share, connections).rate
        rig.load(proxy, plain, WARM_REQUESTS, 64)
        nginx_rate = rig.load(proxy, plain, WARM_REQUESTS, 16).rate
        most = max(sum(sized(rates[one.name, connections], seconds) for connections in at) for one in gateways)
        signed = rig.sign(fleet, most * rounds)
        feeds = {gateway.name: Feed(signed) for gateway in gateways}
        for index in range(rounds):
            for connections in at:
                _note(loads, proxy, connections, rig.load(proxy, plain, sized(nginx_rate, seconds), connections))
                for gateway in gateways[index % len(gateways) :] + gateways[: index % len(gateways)]:
                    requests = sized(rates[gateway.name, connections], seconds)
                    done = rig.load(gateway, feeds[gateway.name], requests, connections)
                    _note(loads, gateway, connections, done)
                    prover.prove(gateway)
                rate = median([loads[one.name, connections][-1].rate for one in gateways])
                bare[connections].append(_bare(rig, run, plain.shots, rate, seconds))
    return Table(loads, bare)


def rows(table: Table, cases: Sequence[Case], kind: str) -> list[Row]:
    """The ratio of each case to the limit, with the parts of both."""
    found = []
    for case in cases:
        for connections, bare in table.bare.items():
            ours = table.loads[case.name, connections]
            proxy = [load.cpu_us for load in table.loads[nginx.PLAIN.name, connections]]
            limit = [a + b for a, b in zip(proxy, bare, strict=True)]
            note = (
                f"{median([load.cpu_us for load in ours]):.1f} µs a request at "
                f"{median([load.rate for load in ours]):,.0f} a second; nginx {median(proxy):.1f} + bare "
                f"{median(bare):.1f} µs; the store's {median([load.store_us for load in ours]):.1f} µs beside it"
            )
            measure = f"CPU per verified request ÷ limit, {kind}, {case.name}, {connections} connections"
            values = row.ratios([load.cpu_us for load in ours], limit)
            bar = case.bars.get(connections)
            if bar is None:
                found.append(row.reported(measure, values, note=note))
            else:
                found.append(row.at_most(measure, bar, values, note=note))
    return found


def _bare(rig: Rig, run: object, shots: Shots, rate: float, seconds: float) -> float:
    rig.say("bare verification")
    assert callable(run)
    return bare_us(run, rig.core, rig.beside, rig.backend.port, shots, rate, seconds / 2)


def _note(loads: dict[tuple[str, int], list[Load]], subject: Running, connections: int, load: Load) -> None:
    loads.setdefault((subject.name, connections), []).append(load)

"""Requests per second of the gateway against verifying proxies of other makes, all on one core of the same machine."""

import contextlib
from collections.abc import Sequence
from typing import Final

import msgspec

from benchmarks import row
from benchmarks.macro.gateway import Sections
from benchmarks.macro.rig import P256, Feed, Load, Prover, Rig, median, sized
from benchmarks.peers import golang, naive, nginx, nodejs
from benchmarks.peers.peer import Peer, Running
from benchmarks.row import Row

CONNECTIONS: Final = 16
WARM: Final = 1000
RECYCLED: Final = 3000
"""Requests that a peer gets again and again: it does not notice. All are younger than it takes."""


class Rival(msgspec.Struct, frozen=True):
    """A peer, and how many times as fast the gateway is to be; 0: reported."""

    peer: Peer
    bar: float


RIVALS: Final = (
    Rival(naive.PROXY, 3.0),
    Rival(golang.PROXY, 2.5),
    Rival(nodejs.PROXY, 0.0),
    Rival(nginx.in_front_of("nginx auth_request + Go httpsign", golang.VERIFIER), 0.0),
    Rival(nginx.in_front_of("nginx auth_request + aiohttp + http-message-signatures", naive.VERIFIER), 0.0),
)


def measure(
    rig: Rig, sections: Sections, rounds: int, seconds: float, rivals: Sequence[Rival] = RIVALS
) -> tuple[list[Row], dict[str, list[Load]]]:
    """One row for each rival, and the loads behind them by name."""
    found = [_skipped(rival) for rival in rivals if rival.peer.why_not()]
    rivals = [rival for rival in rivals if not rival.peer.why_not()]
    prover = Prover(rig, P256)
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(rig.gateway("gateway", P256, sections)).running
        peers = [stack.enter_context(rig.peer(rival.peer, P256)) for rival in rivals]
        recycled = Feed(rig.sign(P256, RECYCLED), once=False)
        warm = Feed(rig.sign(P256, 2 * WARM))
        rig.load(gateway, warm, WARM, CONNECTIONS)
        rates = {gateway.name: rig.load(gateway, warm, WARM, CONNECTIONS).rate}
        for peer in peers:
            rig.load(peer, recycled, WARM // 2, CONNECTIONS)
            rates[peer.name] = rig.load(peer, recycled, WARM // 2, CONNECTIONS).rate
        requests = sized(rates[gateway.name], seconds)
        fresh = Feed(rig.sign(P256, requests * rounds))
        ours: list[Load] = []
        theirs: dict[str, list[Load]] = {peer.name: [] for peer in peers}
        for index in range(rounds):
            ours.append(rig.load(gateway, fresh, requests, CONNECTIONS))
            prover.prove(gateway)
            for peer in peers[index % len(peers) :] + peers[: index % len(peers)]:
                theirs[peer.name].append(rig.load(peer, recycled, sized(rates[peer.name], seconds), CONNECTIONS))
                prover.prove(peer, replay=False)
    rows = [_row(ours, theirs[rival.peer.name], rival) for rival in rivals] + found
    return rows, {gateway.name: ours, **theirs}


def _row(ours: Sequence[Load], theirs: Sequence[Load], rival: Rival) -> Row:
    values = row.ratios([load.rate for load in ours], [load.rate for load in theirs])
    note = (
        f"{median([load.rate for load in ours]):,.0f} against {median([load.rate for load in theirs]):,.0f} a second; "
        f"CPU {median([load.cpu_us for load in ours]):.0f} against {median([load.cpu_us for load in theirs]):.0f} µs a "
        "request"
    )
    if rival.bar:
        return row.at_least(_measure(rival), rival.bar, values, " ×", note=note)
    return row.reported(_measure(rival), values, " ×", note=note)


def _skipped(rival: Rival) -> Row:
    return row.skipped(_measure(rival), f"≥ {rival.bar:g} ×" if rival.bar else "reported", rival.peer.why_not())


def _measure(rival: Rival) -> str:
    return f"requests/s against {rival.peer.name}, {CONNECTIONS} connections"


def two_workers(rig: Rig, sections: Sections, rounds: int, seconds: float) -> list[Row]:
    """Two workers against one, where the system decides who runs on which core."""
    prover = Prover(rig, P256)
    with (
        rig.gateway("one worker", P256, sections, pinned=False) as one,
        rig.gateway("two workers", P256, sections, {"listen": {"workers": 2}}, pinned=False) as two,
    ):
        both: tuple[Running, Running] = (one.running, two.running)
        warm = rig.sign(P256, 4 * WARM)
        feeds = [Feed(warm), Feed(warm)]
        for subject, feed in zip(both, feeds, strict=True):
            rig.load(subject, feed, 2 * WARM, 64)
        rates = [rig.load(subject, feed, WARM, 64).rate for subject, feed in zip(both, feeds, strict=True)]
        requests = [sized(rate, seconds) for rate in rates]
        fresh = rig.sign(P256, max(requests) * rounds)
        feeds = [Feed(fresh), Feed(fresh)]
        loads: tuple[list[Load], list[Load]] = ([], [])
        for _ in range(rounds):
            for subject, feed, count, into in zip(both, feeds, requests, loads, strict=True):
                into.append(rig.load(subject, feed, count, 64))
                prover.prove(subject)
    values = row.ratios([load.rate for load in loads[1]], [load.rate for load in loads[0]])
    note = (
        f"{median([load.rate for load in loads[1]]):,.0f} against {median([load.rate for load in loads[0]]):,.0f} a "
        "second, 64 connections; load, backend and store share the two cores with the workers"
    )
    return [row.reported("requests/s, two workers against one", values, " ×", note=note)]

"""What single parts cost: metrics and log, everything but verification, and a cache full of devices."""

import contextlib
import random
from typing import Final

from benchmarks import row
from benchmarks.load.generator import Shots
from benchmarks.macro.fleet import Fleet
from benchmarks.macro.gateway import Sections, merged
from benchmarks.macro.rig import P256, Feed, Load, Prover, Rig, median, sized
from benchmarks.peers import nginx
from benchmarks.row import Row
from gateway.model import Algorithm

CONNECTIONS: Final = 16
WARM: Final = 1000
SILENT: Final[Sections] = {"log": {"requests": "none"}, "observe": {"address": "off"}}
"""Counting goes on: a page of memory is there whether anybody reads it or not."""
PASSING: Final[Sections] = {"policy": {"modes": {"status": "passthrough"}}, "unsafe": {"passthrough": True}}
OPEN: Final[Sections] = {
    "policy": {"profile": "generic"},
    "route": [{"path": "/open/**", "access": "open"}, {"path": "/devices/{clientId}/**"}],
}
MANY: Final = Fleet(Algorithm.ECDSA_P256_SHA256, 100_000)
FEW_DEVICES: Final = 10
MEETING_S: Final = 240.0
"""How long the gateway may take to meet every device once."""
SPREAD: Final = random.Random(9421)


def logs(rig: Rig, sections: Sections, rounds: int, seconds: float) -> list[Row]:
    """CPU that metrics and a log line for every decision add."""
    prover = Prover(rig, P256)
    with (
        rig.gateway("metrics and logs on", P256, sections) as on,
        rig.gateway("metrics and logs off", P256, sections, SILENT) as off,
    ):
        subjects = (on.running, off.running)
        warm = rig.sign(P256, 3 * WARM)
        feeds = [Feed(warm), Feed(warm)]
        for subject, feed in zip(subjects, feeds, strict=True):
            rig.load(subject, feed, 2 * WARM, CONNECTIONS)
        rate = rig.load(subjects[1], feeds[1], WARM, CONNECTIONS).rate
        requests = sized(rate, seconds)
        fresh = rig.sign(P256, requests * rounds)
        feeds = [Feed(fresh), Feed(fresh)]
        loads: tuple[list[Load], list[Load]] = ([], [])
        for index in range(rounds):
            for which in (0, 1) if index % 2 else (1, 0):
                loads[which].append(rig.load(subjects[which], feeds[which], requests, CONNECTIONS))
                prover.prove(subjects[which])
        lines = on.log_lines()
    extra = [a.cpu_us - b.cpu_us for a, b in zip(*loads, strict=True)]
    note = f"{lines:,} log lines written; {median([load.cpu_us for load in loads[1]]):.1f} µs a request without"
    return [row.at_most("metrics and logs on against off, CPU per request", 3.0, extra, " µs", 1, note)]


def unverified(rig: Rig, sections: Sections, rounds: int, seconds: float) -> list[Row]:
    """CPU against nginx as a plain proxy where nothing is verified: the same status reports on a route in mode
    `passthrough`, and GET without a body on an open route."""
    heads = rig.folder / "open.heads"
    heads.write_bytes(b"GET /open/status HTTP/1.1\r\nHost: wfm.example.com\r\nUser-Agent: device\r\n\r\n" * 100)
    posts, gets = Feed(rig.sign(P256, 2000), once=False), Feed(Shots(heads, 100), once=False)
    measure = "with verification off, CPU per request against nginx plain proxy"
    ours, theirs = _beside_nginx(rig, merged(sections, PASSING), posts, rounds, seconds)
    note = f"status report, mode `passthrough`; {median(ours):.1f} against {median(theirs):.1f} µs a request"
    found = [row.at_most(measure, 1.5, row.ratios(ours, theirs), " ×", note=note)]
    ours, theirs = _beside_nginx(rig, merged(sections, OPEN), gets, rounds, seconds)
    note = f"GET without a body; {median(ours):.1f} against {median(theirs):.1f} µs a request"
    found.append(
        row.reported("open route, CPU per request against nginx plain proxy", row.ratios(ours, theirs), " ×", note=note)
    )
    return found


def _beside_nginx(
    rig: Rig, sections: Sections, feed: Feed, rounds: int, seconds: float
) -> tuple[list[float], list[float]]:
    """CPU of the gateway and of nginx, round by round."""
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(rig.peer(nginx.PLAIN, Fleet(P256.algorithm, 1)))
        gateway = stack.enter_context(rig.gateway("gateway, nothing verified", P256, sections)).running
        requests = {}
        for subject in (proxy, gateway):
            rig.load(subject, feed, WARM, CONNECTIONS)
            requests[subject.name] = sized(rig.load(subject, feed, WARM, CONNECTIONS).rate, seconds)
        loads: dict[str, list[Load]] = {proxy.name: [], gateway.name: []}
        for index in range(rounds):
            for subject in (proxy, gateway) if index % 2 else (gateway, proxy):
                loads[subject.name].append(rig.load(subject, feed, requests[subject.name], CONNECTIONS))
    return [load.cpu_us for load in loads[gateway.name]], [load.cpu_us for load in loads[proxy.name]]


def cache(rig: Rig, sections: Sections, rounds: int, seconds: float, fleet: Fleet = MANY) -> list[Row]:
    """Requests spread over all devices in L1 against requests of ten of them."""
    prover = Prover(rig, P256)
    rig.say(f"registering {fleet.count:,} devices")
    with rig.gateway("gateway", fleet, sections, {"registry": {"l1_entries": fleet.count}}) as started:
        gateway = started.running
        everyone = list(range(fleet.count))
        rig.load(gateway, Feed(rig.sign(fleet, fleet.count, everyone)), fleet.count, CONNECTIONS, MEETING_S)
        SPREAD.shuffle(everyone)
        few = everyone[:FEW_DEVICES]
        rate = rig.load(gateway, Feed(rig.sign(fleet, WARM, few)), WARM, CONNECTIONS).rate
        requests = sized(rate, seconds)
        many_feed = Feed(rig.sign(fleet, requests * rounds, everyone))
        few_feed = Feed(rig.sign(fleet, requests * rounds, few))
        loads: tuple[list[Load], list[Load]] = ([], [])
        for index in range(rounds):
            for feed, into in ((many_feed, loads[0]), (few_feed, loads[1]))[:: 1 if index % 2 else -1]:
                into.append(rig.load(gateway, feed, requests, CONNECTIONS))
                prover.prove(gateway)
    values = [100 * ratio for ratio in row.ratios([one.rate for one in loads[0]], [one.rate for one in loads[1]])]
    note = (
        f"CPU {median([one.cpu_us for one in loads[0]]):.1f} against {median([one.cpu_us for one in loads[1]]):.1f} µs "
        "a request"
    )
    measure = f"requests/s, spread over {fleet.count:,} devices in L1 against {FEW_DEVICES}"
    return [row.at_least(measure, 85, values, " %", 0, note)]
